// One deadline per stream, looked at by one coarse timer per loop, so that guarding a read costs a
// store. A deadline fires up to one sweep interval late. Used by one thread.
#pragma once

#include <cstddef>
#include <vector>

#include "common/clock.h"

namespace apk {

inline constexpr TimePoint kNoDeadline = TimePoint::max();

class DeadlineList;

// Derived objects are told when their time has come. Registered for as long as they exist.
class Deadline {
 public:
  explicit Deadline(DeadlineList& list);
  virtual ~Deadline();
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

  void SetDeadline(TimePoint at) { at_ = at; }
  TimePoint deadline() const { return at_; }

 protected:
  // May not destroy this object or another registered one.
  virtual void OnDeadline() = 0;

 private:
  friend class DeadlineList;
  DeadlineList& list_;
  size_t index_;
  TimePoint at_ = kNoDeadline;
};

class DeadlineList {
 public:
  static constexpr std::chrono::milliseconds kSweepInterval{25};

  // Calls OnDeadline of each that has passed and clears it.
  void Sweep(TimePoint now);
  // The same for all of them, whenever their time would have come.
  void ExpireAll() { Sweep(kNoDeadline); }

 private:
  friend class Deadline;
  std::vector<Deadline*> deadlines_;
};

}  // namespace apk
