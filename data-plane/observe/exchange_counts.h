// What one worker counts of the exchanges of each listener, rule and backend.
#pragma once

#include <array>
#include <cstdint>

#include "data-plane/observe/counter.h"
#include "data-plane/observe/latency_histogram.h"
#include "data-plane/observe/series_slots.h"

namespace apk {

// Index is the first digit of the status; [0] for answers that did not come, or not whole.
using CountsByClass = std::array<Counter, 6>;

struct ListenerCounts {
  CountsByClass requests;
};

struct RuleCounts {
  CountsByClass requests;
  LatencyHistogram duration;  // From the head to the answer's last byte.
  LatencyHistogram upstream;  // From the first try to the backend's head.
};

// What there may be a limited number of at a backend.
enum class BackendLimit : uint8_t { kConnections, kPending, kRequests, kRetries };

struct BackendCounts {
  CountsByClass requests;
  std::array<Counter, 4> limited;  // By BackendLimit: how often one was in the way.
  Counter retries;                 // Requests sent again as the rule or the backend wants it.
  Counter ejections;               // Endpoints that were left alone for a while.

  void Limit(BackendLimit limit) { limited[static_cast<size_t>(limit)].Add(); }
};

struct ExchangeCounts {
  SeriesSlots<ListenerCounts> listeners;
  SeriesSlots<RuleCounts> rules;
  SeriesSlots<BackendCounts> backends;
};

}  // namespace apk
