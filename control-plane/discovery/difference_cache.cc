// Two locks: making takes long, and must not be in the way of those who need something else.
#include "control-plane/discovery/difference_cache.h"

namespace apk {
namespace {

constexpr size_t kEntriesMax = 1024;
constexpr size_t kOverhead = 256;  // Of an entry.

}  // namespace

DifferenceCache::EntryPtr DifferenceCache::Find(const std::string& key) {
  const std::lock_guard lock(mutex_);
  if (const auto found = entries_.find(key); found != entries_.end()) {
    by_use_.splice(by_use_.begin(), by_use_, found->second);
    return *found->second;
  }
  auto entry = std::make_shared<Entry>();
  entry->key = key;
  by_use_.push_front(entry);
  entries_[key] = by_use_.begin();
  return entry;
}

void DifferenceCache::Count(const EntryPtr& entry) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(entry->key);
  if (found == entries_.end() || *found->second != entry) return;  // It is gone again.
  entry->bytes = entry->encoded->size() + kOverhead;
  bytes_ += entry->bytes;
  while (by_use_.size() > 1 && (bytes_ > bytes_max_ || by_use_.size() > kEntriesMax)) {
    bytes_ -= by_use_.back()->bytes;
    entries_.erase(by_use_.back()->key);
    by_use_.pop_back();
  }
}

EncodedDifferencePtr DifferenceCache::Get(const std::string& key,
                                          const std::function<EncodedDifferencePtr()>& make) {
  const EntryPtr entry = Find(key);
  const std::lock_guard lock(entry->making);
  if (entry->encoded == nullptr) {
    entry->encoded = make();
    Count(entry);
  }
  return entry->encoded;
}

}  // namespace apk
