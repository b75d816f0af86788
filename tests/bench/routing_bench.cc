// What a match costs with one route and with 10,000 on 1,000 hostnames, and what one more route
// costs to compile. Each match is timed by itself, for its percentiles; what reading the clock
// costs is taken off. Requests come in runs: one for each route, so often that its part of the
// table is at hand, as with one route it always is; or in random order, each another one, which
// adds what far caches and unforeseen branches cost.
#include <benchmark/benchmark.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "data-plane/routing/compile.h"

namespace apk {
namespace {

// Of the processor's own clock where it has one: reading that costs least.
#if defined(__x86_64__)
int64_t Ticks() {
  unsigned int processor = 0;
  return static_cast<int64_t>(__rdtscp(&processor));
}
#else
int64_t Ticks() { return std::chrono::steady_clock::now().time_since_epoch().count(); }
#endif

double NanosecondsPerTick() {
  const auto begun = std::chrono::steady_clock::now();
  const int64_t ticks = Ticks();
  while (std::chrono::steady_clock::now() - begun < std::chrono::milliseconds(50)) {
  }
  const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begun;
  return took.count() / static_cast<double>(Ticks() - ticks);
}

constexpr int kHostnames = 1000;
constexpr int kRoutesPerHostname = 10;

enum Kind { kExact, kPrefix, kExpression, kMixed };

struct Target {
  std::string host;
  std::string path;
};

Kind KindOf(Kind kind, int number) { return kind == kMixed ? static_cast<Kind>(number % 3) : kind; }

void AddMatch(Kind kind, int number, v1::RuleConfig& rule) {
  v1::PathMatchConfig& path = *rule.add_matches()->mutable_path();
  const std::string name = "/service-" + std::to_string(number);
  switch (kind) {
    case kExact:
      path.set_type(v1::PathMatchConfig::EXACT);
      path.set_value(name + "/items");
      break;
    case kPrefix:
      path.set_type(v1::PathMatchConfig::PATH_PREFIX);
      path.set_value(name);
      break;
    default:
      path.set_type(v1::PathMatchConfig::REGULAR_EXPRESSION);
      path.set_value(name + "/it[a-z]+");
  }
}

v1::SnapshotResource RouteResource(Kind kind, int host, int number) {
  const std::string name = "default/r" + std::to_string(host) + "-" + std::to_string(number);
  v1::SnapshotResource resource;
  resource.set_name("route/" + name);
  resource.set_hash("hash of " + name);
  v1::RouteConfig& route = *resource.mutable_route();
  route.set_name(name);
  v1::RouteAttachment& attachment = *route.add_attachments();
  attachment.set_listener("listener/default/g/http");
  attachment.add_hostnames("host-" + std::to_string(host) + ".example.com");
  v1::RuleConfig& rule = *route.add_rules();
  AddMatch(KindOf(kind, number), number, rule);
  v1::WeightedBackendConfig& backend = *rule.add_backends();
  backend.set_backend("backend/b" + std::to_string(host));
  backend.set_weight(1);
  return resource;
}

v1::Snapshot SnapshotOf(Kind kind, int hostnames, int per_hostname) {
  v1::Snapshot snapshot;
  std::vector<v1::SnapshotResource> resources;
  v1::SnapshotResource listener;
  listener.set_name("listener/default/g/http");
  listener.mutable_listener()->set_port(80);
  listener.mutable_listener()->set_protocol(v1::ListenerConfig::HTTP);
  resources.push_back(listener);
  for (int host = 0; host < hostnames; ++host) {
    v1::SnapshotResource backend;
    backend.set_name("backend/b" + std::to_string(host));
    backend.set_hash("hash of b" + std::to_string(host));
    backend.mutable_backend()->add_endpoints()->set_host("127.0.0.1");
    backend.mutable_backend()->mutable_endpoints(0)->set_port(8080);
    resources.push_back(backend);
    for (int number = 0; number < per_hostname; ++number) {
      resources.push_back(RouteResource(kind, host, number));
    }
  }
  std::sort(resources.begin(), resources.end(),
            [](const auto& a, const auto& b) { return a.name() < b.name(); });
  for (auto& resource : resources) *snapshot.add_resources() = std::move(resource);
  return snapshot;
}

std::vector<Target> TargetsOf(int hostnames, int per_hostname) {
  std::vector<Target> targets;
  for (int host = 0; host < hostnames; ++host) {
    for (int number = 0; number < per_hostname; ++number) {
      targets.push_back({"host-" + std::to_string(host) + ".example.com",
                         "/service-" + std::to_string(number) + "/items"});
    }
  }
  std::shuffle(targets.begin(), targets.end(), std::mt19937(1));
  return targets;
}

int64_t ClockCost() {
  std::vector<int64_t> costs;
  for (int i = 0; i < 10'000; ++i) {
    const int64_t begin = Ticks();
    costs.push_back(Ticks() - begin);
  }
  std::nth_element(costs.begin(), costs.begin() + 5000, costs.end());
  return costs[5000];
}

constexpr int kRandom = 1;
constexpr int kRuns = 500;

// `run`: so many times each request comes before the next one.
void Match(benchmark::State& state, Kind kind, int hostnames, int per_hostname, int run) {
  const CompileResult result = Compile(SnapshotOf(kind, hostnames, per_hostname));
  const Listener& listener = result.table->ports()[0].listeners[0];
  const std::vector<Target> targets = TargetsOf(hostnames, per_hostname);
  const double per_tick = NanosecondsPerTick();
  const int64_t clock_cost = ClockCost();
  std::vector<int64_t> times;
  times.reserve(1 << 20);
  RequestHead request;
  request.method = "GET";
  size_t next = 0;
  int left = run;
  std::string host;
  std::string path;
  for (auto _ : state) {
    // A head is routed right after it was read: its bytes are near, whatever came before it.
    host.assign(targets[next].host);
    path.assign(targets[next].path);
    request.host = host;
    request.path = path;
    if (--left == 0) {
      left = run;
      next = next + 1 == targets.size() ? 0 : next + 1;
    }
    const int64_t begin = Ticks();
    auto match = RouteTable::Match(listener, request);
    const int64_t took = Ticks() - begin - clock_cost;
    if (!match.has_value()) state.SkipWithError("no match");
    state.SetIterationTime(static_cast<double>(took) * per_tick * 1e-9);
    if (times.size() < times.capacity()) times.push_back(took);
  }
  std::sort(times.begin(), times.end());
  state.counters["p50_ns"] = static_cast<double>(times[times.size() / 2]) * per_tick;
  state.counters["p99_ns"] = static_cast<double>(times[times.size() * 99 / 100]) * per_tick;
}

// The agent's share of an apply that adds one route to 10,000.
void CompileOneMore(benchmark::State& state) {
  v1::Snapshot without = SnapshotOf(kMixed, kHostnames, kRoutesPerHostname);
  v1::Snapshot with = without;
  *with.add_resources() = RouteResource(kMixed, 500, kRoutesPerHostname);
  std::sort(with.mutable_resources()->begin(), with.mutable_resources()->end(),
            [](const auto& a, const auto& b) { return a.name() < b.name(); });
  Compiler compiler;
  std::shared_ptr<const RouteTable> table = compiler.Compile(without).table;
  bool add = true;
  for (auto _ : state) {
    CompileResult result = compiler.Compile(add ? with : without);
    if (result.table == nullptr) state.SkipWithError("does not compile");
    table = std::move(result.table);  // The one before goes, as in a worker.
    add = !add;
  }
}

void CompileAll(benchmark::State& state) {
  const v1::Snapshot snapshot = SnapshotOf(kMixed, kHostnames, kRoutesPerHostname);
  for (auto _ : state) {
    CompileResult result = Compile(snapshot);
    benchmark::DoNotOptimize(result.table);
  }
}

#define MATCH(name, kind, hostnames, per_hostname, run) \
  BENCHMARK_CAPTURE(Match, name, kind, hostnames, per_hostname, run)->UseManualTime()
MATCH(exact_1, kExact, 1, 1, kRuns);
MATCH(exact_10000, kExact, kHostnames, kRoutesPerHostname, kRuns);
MATCH(exact_10000_random, kExact, kHostnames, kRoutesPerHostname, kRandom);
MATCH(prefix_1, kPrefix, 1, 1, kRuns);
MATCH(prefix_10000, kPrefix, kHostnames, kRoutesPerHostname, kRuns);
MATCH(prefix_10000_random, kPrefix, kHostnames, kRoutesPerHostname, kRandom);
MATCH(expression_1, kExpression, 1, 1, kRuns);
MATCH(expression_10000, kExpression, kHostnames, kRoutesPerHostname, kRuns);
MATCH(expression_10000_random, kExpression, kHostnames, kRoutesPerHostname, kRandom);
// All expressions of one hostname.
MATCH(expression_1000_of_one_host, kExpression, 1, 1000, kRuns);
MATCH(mixed_10000, kMixed, kHostnames, kRoutesPerHostname, kRuns);
MATCH(mixed_10000_random, kMixed, kHostnames, kRoutesPerHostname, kRandom);
#undef MATCH
BENCHMARK(CompileOneMore)->Unit(benchmark::kMillisecond);
BENCHMARK(CompileAll)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace apk

BENCHMARK_MAIN();
