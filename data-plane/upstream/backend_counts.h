// How many exchanges all workers of an agent have with each backend that limits them. Thread-safe.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

namespace apk {

class BackendCounts {
 public:
  using Count = std::atomic<uint32_t>;

  // The count of a backend's connection key; the same one for as long as somebody holds it.
  std::shared_ptr<Count> Find(uint64_t key) {
    const std::lock_guard lock(mutex_);
    std::weak_ptr<Count>& known = counts_[key];
    std::shared_ptr<Count> count = known.lock();
    if (count == nullptr) {
      absl::erase_if(counts_, [key](const auto& entry) {
        return entry.first != key && entry.second.expired();
      });
      count = std::make_shared<Count>(0);
      counts_[key] = count;
    }
    return count;
  }

 private:
  std::mutex mutex_;
  absl::flat_hash_map<uint64_t, std::weak_ptr<Count>> counts_;
};

}  // namespace apk
