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

// Compiles one snapshot after the other. What did not change since the last table, by the hashes of
// its resources, is shared with it and not built again. Used by one thread.
class Compiler {
 public:
  // `own_address`: the agent's, for listeners that name none; a listener may name it, too. `series`
  // numbers what tables have.
  explicit Compiler(std::string own_address = "", SeriesBook series = SeriesBook());
  ~Compiler();
  Compiler(const Compiler&) = delete;
  Compiler& operator=(const Compiler&) = delete;

  // Checks everything that serving relies on: dangling names, regular expressions (RE2 with a
  // memory limit), certificates and keys that are no PEM, ports, weights. After an error the table
  // before stays the one to share with.
  CompileResult Compile(const v1::Snapshot& snapshot);

 private:
  struct Past;  // What the last table was made of.

  const std::string own_address_;
  SeriesBook series_;
  std::unique_ptr<Past> past_;
};

// The same for a snapshot alone.
CompileResult Compile(const v1::Snapshot& snapshot);

}  // namespace apk
