// A list in order of use and an index into it.
#include "data-plane/auth/verdict_cache.h"

namespace apk {

bool VerdictCache::IsGood(std::string_view key, uint64_t keys_version, WallTime now) {
  const auto it = index_.find(key);
  if (it == index_.end()) return false;
  const auto entry = it->second;
  if (entry->keys_version != keys_version || now >= entry->good_until) {
    index_.erase(it);
    entries_.erase(entry);
    return false;
  }
  entries_.splice(entries_.begin(), entries_, entry);
  return true;
}

void VerdictCache::Remember(std::string_view key, uint64_t keys_version, WallTime good_until) {
  if (const auto it = index_.find(key); it != index_.end()) {
    entries_.erase(it->second);
    index_.erase(it);
  }
  if (entries_.size() >= capacity_) {
    index_.erase(entries_.back().key);
    entries_.pop_back();
  }
  entries_.push_front({std::string(key), keys_version, good_until});
  index_[entries_.front().key] = entries_.begin();
}

}  // namespace apk
