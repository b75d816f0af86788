// Whether there is an order of operations on one object that explains all answers and puts what was
// over before what began later: linearizability, found by the search of Wing and Gong with Lowe's
// memory of where it has been ("Testing for linearizability", Concurrency and Computation 2017).
// Pure.
#pragma once

#include <optional>
#include <string>

#include "tests/proof/history.h"

namespace apk::proof {

// The object after the operation, nullopt where it can't have been answered so.
std::optional<Value> Step(Value before, const Operation& operation);

// "" where there is such an order, else where the longest one that was found ends. An object is
// absent before its history.
std::string WhyNotLinearizable(const History& history);

}  // namespace apk::proof
