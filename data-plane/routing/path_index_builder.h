// Gathers the matches of one hostname and lays them out. Used on the discovery thread.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/strings.h"
#include "data-plane/routing/path_index.h"
#include "data-plane/routing/request_match.h"

namespace apk {

class PathIndexBuilder {
 public:
  // `match` outlives the index.
  void Add(const std::string& base_path, const RequestMatch& match);
  // `host` is what the index is looked up by.
  std::shared_ptr<const PathIndex> Build(std::string_view host);

 private:
  using Entry = PathIndex::Entry;
  // What begins at one key: a path without trailing slash ("" is the root), or with one where that
  // is an exact path.
  struct Items {
    std::vector<Entry> exact;
    // By the whole segments that every match of the expression begins with, so that a request meets
    // few expressions that can't match.
    std::vector<Entry> expressions;
    std::vector<Entry> prefixes;
  };

  static void Sort(Items& items);
  static size_t SizeOf(std::string_view key, const Items& items);
  void Write(std::string_view key, const Items& items, std::byte* to);
  static Entry EntryOf(const std::string& base_path, const RequestMatch& match);
  void Insert(uint64_t hash, size_t record, std::byte* memory, uint32_t group_mask);

  StringMap<Items> keys_;
};

}  // namespace apk
