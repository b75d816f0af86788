// What a piece of translation read from the resources: it need not be done again until some of that
// changes. Pieces nest: what an inner one read, the outer one did, too.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "control-plane/resources/resource_set.h"

namespace apk {

// Hashes of what was read, sorted, each once. Two things may share a hash: then something is
// translated again without need.
using Reads = std::vector<uint64_t>;

uint64_t HashOfRead(const ResourceKey& key);                               // One object.
uint64_t HashOfRead(std::string_view group, std::string_view kind);        // All of a kind.
// The EndpointSlices of one Service, which say by a label that they are its.
uint64_t HashOfSlicesRead(std::string_view namespace_name, std::string_view service);

class ReadLog final : public ReadObserver {
 public:
  void Begin() { pieces_.emplace_back(); }
  // What was read since the Begin that this ends.
  Reads End();
  void Note(uint64_t read);
  void Note(const Reads& reads);

  void OnFind(const ResourceKey& key) override { Note(HashOfRead(key)); }
  void OnList(const std::string& group, const std::string& kind) override {
    Note(HashOfRead(group, kind));
  }

 private:
  std::vector<Reads> pieces_;
};

// Both, sorted, each once.
Reads Union(const Reads& a, const Reads& b);

}  // namespace apk
