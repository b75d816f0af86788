// What copies may cost, all of them together and those of one mirror. The sizing rule: a mirror takes
// in_flight_max ÷ its latency copies a second (128 at 50 ms: 2,560).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace apk {

struct MirrorLimits {
  size_t in_flight_max = 128;                  // Per mirror: copies that it has to answer.
  size_t waiting_copies_max = 1024;            // Per mirror; as many may wait for their clients.
  size_t pipelined_max = 16;  // Sent on one connection before the first is answered; 1: no rows.
  std::chrono::milliseconds quick{2};  // A copy that is answered within it lets others share.
  uint64_t waiting_bytes_max = 16ULL << 20;    // Per mirror: heads and what came of the bodies.
  // Body bytes held by one copy, and by all copies of the process. While all hold less than half of
  // theirs, one may hold up to a quarter of that: a client that sends fast is no slow mirror.
  uint64_t copy_bytes_max = 1ULL << 20;
  uint64_t total_bytes_max = 64ULL << 20;
  std::chrono::milliseconds timeout{5000};     // From what the client gave last to the answer.
  std::chrono::milliseconds connect_timeout{1000};  // TLS included.
  std::chrono::milliseconds idle_timeout{30'000};   // Of a kept connection.
  uint64_t response_bytes_max = 1ULL << 20;  // Read and thrown away; beyond it the connection is closed.
  std::chrono::milliseconds shutdown_grace{5000};
  int nice = 10;  // Of the mirror thread.
  std::vector<std::string> dns_servers;  // As in PoolLimits.
};

}  // namespace apk
