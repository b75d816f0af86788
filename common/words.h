// Text eight bytes at once.
#pragma once

#include <cstdint>
#include <cstring>

namespace apk {

constexpr uint64_t kEachByte = 0x0101010101010101;
constexpr uint64_t kHighBits = kEachByte * 0x80;

// REQUIRES: there are as many bytes.
template <class Word>
Word LoadWord(const char* bytes) {
  Word word;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

// The high bit of each byte that equals `byte`; now and then that of the next higher byte, too.
inline uint64_t EqualBytes(uint64_t word, uint64_t byte) {
  const uint64_t differs = word ^ (byte * kEachByte);
  return (differs - kEachByte) & ~differs & kHighBits;
}

}  // namespace apk
