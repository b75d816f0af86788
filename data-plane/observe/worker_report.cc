#include "data-plane/observe/worker_report.h"

namespace apk {

std::vector<EndpointFigures> SumOf(const WorkerReports& reports, const RouteTable& table,
                                   size_t backend) {
  std::vector<EndpointFigures> sum(table.backends()[backend]->endpoints.size());
  for (const auto& report : reports) {
    if (!report.has_value() || report->table.get() != &table) continue;
    const std::vector<EndpointFigures>& endpoints = report->backends[backend];
    for (size_t i = 0; i < endpoints.size(); ++i) sum[i] += endpoints[i];
  }
  return sum;
}

}  // namespace apk
