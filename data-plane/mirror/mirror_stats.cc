// Names and the registry.
#include "data-plane/mirror/mirror_stats.h"

namespace apk {

std::string_view OutcomeName(MirrorResult result) {
  switch (result) {
    case MirrorResult::kSent:
      return "sent";
    case MirrorResult::kFailedConnect:
    case MirrorResult::kFailedDns:
    case MirrorResult::kFailedTls:
    case MirrorResult::kFailedReset:
    case MirrorResult::kFailedProtocol:
      return "failed";
    case MirrorResult::kTimeout:
      return "timeout";
    case MirrorResult::kAborted:
      return "aborted";
    case MirrorResult::kDroppedQueue:
    case MirrorResult::kDroppedBytes:
    case MirrorResult::kDroppedSlowReader:
    case MirrorResult::kDroppedBreakerOpen:
    case MirrorResult::kDroppedShutdown:
      return "dropped";
    case MirrorResult::kSkippedRejected:
    case MirrorResult::kSkippedUnresolved:
    case MirrorResult::kSkippedSampling:
    case MirrorResult::kSkippedLoop:
    case MirrorResult::kSkippedUpgrade:
      return "skipped";
    case MirrorResult::kCount:
      break;
  }
  return "";
}

std::string_view ReasonName(MirrorResult result) {
  switch (result) {
    case MirrorResult::kFailedConnect:
      return "connect";
    case MirrorResult::kFailedDns:
      return "dns";
    case MirrorResult::kFailedTls:
      return "tls";
    case MirrorResult::kFailedReset:
      return "reset";
    case MirrorResult::kFailedProtocol:
      return "protocol";
    case MirrorResult::kDroppedQueue:
      return "queue";
    case MirrorResult::kDroppedBytes:
      return "bytes";
    case MirrorResult::kDroppedSlowReader:
      return "slow_reader";
    case MirrorResult::kDroppedBreakerOpen:
      return "breaker_open";
    case MirrorResult::kDroppedShutdown:
      return "shutdown";
    case MirrorResult::kSkippedRejected:
      return "rejected";
    case MirrorResult::kSkippedUnresolved:
      return "unresolved";
    case MirrorResult::kSkippedSampling:
      return "sampling";
    case MirrorResult::kSkippedLoop:
      return "loop";
    case MirrorResult::kSkippedUpgrade:
      return "upgrade";
    case MirrorResult::kSent:
    case MirrorResult::kTimeout:
    case MirrorResult::kAborted:
    case MirrorResult::kCount:
      break;
  }
  return "";
}

MirrorStats& MirrorStatsRegistry::Find(std::string_view route, std::string_view mirror) {
  const std::string key = Concat(route, " ", mirror);
  const std::lock_guard lock(mutex_);
  std::unique_ptr<MirrorStats>& stats = stats_[key];
  if (stats == nullptr) {
    stats = std::make_unique<MirrorStats>();
    stats->route = route;
    stats->gauges = &FindGauges(mirror);
    order_.push_back(stats.get());
  }
  return *stats;
}

std::vector<const MirrorStats*> MirrorStatsRegistry::All() const {
  const std::lock_guard lock(mutex_);
  return order_;
}

MirrorGauges& MirrorStatsRegistry::FindGauges(std::string_view mirror) {
  auto found = gauges_.find(mirror);
  if (found == gauges_.end()) {
    found = gauges_.emplace(std::string(mirror), std::make_unique<MirrorGauges>()).first;
    found->second->mirror = mirror;
  }
  return *found->second;
}

std::vector<const MirrorGauges*> MirrorStatsRegistry::AllGauges() const {
  const std::lock_guard lock(mutex_);
  std::vector<const MirrorGauges*> all;
  for (const auto& [name, gauges] : gauges_) all.push_back(gauges.get());
  return all;
}

}  // namespace apk
