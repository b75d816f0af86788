// Tokens that were found good, so that a signature is checked once and not with every request. One
// per worker; not thread-safe.
#pragma once

#include <cstdint>
#include <list>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/strings.h"

namespace apk {

class VerdictCache {
 public:
  explicit VerdictCache(size_t capacity = 4096) : capacity_(capacity) {}

  // True where `key` (token and what it was checked against) was good under this version of the
  // keys and is good still.
  bool IsGood(std::string_view key, uint64_t keys_version, WallTime now);
  // Evicts the least recently used beyond the capacity.
  void Remember(std::string_view key, uint64_t keys_version, WallTime good_until);
  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::string key;
    uint64_t keys_version;
    WallTime good_until;
  };
  using Order = std::list<Entry>;

  const size_t capacity_;
  Order entries_;  // Most recently used first.
  StringMap<Order::iterator> index_;
};

}  // namespace apk
