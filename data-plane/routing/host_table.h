// Which match of which rule wins, for one listener: hostnames to indexed paths. Built once on the
// discovery thread, then immutable and thread-safe.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "data-plane/http/message.h"
#include "data-plane/routing/path_index.h"
#include "data-plane/routing/route_table.h"

namespace apk {

class HostTable {
 public:
  // What the index of a hostname is looked up by: exact, ".suffix" of "*.suffix", or "".
  static std::string_view KeyOf(std::string_view hostname);
  // `hostname`: "" (any), exact, or "*.suffix"; lower case. Replaces; nullptr takes it away.
  // REQUIRES: the index was built for KeyOf(hostname).
  void Put(std::string_view hostname, std::shared_ptr<const PathIndex> paths);

  bool Find(const RequestHead& request, RouteMatch& found) const;

 private:
  // A hash map with open addressing, at most half full.
  class Hosts {
   public:
    void Put(std::string_view key, std::shared_ptr<const PathIndex> paths);
    bool empty() const { return count_ == 0; }
    void Prefetch(uint64_t hash) const { __builtin_prefetch(&slots_[FirstSlot(hash)]); }
    // Without data where there is none.
    PathIndex::Place Find(uint64_t hash, std::string_view key) const;

   private:
    struct Slot {
      const std::byte* data = nullptr;  // Of the place; nullptr: free.
      uint32_t group_mask = 0;
      uint32_t tag = 0;  // The other half of the hash.

      PathIndex::Place place() const { return {data, group_mask}; }
    };
    static uint32_t TagOf(uint64_t hash) { return static_cast<uint32_t>(hash >> 32); }
    size_t FirstSlot(uint64_t hash) const { return hash & (slots_.size() - 1); }
    // Where the key is, or belongs.
    size_t SlotOf(uint64_t hash, std::string_view key) const;
    void Insert(std::shared_ptr<const PathIndex> paths);
    void Remove(size_t gap);
    void Resize(size_t size);

    std::vector<Slot> slots_;                               // A power of two.
    std::vector<std::shared_ptr<const PathIndex>> owners_;  // Of the slot of the same number.
    size_t count_ = 0;
  };

  Hosts exact_;
  Hosts wildcards_;
  std::shared_ptr<const PathIndex> any_;
};

// True where `pattern` ("", exact, "*.suffix") takes `host`; a wildcard takes one label or more.
bool HostnameTakes(std::string_view pattern, std::string_view host);

}  // namespace apk
