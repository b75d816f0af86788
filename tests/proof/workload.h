// One client: reads, writes, replaces and removes at random until it is told to stop, at one
// control plane after the other, and records what it is told.
#pragma once

#include <atomic>
#include <random>
#include <string>

#include "tests/proof/admin_calls.h"
#include "tests/proof/record.h"

namespace apk::proof {

struct WorkloadOptions {
  Endpoints endpoints;
  int client = 0;
  uint64_t seed = 0;
  int keys = 24;
  int groups = 3;  // Of objects that are always written together, in one apply.
};

inline constexpr int kGroupSize = 5;

class Workload {
 public:
  Workload(const WorkloadOptions& options, Record& record);

  void Run(const std::atomic<bool>& stop);
  // Reads everything at each control plane, until it answers; false where one does not.
  bool ReadAll();
  // One write more, after all others; 0 where that did not go well. Returns its revision.
  uint64_t WriteLast();

 private:
  void Once();
  void DoOne(Operation::Kind kind, const std::string& name);
  void PutGroup(int group);
  bool ReadGroup(int group);
  bool ReadKeys();
  Operation Begin(Operation::Kind kind);
  // Takes the answer into the record; false where there was none.
  bool End(const std::string& name, Operation operation, const Answer& answer);
  int Draw(int count) { return static_cast<int>(random_() % static_cast<unsigned>(count)); }
  Value Next();

  const WorkloadOptions options_;
  Record& record_;
  std::minstd_rand random_;
  AdminCalls calls_;
  std::map<std::string, Seen> seen_;
  Value written_ = 0;
  std::chrono::steady_clock::time_point began_;  // The operation under way.
};

}  // namespace apk::proof
