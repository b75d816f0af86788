// Hashes of the names, with a seed for each sort of read.
#include "control-plane/translation/read_log.h"

#include <algorithm>
#include <functional>
#include <initializer_list>
#include <iterator>

namespace apk {
namespace {

uint64_t Combine(uint64_t seed, std::initializer_list<std::string_view> parts) {
  uint64_t hash = seed;
  for (const std::string_view part : parts) {
    // The 64-bit form of the golden-ratio combination.
    hash ^= std::hash<std::string_view>{}(part) + 0x9e3779b97f4a7c15 + (hash << 12) + (hash >> 4);
  }
  return hash;
}

}  // namespace

uint64_t HashOfRead(const ResourceKey& key) {
  return Combine(1, {key.group, key.kind, key.namespace_name, key.name});
}

uint64_t HashOfRead(std::string_view group, std::string_view kind) {
  return Combine(2, {group, kind});
}

uint64_t HashOfSlicesRead(std::string_view namespace_name, std::string_view service) {
  return Combine(3, {namespace_name, service});
}

Reads ReadLog::End() {
  Reads reads = std::move(pieces_.back());
  pieces_.pop_back();
  std::sort(reads.begin(), reads.end());
  reads.erase(std::unique(reads.begin(), reads.end()), reads.end());
  Note(reads);
  return reads;
}

void ReadLog::Note(uint64_t read) {
  if (!pieces_.empty()) pieces_.back().push_back(read);
}

void ReadLog::Note(const Reads& reads) {
  if (pieces_.empty()) return;
  pieces_.back().insert(pieces_.back().end(), reads.begin(), reads.end());
}

Reads Union(const Reads& a, const Reads& b) {
  Reads both;
  both.reserve(a.size() + b.size());
  std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
  return both;
}

}  // namespace apk
