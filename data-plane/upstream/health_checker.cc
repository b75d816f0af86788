// One coroutine an endpoint.
#include "data-plane/upstream/health_checker.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include "common/log.h"
#include "data-plane/net/timer.h"

namespace apk {
struct HealthChecker::Check {
  explicit Check(Executor executor) : pause(executor) {}

  uint64_t key = 0;  // Of the backend's connections.
  size_t endpoint = 0;
  std::string name;  // For the log.
  DialTarget target;
  HealthCheckPolicy policy;
  std::shared_ptr<SharedBackend> verdicts;
  Timer pause;
  bool wanted = true;
};

HealthChecker::HealthChecker(SharedBackends& backends, const std::vector<std::string>& dns_servers)
    : backends_(backends),
      dialer_(io_.get_executor(), deadlines_, dns_servers),
      work_(io_.get_executor()) {
  thread_ = Thread("health", 0, [this] { io_.run(); });
}

HealthChecker::~HealthChecker() {
  asio::post(io_, [this] {
    stopping_ = true;
    for (const auto& check : checks_) {
      check->wanted = false;
      check->pause.cancel();
    }
    checks_.clear();
    deadlines_.ExpireAll();
    work_.reset();
  });
  thread_.Join();
}

void HealthChecker::SetBackends(std::shared_ptr<const RouteTable> table) {
  asio::post(io_, [this, table = std::move(table)] {
    std::vector<std::shared_ptr<Check>> before = std::move(checks_);
    checks_.clear();
    for (const auto& backend : table->backends()) {
      if (!backend->health_check.has_value()) continue;
      const auto stays = [&](const std::shared_ptr<Check>& check) {
        return check->key == backend->connection_key && check->policy == *backend->health_check;
      };
      if (std::none_of(before.begin(), before.end(), stays)) {
        Start(*backend);
        continue;
      }
      std::copy_if(before.begin(), before.end(), std::back_inserter(checks_), stays);
      std::erase_if(before, stays);
    }
    for (const auto& check : before) {
      check->wanted = false;
      check->pause.cancel();
    }
    if (sweeping_ || checks_.empty()) return;
    sweeping_ = true;
    asio::co_spawn(io_, Sweep(), Detached());
  });
}

void HealthChecker::Start(const Backend& backend) {
  const std::shared_ptr<SharedBackend> verdicts =
      backends_.Find(backend.connection_key, backend.endpoints.size());
  for (size_t i = 0; i < backend.endpoints.size(); ++i) {
    const auto check = std::make_shared<Check>(io_.get_executor());
    check->key = backend.connection_key;
    check->endpoint = i;
    check->target.host = backend.endpoints[i].host;
    check->target.port = backend.endpoints[i].port;
    check->name = Concat(check->target.host, ":", std::to_string(check->target.port));
    check->policy = *backend.health_check;
    check->verdicts = verdicts;
    checks_.push_back(check);
    asio::co_spawn(io_, Run(check), Detached());
  }
}

Task<> HealthChecker::Run(std::shared_ptr<Check> check) {
  uint32_t in_a_row = 0;  // Results that contradict the verdict.
  while (check->wanted && !stopping_) {
    DialTarget target = check->target;
    const TimePoint begun = std::chrono::steady_clock::now();
    const DialResult result =
        co_await dialer_.Dial(std::move(target), begun + check->policy.timeout);
    if (!check->wanted || stopping_) break;
    const bool works = result.error == DialError::kNone;
    const bool up = check->verdicts->health.IsUp(check->endpoint);
    in_a_row = works == up ? 0 : in_a_row + 1;
    if (in_a_row >= (up ? check->policy.unhealthy_threshold : check->policy.healthy_threshold)) {
      in_a_row = 0;
      Decide(*check, works);
      LogInfo(works ? "endpoint is healthy again" : "endpoint is not healthy",
              {{"endpoint", check->name}});
    }
    check->pause.expires_at(begun + check->policy.interval);
    co_await check->pause.async_wait(kTuple);
  }
  // Nobody knows any more: it may be used.
  if (!check->verdicts->health.IsUp(check->endpoint)) Decide(*check, true);
}

void HealthChecker::Decide(const Check& check, bool up) {
  check.verdicts->health.SetUp(check.endpoint, up, Now());
  if (up) {
    down_.fetch_sub(1, std::memory_order_relaxed);
  } else {
    down_.fetch_add(1, std::memory_order_relaxed);
  }
}

Task<> HealthChecker::Sweep() {
  Timer timer(io_.get_executor());
  while (!checks_.empty() && !stopping_) {
    timer.expires_after(DeadlineList::kSweepInterval);
    co_await timer.async_wait(kTuple);
    deadlines_.Sweep(std::chrono::steady_clock::now());
  }
  sweeping_ = false;
}

}  // namespace apk
