// Cross-origin requests: which origins, and what browsers are told.
#include "data-plane/filters/cors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data-plane/filters/filter.h"

namespace apk {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

Cors Allowing(const std::vector<std::string>& origins) {
  Cors cors;
  for (const std::string& origin : origins) {
    if (origin == "*") {
      cors.any_origin = true;
    } else {
      cors.origins.push_back(*ParseOrigin(origin));
    }
  }
  return cors;
}

RequestHead Preflight(const std::string& origin) {
  RequestHead request;
  request.method = "OPTIONS";
  request.headers.Add("Origin", origin);
  request.headers.Add("Access-Control-Request-Method", "PUT");
  request.headers.Add("Access-Control-Request-Headers", "x-a, x-b");
  return request;
}

constexpr char kVary[] = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";

TEST(CorsTest, OriginsAreSchemeHostAndPort) {
  const Cors cors = Allowing({"https://a.example", "http://b.example:8080"});
  EXPECT_TRUE(AllowsOrigin(cors, "https://a.example"));
  EXPECT_TRUE(AllowsOrigin(cors, "https://a.example:443"));
  EXPECT_TRUE(AllowsOrigin(cors, "HTTPS://A.example"));
  EXPECT_TRUE(AllowsOrigin(cors, "http://b.example:8080"));
  for (const char* const other :
       {"http://a.example", "https://a.example:8443", "https://x.a.example", "http://b.example",
        "https://a.example.evil.test", "https://a.example/", "null", "", "a.example"}) {
    EXPECT_FALSE(AllowsOrigin(cors, other)) << other;
  }
}

TEST(CorsTest, WildcardsTakeAnyNumberOfLabels) {
  const Cors cors = Allowing({"https://*.example.com"});
  EXPECT_TRUE(AllowsOrigin(cors, "https://a.example.com"));
  EXPECT_TRUE(AllowsOrigin(cors, "https://b.a.example.com"));
  EXPECT_FALSE(AllowsOrigin(cors, "https://example.com"));
  EXPECT_FALSE(AllowsOrigin(cors, "https://evilexample.com"));
  EXPECT_FALSE(AllowsOrigin(cors, "http://a.example.com"));
  EXPECT_TRUE(AllowsOrigin(Allowing({"http://*"}), "http://any.test"));
  EXPECT_FALSE(AllowsOrigin(Allowing({"http://*"}), "http://any.test:81"));
  EXPECT_TRUE(AllowsOrigin(Allowing({"*"}), "null"));
}

TEST(CorsTest, OnlyAPreflightIsAnsweredByTheGateway) {
  EXPECT_TRUE(IsPreflight(Preflight("https://a")));
  RequestHead request = Preflight("https://a");
  request.method = "GET";
  EXPECT_FALSE(IsPreflight(request));
  request = Preflight("https://a");
  request.headers.Remove("Access-Control-Request-Method");
  EXPECT_FALSE(IsPreflight(request));
  EXPECT_FALSE(AnswerPreflight(std::vector<Filter>{RequestHeaderModifier()}, Preflight("https://a"))
                   .has_value());
}

TEST(CorsTest, ThePolicyIsTold) {
  Cors cors = Allowing({"https://a"});
  cors.allow_credentials = true;
  cors.allow_methods = "PUT, DELETE";
  cors.allow_headers = "x-c";
  cors.expose_headers = "x-d";
  cors.max_age = "5";
  const std::vector<Filter> filters = {cors};
  const std::optional<Reply> reply = AnswerPreflight(filters, Preflight("https://a"));
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->status, 200);
  EXPECT_THAT(reply->headers, ElementsAre(Pair("Vary", kVary),
                                          Pair("Access-Control-Allow-Origin", "https://a"),
                                          Pair("Access-Control-Allow-Credentials", "true"),
                                          Pair("Access-Control-Allow-Methods", "PUT, DELETE"),
                                          Pair("Access-Control-Allow-Headers", "x-c"),
                                          Pair("Access-Control-Max-Age", "5"),
                                          Pair("Access-Control-Expose-Headers", "x-d")));
  const std::optional<Reply> other = AnswerPreflight(filters, Preflight("https://b"));
  ASSERT_TRUE(other.has_value());
  EXPECT_EQ(other->status, 200);
  EXPECT_THAT(other->headers, ElementsAre(Pair("Vary", kVary)));
}

TEST(CorsTest, WildcardsEchoWhatWasAsked) {
  Cors cors = Allowing({"*"});
  cors.any_method = true;
  cors.any_header = true;
  RequestHead request = Preflight("https://a");
  Reply reply = AnswerPreflight(cors, request);
  EXPECT_THAT(reply.headers, ElementsAre(Pair("Vary", kVary),
                                         Pair("Access-Control-Allow-Origin", "https://a"),
                                         Pair("Access-Control-Allow-Methods", "PUT"),
                                         Pair("Access-Control-Allow-Headers", "x-a, x-b")));
  request.headers.Remove("Access-Control-Request-Headers");
  reply = AnswerPreflight(cors, request);
  EXPECT_EQ(reply.headers.size(), 3U);
}

TEST(CorsTest, ResponsesSayWhatTheGatewayAllowsAndNotTheBackend) {
  Cors cors = Allowing({"https://a"});
  cors.expose_headers = "X-B";
  ResponseHead response;
  response.headers.Add("Access-Control-Allow-Origin", "*");
  response.headers.Add("access-control-allow-credentials", "true");
  response.headers.Add("Vary", "Accept");
  GrantOrigin(cors, "https://a", response);
  EXPECT_EQ(response.headers.Get("access-control-allow-origin"), "https://a");
  EXPECT_EQ(response.headers.Get("access-control-allow-credentials"), std::nullopt);
  EXPECT_EQ(response.headers.Get("access-control-expose-headers"), "X-B");
  EXPECT_EQ(response.headers.Get("vary"), "Accept, Origin");

  GrantOrigin(cors, "https://b", response);
  EXPECT_EQ(response.headers.Get("access-control-allow-origin"), std::nullopt);
  EXPECT_EQ(response.headers.Get("access-control-expose-headers"), std::nullopt);
}

TEST(CorsTest, CredentialsNeverMeetAWildcard) {
  Cors cors = Allowing({"*"});
  cors.expose_any = true;
  cors.expose_headers = "*";
  ResponseHead response;
  response.headers.Add("X-B", "1");
  response.headers.Add("Content-Type", "text/plain");
  response.headers.Add("Set-Cookie", "a=b");
  GrantOrigin(cors, "https://a", response);
  EXPECT_EQ(response.headers.Get("access-control-expose-headers"), "*");
  response.headers.Remove("vary");
  cors.allow_credentials = true;
  GrantOrigin(cors, "https://a", response);
  EXPECT_EQ(response.headers.Get("access-control-allow-credentials"), "true");
  EXPECT_EQ(response.headers.Get("access-control-expose-headers"), "x-b, vary");
}

}  // namespace
}  // namespace apk
