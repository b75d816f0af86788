// The edges of the layout: many keys, keys of one hash, long and deep ones, hosts that come and go.
#include "data-plane/routing/host_table.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <vector>

#include "data-plane/routing/path_index_builder.h"

namespace apk {
namespace {

v1::PathMatchConfig::Type TypeOf(PathKind kind) {
  switch (kind) {
    case PathKind::kExact:
      return v1::PathMatchConfig::EXACT;
    case PathKind::kRegularExpression:
      return v1::PathMatchConfig::REGULAR_EXPRESSION;
    default:
      return v1::PathMatchConfig::PATH_PREFIX;
  }
}

// One index; each match leads to a rule of its own, told apart by its index.
class Paths {
 public:
  void Add(PathKind kind, const std::string& path, const std::string& method = "",
           const std::string& base_path = "") {
    v1::RequestMatchConfig config;
    config.mutable_path()->set_type(TypeOf(kind));
    config.mutable_path()->set_value(path);
    config.set_method(method);
    rules_.push_back(std::make_unique<Rule>());
    rules_.back()->index = static_cast<uint32_t>(rules_.size() - 1);
    auto match = CompileMatch(config, !base_path.empty());
    ASSERT_TRUE(match.ok()) << path;
    match->rule = rules_.back().get();
    matches_.push_back(std::make_unique<const RequestMatch>(*std::move(match)));
    builder_.Add(base_path, *matches_.back());
  }
  std::shared_ptr<const PathIndex> Build(std::string_view host) { return builder_.Build(host); }

 private:
  std::vector<std::unique_ptr<Rule>> rules_;
  std::vector<std::unique_ptr<const RequestMatch>> matches_;
  PathIndexBuilder builder_;
};

// The number of the match that wins; -1: none.
int Find(const HostTable& table, const std::string& host, const std::string& path,
         const std::string& method = "GET") {
  RequestHead request;
  request.host = host;
  request.path = path;
  request.method = method;
  RouteMatch found;
  return table.Find(request, found) ? static_cast<int>(found.rule->index) : -1;
}

std::string Deep(int segments) {
  std::string path;
  for (int i = 0; i < segments; ++i) path += "/s";
  return path;
}

TEST(HostTableTest, FindsEachOfManyKeys) {
  for (const int count : {1, 11, 12, 13, 14, 40, 100, 3000}) {
    Paths paths;
    for (int i = 0; i < count; ++i) {
      const auto kind = static_cast<PathKind>(i % 3);
      const std::string path = "/service-" + std::to_string(i) + "/x";
      paths.Add(kind, kind == PathKind::kRegularExpression ? path + "[0-9]+" : path);
    }
    HostTable table;
    table.Put("h", paths.Build("h"));
    for (int i = 0; i < count; ++i) {
      const std::string path = "/service-" + std::to_string(i) + "/x";
      const auto kind = static_cast<PathKind>(i % 3);
      EXPECT_EQ(Find(table, "h", path), kind == PathKind::kRegularExpression ? -1 : i);
      EXPECT_EQ(Find(table, "h", path + "7"), kind == PathKind::kRegularExpression ? i : -1);
      EXPECT_EQ(Find(table, "h", path + "/y"), kind == PathKind::kPrefix ? i : -1);
    }
    EXPECT_EQ(Find(table, "h", "/service-" + std::to_string(count) + "/x"), -1);
  }
}

// Boundaries that deep have one hash, so that only the keys tell them apart.
TEST(HostTableTest, KeysOfOneHashAreToldApart) {
  Paths paths;
  const std::string deep = Deep(40);
  for (int i = 0; i < 50; ++i) {
    paths.Add(i % 2 == 0 ? PathKind::kExact : PathKind::kPrefix, deep + "/" + std::to_string(i));
  }
  HostTable table;
  table.Put("h", paths.Build("h"));
  for (int i = 0; i < 50; ++i) {
    const std::string path = deep + "/" + std::to_string(i);
    EXPECT_EQ(Find(table, "h", path), i);
    EXPECT_EQ(Find(table, "h", path + "/more"), i % 2 == 0 ? -1 : i);
    EXPECT_EQ(Find(table, "h", path + "/"), i % 2 == 0 ? -1 : i);
  }
  EXPECT_EQ(Find(table, "h", deep), -1);
  EXPECT_EQ(Find(table, "h", deep + "/50"), -1);
}

TEST(HostTableTest, TheLongestOfPrefixesAtEachDepth) {
  constexpr int kDeepest = 45;
  Paths paths;
  for (int depth = 0; depth <= kDeepest; ++depth) {
    paths.Add(PathKind::kPrefix, depth == 0 ? "/" : Deep(depth));
  }
  HostTable table;
  table.Put("h", paths.Build("h"));
  for (int depth = 0; depth <= 2 * kDeepest; ++depth) {
    const int expected = std::min(depth, kDeepest);
    EXPECT_EQ(Find(table, "h", Deep(depth) + "/"), expected);
    EXPECT_EQ(Find(table, "h", Deep(depth) + "/other/and/more"), expected);
    EXPECT_EQ(Find(table, "h", Deep(depth) + "x"), depth == 0 ? -1 : std::min(depth - 1, kDeepest));
  }
}

TEST(HostTableTest, ExactPathsAtEachDepthTolerateASlashBelowABasePath) {
  for (int depth = 1; depth <= 70; ++depth) {
    Paths paths;
    paths.Add(PathKind::kExact, Deep(depth));
    paths.Add(PathKind::kExact, Deep(depth), "", "/base");
    HostTable table;
    table.Put("h", paths.Build("h"));
    EXPECT_EQ(Find(table, "h", Deep(depth)), 0);
    EXPECT_EQ(Find(table, "h", Deep(depth) + "/"), -1);
    EXPECT_EQ(Find(table, "h", "/base" + Deep(depth)), 1);
    EXPECT_EQ(Find(table, "h", "/base" + Deep(depth) + "/"), 1);
    EXPECT_EQ(Find(table, "h", "/base" + Deep(depth) + "//"), -1);
  }
}

TEST(HostTableTest, RootAndEmptyKeys) {
  Paths paths;
  paths.Add(PathKind::kExact, "/");
  paths.Add(PathKind::kPrefix, "/");
  paths.Add(PathKind::kRegularExpression, "/[a-z]");
  paths.Add(PathKind::kExact, "/a/");
  HostTable table;
  table.Put("", paths.Build(""));
  EXPECT_EQ(Find(table, "h", "/"), 0);
  EXPECT_EQ(Find(table, "h", "/a"), 2);
  EXPECT_EQ(Find(table, "h", "/a/"), 3);
  EXPECT_EQ(Find(table, "h", "/ab"), 1);
  EXPECT_EQ(Find(table, "", "//"), 1);
  EXPECT_EQ(Find(table, "h", ""), 1);
  EXPECT_EQ(Find(table, "h", "*"), -1);
}

TEST(HostTableTest, ManyEntriesForOneKey) {
  Paths paths;
  std::vector<std::string> methods = {"GET",     "HEAD",  "POST",    "PUT",   "PATCH", "DELETE",
                                      "OPTIONS", "TRACE", "CONNECT", "PURGE", "get",   "PROPFIND"};
  for (const PathKind kind : {PathKind::kExact, PathKind::kPrefix}) {
    for (const std::string& method : methods) paths.Add(kind, "/a", method);
  }
  for (const std::string& method : methods) {
    paths.Add(PathKind::kRegularExpression, "/a/[0-9]+", method);
  }
  HostTable table;
  table.Put("h", paths.Build("h"));
  const auto count = static_cast<int>(methods.size());
  for (int i = 0; i < count; ++i) {
    const std::string& method = methods[static_cast<size_t>(i)];
    EXPECT_EQ(Find(table, "h", "/a", method), i);
    EXPECT_EQ(Find(table, "h", "/a/b", method), count + i);
    EXPECT_EQ(Find(table, "h", "/a/7", method), 2 * count + i);
  }
  EXPECT_EQ(Find(table, "h", "/a", "LINK"), -1);
  EXPECT_EQ(Find(table, "h", "/a/7", "LINK"), -1);
}

TEST(HostTableTest, VeryLongPathsAndHostnames) {
  for (const size_t size : {7u, 8u, 9u, 40u, 41u, 64u, 255u}) {
    const std::string host(size, 'h');
    const std::string path = "/" + std::string(size * 100, 'p');
    Paths paths;
    paths.Add(PathKind::kExact, path + "/e");
    paths.Add(PathKind::kPrefix, path);
    HostTable table;
    table.Put(host, paths.Build(host));
    EXPECT_EQ(Find(table, host, path + "/e"), 0);
    EXPECT_EQ(Find(table, host, path + "/f"), 1);
    EXPECT_EQ(Find(table, host, path + "p"), -1);
    EXPECT_EQ(Find(table, host + "h", path), -1);
    EXPECT_EQ(Find(table, host.substr(1), path), -1);
  }
}

TEST(HostTableTest, HostsComeAndGo) {
  Paths paths;
  paths.Add(PathKind::kPrefix, "/");
  std::mt19937 random(1);
  HostTable table;
  std::map<std::string, bool> hosts;
  for (int change = 0; change < 3000; ++change) {
    const std::string number = std::to_string(random() % 300);
    const bool wildcard = random() % 3 == 0;
    const std::string host = (wildcard ? "*.wide" : "host") + number + ".example.com";
    const bool put = random() % 3 > 0;
    table.Put(host, put ? paths.Build(HostTable::KeyOf(host)) : nullptr);
    hosts[host] = put;
    if (change % 100 != 0) continue;
    const HostTable copy = table;
    for (const auto& [name, there] : hosts) {
      const bool wide = name.starts_with("*.");
      EXPECT_EQ(Find(copy, wide ? "a" + name.substr(1) : name, "/x"), there ? 0 : -1) << name;
      EXPECT_EQ(Find(copy, wide ? name.substr(2) : "a." + name, "/x"), -1) << name;
    }
  }
}

}  // namespace
}  // namespace apk
