// What one worker's requests share: references to what the worker owns. One thread.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "data-plane/auth/authenticate.h"
#include "data-plane/auth/key_store.h"
#include "data-plane/forward/mirror_mark.h"
#include "data-plane/mirror/mirror_door.h"
#include "data-plane/net/tls_context.h"
#include "data-plane/observe/metrics.h"
#include "data-plane/routing/route_table.h"
#include "data-plane/tracing/tracer.h"
#include "data-plane/upstream/connection_pool.h"

namespace apk {

struct TunnelLimits {
  std::chrono::milliseconds idle_timeout{600'000};        // Nothing in either direction.
  std::chrono::milliseconds half_closed_timeout{60'000};  // The same, once one side has ended.
};

struct ForwardLimits {
  std::chrono::milliseconds response_timeout{15'000};  // Until the response head.
  std::chrono::milliseconds response_stall_timeout{60'000};
  int interim_responses_max = 8;
  uint64_t body_bytes_max = 0;  // Of a request; 0: no limit.
  TunnelLimits tunnel;
};

// xoshiro-like quality is not needed: sampling, balancing and request ids only.
class FastRandom {
 public:
  explicit FastRandom(uint64_t seed) : state_(seed) {}
  uint64_t Next() {  // splitmix64
    uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  // Uniform in [0, bound) but for a bias below 2^-32. REQUIRES: 0 < bound < 2^32.
  uint64_t Below(uint64_t bound) { return ((Next() >> 32) * bound) >> 32; }

 private:
  uint64_t state_;
};

// Counters of the mirrors of the table in force, found by address: names are looked up once a
// snapshot.
class MirrorStatsCache {
 public:
  explicit MirrorStatsCache(MirrorStatsRegistry& registry) : registry_(registry) {}
  MirrorStats& Find(const Rule& rule, const Mirror& mirror) {
    MirrorStats*& stats = stats_[&mirror];
    if (stats == nullptr) stats = &registry_.Find(rule.route, mirror.name);
    return *stats;
  }
  void Clear() { stats_.clear(); }

 private:
  MirrorStatsRegistry& registry_;
  absl::flat_hash_map<const Mirror*, MirrorStats*> stats_;
};

class AccessLogDoor;  // In observe/access_log.h.

struct WorkerContext {
  asio::io_context& io;
  ConnectionPool& pool;
  MirrorDoor& mirrors;
  MirrorStatsCache& mirror_stats;
  MirrorMarks& mirror_marks;
  WorkerMetrics& metrics;
  VerdictCache& verdicts;
  const ForwardLimits& limits;
  AccessLogDoor* access_log;  // nullptr: nothing is logged.
  Tracer* tracer;             // nullptr: no spans are recorded.
  FastRandom random;
  std::shared_ptr<const RouteTable> table;  // Replaced between requests.
  std::shared_ptr<const KeyStore> keys;
};

// Where a connection came in, and as what.
struct Arrival {
  std::string address;  // Of the port, as in the table: "" is the agent's own.
  uint16_t port = 0;
  bool tls = false;
  // Of all that came in there: it is to end once its exchanges are over. The worker's thread's.
  std::shared_ptr<bool> ending = std::make_shared<bool>(false);
  HandshakeFacts handshake;  // Of TLS that was terminated here.
};

}  // namespace apk
