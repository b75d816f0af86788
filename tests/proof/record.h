// All that the clients saw, for the verdict at the end. Thread-safe while it is written.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "tests/proof/history.h"

namespace apk::proof {

// What an answer says of an object at a revision.
struct Sighting {
  bool written = false;  // By the operation; otherwise read.
  uint64_t revision = 0;
  uint64_t version = 0;  // The object's resourceVersion; 0 where it is absent.
  Value value = kAbsent;
};

struct Event {
  uint64_t revision = 0;
  bool deleted = false;
  std::string name;
  Value value = kAbsent;
};

// Events after revision `after`, without a break: up to and including `through`.
struct WatchedSpan {
  uint64_t after = 0;
  uint64_t through = 0;
  std::vector<Event> events;
};

// The revision of an answer, with the times of the call.
struct Told {
  uint64_t call = 0;
  uint64_t end = 0;
  uint64_t revision = 0;
  bool written = false;
};

struct Record {
  uint64_t Tick() { return clock_.fetch_add(1) + 1; }

  void Add(const std::string& name, const Operation& operation) {
    const std::lock_guard lock(mutex_);
    histories[name].push_back(operation);
  }
  void See(const std::string& name, const Sighting& sighting) {
    const std::lock_guard lock(mutex_);
    sightings[name].push_back(sighting);
  }
  void Tell(const Told& answer) {
    const std::lock_guard lock(mutex_);
    told.push_back(answer);
    if (!answer.written) return;
    const auto now = std::chrono::steady_clock::now();
    if (writes_++ != 0) gap = std::max(gap, now - last_write_);
    last_write_ = now;
  }
  // How long an acknowledged write took.
  void Took(std::chrono::steady_clock::duration duration) {
    const std::lock_guard lock(mutex_);
    write_times.push_back(duration);
  }
  void AddSpan(WatchedSpan span) {
    const std::lock_guard lock(mutex_);
    spans.push_back(std::move(span));
  }
  void Fault(std::string what) {
    const std::lock_guard lock(mutex_);
    faults.push_back(std::move(what));
  }
  void Count(const std::string& what) {
    const std::lock_guard lock(mutex_);
    ++counts[what];
  }
  uint64_t CountOf(const std::string& what) {
    const std::lock_guard lock(mutex_);
    return counts[what];
  }

  // Once nobody writes any more.
  std::vector<std::chrono::steady_clock::duration> write_times;
  std::map<std::string, History> histories;
  std::map<std::string, std::vector<Sighting>> sightings;
  std::vector<Told> told;
  std::vector<WatchedSpan> spans;
  std::vector<std::string> faults;  // That were seen at once.
  std::map<std::string, uint64_t> counts;
  std::chrono::steady_clock::duration gap{};  // The longest between two acknowledged writes.

 private:
  std::mutex mutex_;
  std::atomic<uint64_t> clock_{0};
  uint64_t writes_ = 0;
  std::chrono::steady_clock::time_point last_write_;
};

}  // namespace apk::proof
