// Which rule wins.
#include <gtest/gtest.h>

#include "data-plane/routing/compile.h"
#include "tests/unit/data-plane/routing/snapshot_builder.h"

namespace apk {
namespace {

constexpr char kAttached[] = "attachments { listener: 'l' }";

std::string Exact(const std::string& path) { return "path { type: EXACT value: '" + path + "' }"; }
std::string Prefix(const std::string& path) {
  return "path { type: PATH_PREFIX value: '" + path + "' }";
}
std::string Expression(const std::string& path) {
  return "path { type: REGULAR_EXPRESSION value: '" + path + "' }";
}

class Fixture {
 public:
  explicit Fixture(const std::string& routes) {
    CompileResult result = Compile(SnapshotOf(ListenerText("l", "") + routes));
    for (const CompileError& error : result.errors)
      ADD_FAILURE() << error.resource << error.message;
    table_ = result.table;
  }

  // "route:rule" of the winner, or "404".
  std::string Find(const std::string& host, const std::string& path) {
    request_.host = host;
    request_.path = path;
    if (request_.method.empty()) request_.method = "GET";
    match_ = RouteTable::Match(*table_->ports()[0].FindListener(host), request_);
    if (!match_.has_value()) return "404";
    return match_->rule->route + ":" + std::to_string(match_->rule->index);
  }
  RequestHead& request() { return request_; }
  const MatchedPath& path() const { return match_->path; }

 private:
  std::shared_ptr<const RouteTable> table_;
  RequestHead request_;
  std::optional<RouteMatch> match_;
};

TEST(MatchTest, ExactBeatsExpressionBeatsLongerPrefix) {
  Fixture routes(RouteText("r", kAttached,
                           {Prefix("/"), Prefix("/a/b"), Expression("/a/.*"), Exact("/a/b/c")}));
  EXPECT_EQ(routes.Find("h", "/a/b/c"), "r:3");
  EXPECT_EQ(routes.Find("h", "/a/b/d"), "r:2");
  EXPECT_EQ(routes.Find("h", "/b"), "r:0");
}

TEST(MatchTest, PrefixMatchesWholeSegments) {
  Fixture routes(RouteText("r", kAttached, {Prefix("/foo/")}));
  EXPECT_EQ(routes.Find("h", "/foo"), "r:0");
  EXPECT_EQ(routes.Find("h", "/foo/"), "r:0");
  EXPECT_EQ(routes.Find("h", "/foo/bar"), "r:0");
  EXPECT_EQ(routes.path().prefix, "/foo");
  EXPECT_EQ(routes.Find("h", "/foobar"), "404");
}

TEST(MatchTest, MoreSpecificHostWinsAndFallsThrough) {
  Fixture routes(RouteText("any", kAttached, {Prefix("/")}) +
                 RouteText("wide", "attachments { listener: 'l' hostnames: '*.example.com' }",
                           {Prefix("/w")}) +
                 RouteText("deep", "attachments { listener: 'l' hostnames: '*.a.example.com' }",
                           {Prefix("/d")}) +
                 RouteText("exact", "attachments { listener: 'l' hostnames: 'x.a.example.com' }",
                           {Prefix("/e")}));
  EXPECT_EQ(routes.Find("x.a.example.com", "/e"), "exact:0");
  EXPECT_EQ(routes.Find("x.a.example.com", "/d"), "deep:0");
  EXPECT_EQ(routes.Find("x.a.example.com", "/w"), "wide:0");
  EXPECT_EQ(routes.Find("x.a.example.com", "/"), "any:0");
  EXPECT_EQ(routes.Find("example.com", "/w"), "any:0");
}

TEST(MatchTest, MethodThenHeadersThenQueryDecide) {
  const std::string header = " headers { name: 'X-A' value: '1' }";
  const std::string query = " query_params { name: 'q' value: 'a b' }";
  Fixture routes(RouteText(
      "r", kAttached,
      {Prefix("/"), Prefix("/") + query, Prefix("/") + header, Prefix("/") + " method: 'GET'"}));
  routes.request().headers.Add("x-a", "1");
  routes.request().query = "q=a+b";
  EXPECT_EQ(routes.Find("h", "/"), "r:3");
  routes.request().method = "PUT";
  EXPECT_EQ(routes.Find("h", "/"), "r:2");
  routes.request().headers.Clear();
  EXPECT_EQ(routes.Find("h", "/"), "r:1");
  routes.request().query = "q=b&q=a%20b";
  EXPECT_EQ(routes.Find("h", "/"), "r:0");
}

TEST(MatchTest, RepeatedFieldsAreJoined) {
  Fixture routes(RouteText("r", kAttached, {Prefix("/") + " headers { name: 'a' value: '1, 2' }"}));
  routes.request().headers.Add("A", "1");
  EXPECT_EQ(routes.Find("h", "/"), "404");
  routes.request().headers.Add("a", "2");
  EXPECT_EQ(routes.Find("h", "/"), "r:0");
}

TEST(MatchTest, OldestRouteWinsThenName) {
  const std::string old = std::string(kAttached) + " created_unix_seconds: 1";
  const std::string young = std::string(kAttached) + " created_unix_seconds: 2";
  Fixture by_age(RouteText("a", young, {Exact("/")}) + RouteText("b", old, {Exact("/")}));
  EXPECT_EQ(by_age.Find("h", "/"), "b:0");
  Fixture by_name(RouteText("b", old, {Exact("/")}) +
                  RouteText("a", old, {Exact("/"), Exact("/")}));
  EXPECT_EQ(by_name.Find("h", "/"), "a:0");
}

TEST(MatchTest, ApiMatchesSeeThePathAfterTheBasePath) {
  Fixture routes(RouteText("r",
                           std::string(kAttached) + " base_paths: '/api/1.0' base_paths: '/api'",
                           {Expression("/pets/([0-9]+)"), Exact("/pets"), Exact("/")}));
  EXPECT_EQ(routes.Find("h", "/api/1.0/pets/7"), "r:0");
  EXPECT_EQ(routes.path().base_path, "/api/1.0");
  EXPECT_FALSE(routes.path().drop_trailing_slash);
  EXPECT_EQ(routes.Find("h", "/api/pets/7/"), "r:0");
  EXPECT_EQ(routes.path().base_path, "/api");
  EXPECT_TRUE(routes.path().drop_trailing_slash);
  EXPECT_EQ(routes.Find("h", "/api/pets/"), "r:1");
  EXPECT_TRUE(routes.path().drop_trailing_slash);
  EXPECT_EQ(routes.Find("h", "/api/"), "r:2");
  EXPECT_EQ(routes.Find("h", "/api"), "r:2");
  EXPECT_EQ(routes.Find("h", "/api/pets/7x"), "404");
  EXPECT_EQ(routes.Find("h", "/apix/pets"), "404");
}

TEST(MatchTest, LongerExpressionWinsWhereverItsLiteralsEnd) {
  Fixture routes(RouteText("r", kAttached,
                           {Expression("/a/b/.*"), Expression("/a/[a-z]+/[a-z]+"), Expression(".*"),
                            Expression("/a/b/c")}));
  EXPECT_EQ(routes.Find("h", "/a/b/c"), "r:1");
  EXPECT_EQ(routes.Find("h", "/a/b/7"), "r:0");
  EXPECT_EQ(routes.Find("h", "/a/x/7"), "r:2");
  EXPECT_EQ(routes.Find("h", "/"), "r:2");
}

TEST(MatchTest, PlainExactMatchIsByteExact) {
  Fixture routes(RouteText("r", kAttached, {Exact("/a")}));
  EXPECT_EQ(routes.Find("h", "/a"), "r:0");
  EXPECT_EQ(routes.Find("h", "/a/"), "404");
  EXPECT_EQ(routes.Find("h", "/A"), "404");
}

TEST(MatchTest, ListenersAreIsolated) {
  const CompileResult result =
      Compile(SnapshotOf(ListenerText("any", "") + ListenerText("wide", "*.example.com") +
                         ListenerText("one", "a.example.com")));
  ASSERT_TRUE(result.errors.empty());
  const Port& port = result.table->ports()[0];
  EXPECT_EQ(port.FindListener("a.example.com")->name, "one");
  EXPECT_EQ(port.FindListener("b.c.example.com")->name, "wide");
  EXPECT_EQ(port.FindListener("example.com")->name, "any");
}

}  // namespace
}  // namespace apk
