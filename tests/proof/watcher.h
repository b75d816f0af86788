// Watches all ConfigMaps of the clients, a short while at one control plane, then at another, as a
// client does that loses its connection, and records what it is told.
#pragma once

#include <atomic>
#include <cstdint>
#include <random>
#include <set>
#include <string>

#include "tests/proof/admin_calls.h"
#include "tests/proof/record.h"

namespace apk::proof {

class Watcher {
 public:
  // REQUIRES: the endpoints' deadline is longer than a stay.
  Watcher(const Endpoints& endpoints, uint64_t seed, Record& record);

  // Until it has seen revision `last`, once that is not 0, or `patience` after that.
  void Run(const std::atomic<uint64_t>& last);

 private:
  // The present state is the beginning of a new span; false where nobody tells it.
  bool List();
  void Stay();

  Record& record_;
  std::minstd_rand random_;
  AdminCalls calls_;
  WatchedSpan span_;
  uint64_t revision_ = 0;       // Of the last event.
  std::set<std::string> told_;  // Of that revision.
  int too_old_ = 0;             // In a row.
};

}  // namespace apk::proof
