// What clients of the admin API did and were told, one object after the other: the input of the
// checker. Times are the places in one sequence of all calls and returns, so that what was over
// before something else began has the lower number.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace apk::proof {

// The content of an object by a number of its own; no two writes write the same.
using Value = int64_t;
inline constexpr Value kAbsent = 0;

struct Operation {
  enum class Kind {
    kRead,      // `value` is what was there.
    kPut,       // Writes `value`, whatever was there.
    kCreate,    // Writes `value` where there is nothing.
    kReplace,   // Writes `value` where `expected` is.
    kRemove,    // Removes whatever is there.
    kRemoveIf,  // Removes `expected`.
  };
  enum class Outcome {
    kDone,
    kRefused,  // There was another object than was expected, one, or none.
    kUnknown,  // No answer: it may happen at any time, or never.
  };
  static constexpr uint64_t kNever = std::numeric_limits<uint64_t>::max();

  Kind kind = Kind::kRead;
  Outcome outcome = Outcome::kDone;
  Value expected = kAbsent;
  Value value = kAbsent;
  uint64_t call = 0;
  uint64_t end = kNever;  // kNever: unknown.
  int client = 0;

  std::string ToString() const;
};

// Of one object.
using History = std::vector<Operation>;

}  // namespace apk::proof
