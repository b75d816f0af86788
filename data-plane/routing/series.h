// Numbers for what is counted by name, so that counting takes an index and no look-up. A number belongs to a
// name for as long as a table, or a request under way in one, refers to it; then it goes to another name. So
// there are never more series than the tables in use have rules, backends and listeners, and those of what
// went away go with it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace apk {

// Immutable, shared by the tables that have it.
struct Series {
  std::string name;         // Of a route, a backend, a listener.
  std::string part;         // Of a route: its rule's name or number. Else "".
  uint32_t index = 0;       // Dense.
  uint64_t generation = 0;  // Never 0; another one each time that the index is given to a name.
};

// Thread-safe; what it gave out may outlive it. A copy is the same registry.
class SeriesRegistry {
 public:
  SeriesRegistry();

  // The one of that name, as long as anybody has it, or a new one.
  std::shared_ptr<const Series> Take(std::string_view name, std::string_view part = "");
  // By name, then part.
  std::vector<std::shared_ptr<const Series>> All() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// Those of one agent.
struct SeriesBook {
  SeriesRegistry listeners;
  SeriesRegistry rules;
  SeriesRegistry backends;
};

}  // namespace apk
