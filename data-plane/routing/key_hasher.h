// A key of settings, for connections and clients that must not mix. FNV-1a: the same in every process.
#pragma once

#include <cstdint>
#include <string_view>

namespace apk {

// Lengths are hashed with the texts, so that no two settings run into each other.
class KeyHasher {
 public:
  void Add(std::string_view text) {
    Add(text.size());
    for (const char c : text) Mix(static_cast<unsigned char>(c));
  }
  void Add(uint64_t number) {
    for (int shift = 0; shift < 64; shift += 8) Mix(static_cast<unsigned char>(number >> shift));
  }
  uint64_t value() const { return hash_; }

 private:
  void Mix(unsigned char byte) { hash_ = (hash_ ^ byte) * 0x100000001b3ULL; }
  uint64_t hash_ = 0xcbf29ce484222325ULL;
};

}  // namespace apk
