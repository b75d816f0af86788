// What a worker says of itself when it is asked, which costs its requests nothing. Plain values.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "data-plane/routing/route_table.h"
#include "data-plane/upstream/endpoint_figures.h"

namespace apk {

struct WorkerReport {
  std::shared_ptr<const RouteTable> table;
  std::vector<std::vector<EndpointFigures>> backends;  // As the table's, and as their endpoints.
  std::map<std::pair<std::string, uint16_t>, uint64_t> connections;  // Of clients, by port.
  std::chrono::microseconds lag{0};  // From the question to the answer: what the loop was busy with.
  std::chrono::microseconds cpu{0};  // Time that the thread has used.
};

// By worker; nullopt: it did not answer in time.
using WorkerReports = std::vector<std::optional<WorkerReport>>;

// Of one backend of `table`, over all workers that use that table.
std::vector<EndpointFigures> SumOf(const WorkerReports& reports, const RouteTable& table,
                                   size_t backend);

}  // namespace apk
