// The table against a slow and obvious matcher, on random routes and requests: what the Gateway API
// says about precedence, straight from its text.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <regex>
#include <tuple>

#include "data-plane/routing/compile.h"

namespace apk {
namespace {

using Random = std::mt19937;

template <class T>
const T& Pick(Random& random, const std::vector<T>& items) {
  return items[std::uniform_int_distribution<size_t>(0, items.size() - 1)(random)];
}

bool Chance(Random& random, int percent) {
  return std::uniform_int_distribution<int>(0, 99)(random) < percent;
}

const std::vector<std::string> kHostnames = {"",           "*.example.com",   "*.a.example.com",
                                             "example.com", "x.a.example.com", "a.example.com"};
const std::vector<std::string> kHosts = {"example.com",       "a.example.com", "x.a.example.com",
                                         "y.x.a.example.com", "b.example.com", "other.test"};
const std::vector<std::string> kPaths = {"/", "/a", "/a/", "/a/b", "/a/b/c", "/ab", "/a/bc", "/b"};
const std::vector<std::string> kExpressions = {"/a/.*",      "/a/b/[a-z]+", "/(a|b)", ".*c",
                                               "/a/b?c?/?.*", "/a/b/c",      "/",      "/a/[^/]+/c"};
const std::vector<std::string> kMethods = {"GET", "POST", "PUT"};
const std::vector<std::string> kNames = {"x", "y", "z"};
const std::vector<std::string> kValues = {"1", "2"};

void AddValues(Random& random, google::protobuf::RepeatedPtrField<v1::ValueMatchConfig>* values) {
  for (const std::string& name : kNames) {
    if (!Chance(random, 15)) continue;
    v1::ValueMatchConfig* const value = values->Add();
    value->set_name(name);
    value->set_regular_expression(Chance(random, 30));
    value->set_value(value->regular_expression() ? "[12]" : Pick(random, kValues));
  }
}

v1::RequestMatchConfig RandomMatch(Random& random) {
  v1::RequestMatchConfig match;
  const int kind = std::uniform_int_distribution<int>(0, 2)(random);
  match.mutable_path()->set_type(kind == 0   ? v1::PathMatchConfig::EXACT
                                 : kind == 1 ? v1::PathMatchConfig::PATH_PREFIX
                                             : v1::PathMatchConfig::REGULAR_EXPRESSION);
  match.mutable_path()->set_value(Pick(random, kind == 2 ? kExpressions : kPaths));
  if (Chance(random, 25)) match.set_method(Pick(random, kMethods));
  AddValues(random, match.mutable_headers());
  AddValues(random, match.mutable_query_params());
  return match;
}

v1::Snapshot RandomSnapshot(Random& random) {
  v1::Snapshot snapshot;
  v1::SnapshotResource* const listener = snapshot.add_resources();
  listener->set_name("listener");
  listener->mutable_listener()->set_port(80);
  listener->mutable_listener()->set_protocol(v1::ListenerConfig::HTTP);
  const int routes = std::uniform_int_distribution<int>(1, 8)(random);
  for (int i = 0; i < routes; ++i) {
    v1::SnapshotResource* const resource = snapshot.add_resources();
    resource->set_name("route/" + std::to_string(i));
    v1::RouteConfig& route = *resource->mutable_route();
    route.set_name("default/r" + std::to_string(i));
    route.set_created_unix_seconds(std::uniform_int_distribution<int>(1, 3)(random));
    v1::RouteAttachment& attachment = *route.add_attachments();
    attachment.set_listener("listener");
    for (int n = 0; n < 2; ++n) attachment.add_hostnames(Pick(random, kHostnames));
    const int rules = std::uniform_int_distribution<int>(1, 3)(random);
    for (int j = 0; j < rules; ++j) {
      v1::RuleConfig& rule = *route.add_rules();
      *rule.add_matches() = RandomMatch(random);
      if (Chance(random, 40)) *rule.add_matches() = RandomMatch(random);
    }
  }
  return snapshot;
}

struct Request {
  std::string host;
  std::string path;
  std::string method;
  std::vector<std::pair<std::string, std::string>> headers;
  std::vector<std::pair<std::string, std::string>> query;
};

Request RandomRequest(Random& random) {
  Request request;
  request.host = Pick(random, kHosts);
  request.path = Chance(random, 20) ? "/a/" + Pick(random, kNames) + "/c" : Pick(random, kPaths);
  request.method = Pick(random, kMethods);
  for (const std::string& name : kNames) {
    if (Chance(random, 60)) request.headers.emplace_back(name, Pick(random, kValues));
    if (Chance(random, 60)) request.query.emplace_back(name, Pick(random, kValues));
  }
  return request;
}

// The length of the hostname that takes the host: an exact one is longer than any wildcard, "" takes
// all. -1: it does not.
int HostSpecificity(const std::string& hostname, const std::string& host) {
  if (hostname.empty()) return 0;
  if (hostname == host) return 1000;
  if (!hostname.starts_with("*.")) return -1;
  const std::string suffix = hostname.substr(1);
  return host.size() > suffix.size() && host.ends_with(suffix) ? static_cast<int>(suffix.size())
                                                                : -1;
}

// By whole elements; a trailing slash of the prefix does not count.
bool PrefixTakes(std::string prefix, const std::string& path) {
  if (prefix.ends_with('/')) prefix.pop_back();
  return path == prefix || path.starts_with(prefix + "/");
}

bool PathTakes(const v1::PathMatchConfig& match, const std::string& path) {
  switch (match.type()) {
    case v1::PathMatchConfig::EXACT:
      return match.value() == path;
    case v1::PathMatchConfig::REGULAR_EXPRESSION:
      return std::regex_match(path, std::regex(match.value()));
    default:
      return PrefixTakes(match.value(), path);
  }
}

bool ValuesTake(const google::protobuf::RepeatedPtrField<v1::ValueMatchConfig>& wanted,
                const std::vector<std::pair<std::string, std::string>>& has) {
  return std::all_of(wanted.begin(), wanted.end(), [&](const auto& match) {
    return std::any_of(has.begin(), has.end(), [&](const auto& field) {
      if (field.first != match.name()) return false;
      return match.regular_expression() ? std::regex_match(field.second, std::regex(match.value()))
                                        : field.second == match.value();
    });
  });
}

// Smaller is better, in the order of the Gateway API; between them what it leaves to
// implementations: expressions stand between exact paths and prefixes, longer ones first.
using Rank = std::tuple<int, int, int, bool, int, int, int64_t, std::string, int, int>;

Rank RankOf(const v1::RouteConfig& route, int rule, int index, int host) {
  const v1::RequestMatchConfig& match = route.rules(rule).matches(index);
  std::string path = match.path().value();
  const auto type = match.path().type();
  if (type == v1::PathMatchConfig::PATH_PREFIX && path.ends_with('/')) path.pop_back();
  const int kind = type == v1::PathMatchConfig::EXACT ? 0
                   : type == v1::PathMatchConfig::REGULAR_EXPRESSION ? 1
                                                                     : 2;
  return {-host, kind, -static_cast<int>(path.size()), match.method().empty(),
          -match.headers_size(), -match.query_params_size(), route.created_unix_seconds(),
          route.name(), rule, index};
}

// "default/r1:0", or "" for 404.
std::string Expected(const v1::Snapshot& snapshot, const Request& request) {
  std::optional<std::pair<Rank, std::string>> best;
  for (const auto& resource : snapshot.resources()) {
    const v1::RouteConfig& route = resource.route();
    for (const std::string& hostname : route.attachments().empty()
                                           ? google::protobuf::RepeatedPtrField<std::string>()
                                           : route.attachments(0).hostnames()) {
      const int host = HostSpecificity(hostname, request.host);
      if (host < 0) continue;
      for (int i = 0; i < route.rules_size(); ++i) {
        for (int j = 0; j < route.rules(i).matches_size(); ++j) {
          const v1::RequestMatchConfig& match = route.rules(i).matches(j);
          if (!PathTakes(match.path(), request.path) ||
              (!match.method().empty() && match.method() != request.method) ||
              !ValuesTake(match.headers(), request.headers) ||
              !ValuesTake(match.query_params(), request.query)) {
            continue;
          }
          const std::pair<Rank, std::string> found(RankOf(route, i, j, host),
                                                   route.name() + ":" + std::to_string(i));
          if (!best.has_value() || found < *best) best = found;
        }
      }
    }
  }
  return best.has_value() ? best->second : "";
}

std::string Actual(const RouteTable& table, const Request& request) {
  RequestHead head;
  head.host = request.host;
  head.path = request.path;
  head.method = request.method;
  for (const auto& [name, value] : request.headers) head.headers.Add(name, value);
  for (const auto& [name, value] : request.query) {
    head.query += (head.query.empty() ? "" : "&") + name + "=" + value;
  }
  const auto match = RouteTable::Match(table.ports()[0].listeners[0], head);
  if (!match.has_value()) return "";
  return match->rule->route + ":" + std::to_string(match->rule->index);
}

std::string Describe(const Request& request) {
  std::string text = request.method + " " + request.host + request.path;
  for (const auto& [name, value] : request.headers) text += " " + name + ": " + value;
  for (const auto& [name, value] : request.query) text += " ?" + name + "=" + value;
  return text;
}

TEST(Oracle, AgreesOnRandomRoutesAndRequests) {
  for (uint32_t seed = 0; seed < 400; ++seed) {
    Random random(seed);
    const v1::Snapshot snapshot = RandomSnapshot(random);
    const CompileResult result = Compile(snapshot);
    ASSERT_NE(result.table, nullptr) << result.errors[0].message;
    for (int i = 0; i < 25; ++i) {
      const Request request = RandomRequest(random);
      ASSERT_EQ(Actual(*result.table, request), Expected(snapshot, request))
          << "seed " << seed << ": " << Describe(request) << "\n" << snapshot.DebugString();
    }
  }
}

// Names and hashes as the control plane gives them: what stays the same has the same hash.
void SetHashes(v1::Snapshot& snapshot) {
  for (auto& resource : *snapshot.mutable_resources()) {
    resource.clear_hash();
    resource.set_hash(std::to_string(std::hash<std::string>{}(resource.SerializeAsString())));
  }
}

TEST(Oracle, AgreesAfterAnyChangesToATable) {
  for (uint32_t seed = 0; seed < 60; ++seed) {
    Random random(seed);
    Compiler compiler;
    v1::Snapshot snapshot = RandomSnapshot(random);
    for (int change = 0; change < 8; ++change) {
      // Some routes of another snapshot replace, join or leave those of this one.
      const v1::Snapshot other = RandomSnapshot(random);
      std::map<std::string, v1::SnapshotResource> resources;
      for (const auto& resource : snapshot.resources()) {
        if (!resource.has_route() || Chance(random, 80)) resources[resource.name()] = resource;
      }
      for (const auto& resource : other.resources()) {
        if (Chance(random, 30)) resources[resource.name()] = resource;
      }
      v1::Snapshot next;
      for (const auto& [name, resource] : resources) *next.add_resources() = resource;
      snapshot = next;
      SetHashes(snapshot);
      const CompileResult result = compiler.Compile(snapshot);
      ASSERT_NE(result.table, nullptr) << result.errors[0].message;
      for (int i = 0; i < 15; ++i) {
        const Request request = RandomRequest(random);
        ASSERT_EQ(Actual(*result.table, request), Expected(snapshot, request))
            << "seed " << seed << ", change " << change << ": " << Describe(request) << "\n"
            << snapshot.DebugString();
      }
    }
  }
}

}  // namespace
}  // namespace apk
