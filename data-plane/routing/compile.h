// Snapshot in, route table out. Pure.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "apk/v1/snapshot.pb.h"
#include "data-plane/routing/route_table.h"

namespace apk {

struct CompileError {
  std::string resource;  // Name of the snapshot resource.
  std::string message;
};

struct CompileResult {
  std::shared_ptr<const RouteTable> table;  // nullptr where errors is not empty.
  std::vector<CompileError> errors;         // What the NACK carries.
};

// Checks everything that serving relies on: dangling names, regular expressions (RE2 with a memory
// limit), certificates and keys that are no PEM, ports, weights.
CompileResult Compile(const v1::Snapshot& snapshot);

}  // namespace apk
