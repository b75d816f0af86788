// What filters make of a request: paths, Location, header fields.
#include "data-plane/filters/filter.h"

#include <gtest/gtest.h>

namespace apk {
namespace {

RequestHead Request(std::string path) {
  RequestHead request;
  request.method = "GET";
  request.host = "shop.example";
  request.authority = "shop.example:8080";
  request.path = std::move(path);
  return request;
}

std::string RewrittenPath(std::string path, size_t base_size, size_t prefix_size,
                          PathModifier modifier) {
  RequestHead request = Request(std::move(path));
  MatchedPath matched;
  matched.base_path = std::string_view(request.path).substr(0, base_size);
  matched.prefix = std::string_view(request.path).substr(base_size, prefix_size);
  matched.is_prefix = true;
  UrlRewrite rewrite;
  rewrite.path = std::move(modifier);
  const std::vector<Filter> filters = {rewrite};
  FilterContext context;
  context.path = &matched;
  CutBasePath(matched, request);
  EXPECT_FALSE(ApplyRequestFilters(filters, context, request).has_value());
  return request.path;
}

PathModifier Prefix(std::string value) {
  return {PathModifier::Kind::kReplacePrefixMatch, std::move(value)};
}

std::string Location(const RequestRedirect& redirect, bool secure, uint16_t listener_port) {
  RequestHead request = Request("/foo/bar");
  request.secure = secure;
  request.query = "q=1";
  request.has_query = true;
  MatchedPath matched;
  matched.prefix = std::string_view(request.path).substr(0, 4);
  matched.is_prefix = true;
  const std::vector<Filter> filters = {redirect};
  FilterContext context;
  context.path = &matched;
  context.listener_port = listener_port;
  context.original_path = request.path;
  CutBasePath(matched, request);
  const std::optional<Reply> reply = ApplyRequestFilters(filters, context, request);
  if (!reply.has_value() || reply->headers.empty()) return "(none)";
  return reply->headers[0].second;
}

TEST(FilterTest, PrefixReplacementKeepsElementBoundaries) {
  EXPECT_EQ(RewrittenPath("/foo/bar", 0, 4, Prefix("/xyz")), "/xyz/bar");
  EXPECT_EQ(RewrittenPath("/foo/bar", 0, 4, Prefix("/xyz/")), "/xyz/bar");
  EXPECT_EQ(RewrittenPath("/foo", 0, 4, Prefix("/xyz")), "/xyz");
  EXPECT_EQ(RewrittenPath("/foo/", 0, 4, Prefix("/xyz")), "/xyz/");
  EXPECT_EQ(RewrittenPath("/foo/bar", 0, 4, Prefix("/")), "/bar");
  EXPECT_EQ(RewrittenPath("/foo", 0, 4, Prefix("/")), "/");
  EXPECT_EQ(RewrittenPath("/foo", 0, 4, Prefix("")), "/");
  EXPECT_EQ(RewrittenPath("/foo", 0, 0, Prefix("/xyz")), "/xyz/foo");
}

TEST(FilterTest, BasePathIsCutBeforeAPrefixIsReplaced) {
  EXPECT_EQ(RewrittenPath("/api/1.0/foo/bar", 8, 4, Prefix("/xyz")), "/xyz/bar");
  EXPECT_EQ(RewrittenPath("/api/1.0", 8, 0, PathModifier()), "/");
}

TEST(FilterTest, ToleratedSlashIsNotForwarded) {
  RequestHead request = Request("/api/pets/");
  MatchedPath matched;
  matched.base_path = std::string_view(request.path).substr(0, 4);
  matched.drop_trailing_slash = true;
  CutBasePath(matched, request);
  EXPECT_EQ(request.path, "/pets");
}

TEST(FilterTest, FullPathMayReferToGroups) {
  RequestHead request = Request("/pets/7");
  MatchedPath matched;
  matched.groups = {"/pets/7", "7"};
  UrlRewrite rewrite;
  rewrite.hostname = "v2.example";
  rewrite.path = {PathModifier::Kind::kReplaceFullPath, R"(v2/\1/x\2)"};
  const std::vector<Filter> filters = {rewrite};
  FilterContext context;
  context.path = &matched;
  ApplyRequestFilters(filters, context, request);
  EXPECT_EQ(request.path, "/v2/7/x");
  EXPECT_EQ(request.authority, "v2.example");
  EXPECT_EQ(request.host, "shop.example");
}

TEST(FilterTest, RedirectPortFollowsTheGatewayApi) {
  RequestRedirect redirect;
  EXPECT_EQ(Location(redirect, false, 80), "http://shop.example/foo/bar?q=1");
  EXPECT_EQ(Location(redirect, false, 8080), "http://shop.example:8080/foo/bar?q=1");
  EXPECT_EQ(Location(redirect, true, 443), "https://shop.example/foo/bar?q=1");
  redirect.scheme = "https";
  EXPECT_EQ(Location(redirect, false, 8080), "https://shop.example/foo/bar?q=1");
  redirect.port = 8443;
  EXPECT_EQ(Location(redirect, false, 8080), "https://shop.example:8443/foo/bar?q=1");
}

TEST(FilterTest, RedirectReplacesHostAndPrefix) {
  RequestRedirect redirect;
  redirect.hostname = "new.example";
  redirect.path = Prefix("/");
  EXPECT_EQ(Location(redirect, false, 80), "http://new.example/bar?q=1");
}

TEST(FilterTest, FiltersOfABackendStillSeeThePrefixAndTheOriginalPath) {
  RequestHead request = Request("/api/foo/bar");
  MatchedPath matched;
  matched.base_path = std::string_view(request.path).substr(0, 4);
  matched.prefix = std::string_view(request.path).substr(4, 4);
  FilterContext context;
  context.path = &matched;
  context.listener_port = 80;
  context.original_path = request.path;
  CutBasePath(matched, request);
  UrlRewrite of_rule;
  of_rule.hostname = "other.example";
  UrlRewrite of_backend;
  of_backend.path = Prefix("/xyz");
  ApplyRequestFilters(std::vector<Filter>{of_rule}, context, request);
  ApplyRequestFilters(std::vector<Filter>{of_backend}, context, request);
  EXPECT_EQ(request.authority, "other.example");
  EXPECT_EQ(request.path, "/xyz/bar");
  const auto reply = ApplyRequestFilters(std::vector<Filter>{RequestRedirect()}, context, request);
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->headers[0].second, "http://shop.example/api/foo/bar");
}

TEST(FilterTest, AddAppendsSetReplacesRemoveRemoves) {
  RequestHead request = Request("/");
  request.headers.Add("X-A", "1");
  request.headers.Add("X-B", "1");
  request.headers.Add("X-C", "1");
  RequestHeaderModifier modifier;
  modifier.set = {{"x-a", "2"}};
  modifier.add = {{"x-b", "2"}};
  modifier.remove = {"x-c"};
  const std::vector<Filter> filters = {modifier};
  const MatchedPath matched;
  FilterContext context;
  context.path = &matched;
  ApplyRequestFilters(filters, context, request);
  EXPECT_EQ(request.headers.Get("x-a"), "2");
  EXPECT_EQ(request.headers.Get("x-b"), "1,2");
  EXPECT_EQ(request.headers.Get("x-c"), std::nullopt);
}

TEST(FilterTest, CookiesThatAreAddedStandApart) {
  ResponseHead response;
  response.headers.Add("Set-Cookie", "a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT");
  ResponseHeaderModifier modifier;
  modifier.add = {{"set-cookie", "b=2"}};
  const std::vector<Filter> filters = {modifier};
  ApplyResponseFilters(filters, FilterContext(), response);
  ASSERT_EQ(response.headers.size(), 2u);
  EXPECT_EQ(response.headers.value(1), "b=2");
}

}  // namespace
}  // namespace apk
