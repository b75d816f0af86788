#include "data-plane/mirror/mirror_stats.h"

namespace apk {

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
