// The last one who lets go of a series gives its index back.
#include "data-plane/routing/series.h"

#include <map>
#include <mutex>
#include <utility>

namespace apk {

struct SeriesRegistry::State {
  using Key = std::pair<std::string, std::string>;

  std::mutex mutex;
  std::map<Key, std::weak_ptr<const Series>> by_name;
  std::vector<uint32_t> free;
  uint32_t indexes = 0;  // Ever given out.
  uint64_t generation = 0;

  void Release(const Series& series) {
    const std::lock_guard lock(mutex);
    free.push_back(series.index);
    const auto known = by_name.find({series.name, series.part});
    // A new one of that name may be there already.
    if (known != by_name.end() && known->second.expired()) by_name.erase(known);
  }
};

SeriesRegistry::SeriesRegistry() : state_(std::make_shared<State>()) {}

std::shared_ptr<const Series> SeriesRegistry::Take(std::string_view name, std::string_view part) {
  const std::lock_guard lock(state_->mutex);
  std::weak_ptr<const Series>& slot =
      state_->by_name[{std::string(name), std::string(part)}];
  std::shared_ptr<const Series> series = slot.lock();
  if (series != nullptr) return series;
  auto made = std::make_unique<Series>();
  made->name = name;
  made->part = part;
  made->generation = ++state_->generation;
  if (state_->free.empty()) {
    made->index = state_->indexes++;
  } else {
    made->index = state_->free.back();
    state_->free.pop_back();
  }
  series = std::shared_ptr<const Series>(made.release(), [state = state_](const Series* gone) {
    state->Release(*gone);
    delete gone;
  });
  slot = series;
  return series;
}

std::vector<std::shared_ptr<const Series>> SeriesRegistry::All() const {
  std::vector<std::shared_ptr<const Series>> all;  // Let go of after the lock.
  const std::lock_guard lock(state_->mutex);
  for (const auto& [key, series] : state_->by_name) {
    if (auto alive = series.lock()) all.push_back(std::move(alive));
  }
  return all;
}

}  // namespace apk
