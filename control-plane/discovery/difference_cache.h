// Differences that were encoded already: a fleet that goes from one snapshot to the next is sent
// the same bytes, which are made when the first agent needs them. What was used least lately goes
// when there is too much of it; streams keep what they are sending. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>

#include "common/strings.h"
#include "control-plane/discovery/encoded_difference.h"

namespace apk {

class DifferenceCache {
 public:
  explicit DifferenceCache(size_t bytes_max = 32 << 20) : bytes_max_(bytes_max) {}

  // `key` stands for the difference and how it is encoded. Who asks for what is being made waits.
  EncodedDifferencePtr Get(const std::string& key,
                           const std::function<EncodedDifferencePtr()>& make);

 private:
  struct Entry {
    std::string key;
    std::mutex making;  // Held while it is made.
    EncodedDifferencePtr encoded;
    size_t bytes = 0;  // As counted.
  };
  using EntryPtr = std::shared_ptr<Entry>;

  EntryPtr Find(const std::string& key);
  void Count(const EntryPtr& entry);

  const size_t bytes_max_;
  std::mutex mutex_;
  std::list<EntryPtr> by_use_;  // The latest first.
  StringMap<std::list<EntryPtr>::iterator> entries_;
  size_t bytes_ = 0;
};

}  // namespace apk
