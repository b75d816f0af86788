// Active health checks: opens and closes a TCP connection to each endpoint of the backends that ask
// for it, as often as they say. Own thread, own loop; workers read the verdicts in SharedBackends.
#pragma once

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/thread.h"
#include "data-plane/net/dialer.h"
#include "data-plane/routing/route_table.h"
#include "data-plane/upstream/shared_backends.h"

namespace apk {

class HealthChecker {
 public:
  // `backends` outlives it. `dns_servers` as in PoolLimits.
  HealthChecker(SharedBackends& backends, const std::vector<std::string>& dns_servers);
  ~HealthChecker();

  // The backends of `table` are checked from now on, those of the table before no longer.
  // Thread-safe.
  void SetBackends(std::shared_ptr<const RouteTable> table);
  // Endpoints that fail their checks now. Thread-safe.
  uint64_t down() const { return down_.load(std::memory_order_relaxed); }

 private:
  struct Check;  // Of one endpoint.

  void Start(const Backend& backend);
  Task<> Run(std::shared_ptr<Check> check);
  void Decide(const Check& check, bool up);
  Task<> Sweep();

  SharedBackends& backends_;
  asio::io_context io_{1};
  DeadlineList deadlines_;
  Dialer dialer_;
  asio::executor_work_guard<Executor> work_;
  std::vector<std::shared_ptr<Check>> checks_;
  std::atomic<uint64_t> down_{0};
  bool stopping_ = false;
  bool sweeping_ = false;
  Thread thread_;
};

}  // namespace apk
