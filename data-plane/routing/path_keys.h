// The segment boundaries of a path, each with a hash of all before it: found in one pass, and then
// looked up in any number of indexes. Bytes are taken as on a little-endian machine. Pure.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <string_view>

#include "common/words.h"

namespace apk {

// Goes on from the hash of what stands before. Only finds candidates: keys are compared.
inline uint64_t HashOn(uint64_t hash, std::string_view text) {
  const auto mix = [&hash](uint64_t bytes) {
    hash = (hash ^ bytes) * 0x9e3779b97f4a7c15;
    hash ^= hash >> 32;
  };
  const char* at = text.data();
  const char* const end = at + text.size();
  for (; end - at > 8; at += 8) mix(LoadWord<uint64_t>(at));
  // The last bytes, some of them perhaps for the second time.
  uint64_t last = 0;
  if (text.size() >= 8) {
    last = LoadWord<uint64_t>(end - 8);
  } else if (text.size() >= 4) {
    last = LoadWord<uint32_t>(at) | uint64_t{LoadWord<uint32_t>(end - 4)} << 32;
  } else if (!text.empty()) {
    const auto byte = [at](size_t i) { return uint64_t{static_cast<unsigned char>(at[i])}; };
    last = byte(0) | byte(text.size() / 2) << 8 | byte(text.size() - 1) << 16;
  }
  mix(last + text.size());
  return hash;
}

// The first slash from `begin` on, or the size. Eight bytes at a time: segments are short.
inline size_t FindSlash(std::string_view path, size_t begin) {
  const auto first = [](uint64_t equal) {
    return static_cast<size_t>(std::countr_zero(equal)) / 8;
  };
  for (; begin + 8 <= path.size(); begin += 8) {
    const uint64_t equal = EqualBytes(LoadWord<uint64_t>(path.data() + begin), '/');
    if (equal != 0) return begin + first(equal);
  }
  if (begin >= path.size() || path.size() < 8) {
    while (begin < path.size() && path[begin] != '/') ++begin;
    return begin;
  }
  const size_t left = path.size() - begin;
  const uint64_t word = LoadWord<uint64_t>(path.data() + path.size() - 8) >> 8 * (8 - left);
  const uint64_t equal = EqualBytes(word, '/');
  return equal != 0 ? begin + first(equal) : path.size();
}

// "/a/b" has three: "", "/a", "/a/b"; "/a/" has "", "/a", "/a/". A text that does not begin with a
// slash has no "".
class PathKeys {
 public:
  struct Boundary {
    uint64_t hash;
    size_t end;
  };
  // Deeper boundaries all have the hash of the last one that is kept.
  static constexpr size_t kMaxDepth = 31;

  explicit PathKeys(std::string_view path) : path_(path) {
    uint64_t hash = 0;
    size_t begin = 0;
    size_t end = FindSlash(path, 0);
    for (;;) {
      hash = HashOn(hash, std::string_view(path.data() + begin, end - begin));
      boundaries_[size_++] = {hash, end};
      if (end == path.size()) return;
      if (size_ == kMaxDepth) break;
      begin = end;
      end = FindSlash(path, begin + 1);
    }
    complete_ = false;
  }

  std::string_view path() const { return path_; }
  size_t size() const { return size_; }
  const Boundary& operator[](size_t depth) const { return boundaries_[depth]; }
  // False where there are deeper boundaries than those that are kept.
  bool complete() const { return complete_; }
  // Of the whole path.
  uint64_t hash() const { return boundaries_[size_ - 1].hash; }
  // How many boundaries stand before the whole path; kMaxDepth where they are not kept.
  size_t depth() const { return complete_ ? size_ - 1 : kMaxDepth; }

 private:
  std::string_view path_;
  size_t size_ = 0;
  bool complete_ = true;
  std::array<Boundary, kMaxDepth> boundaries_;  // The first size_ are set.
};

}  // namespace apk
