// There and back, and what is damaged.
#include "common/compressed.h"

#include <gtest/gtest.h>

namespace apk {
namespace {

TEST(Compressed, ComesBackAsItWas) {
  for (const size_t size : {size_t{0}, size_t{1}, size_t{100'000}, size_t{3'000'000}}) {
    std::string bytes(size, 'a');
    for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * i >> 7);
    EXPECT_EQ(Decompress(Compress(bytes), size), bytes);
  }
  EXPECT_LT(Compress(std::string(100'000, 'a')).size(), 1000u);
}

TEST(Compressed, WhatIsDamagedOrTooLargeIsNothing) {
  const std::string compressed = Compress(std::string(100'000, 'a') + "and something else");
  EXPECT_FALSE(Decompress(compressed, 100'000).has_value());
  EXPECT_FALSE(Decompress(compressed.substr(0, compressed.size() - 1), 1 << 20).has_value());
  EXPECT_FALSE(Decompress(compressed + "x", 1 << 20).has_value());
  EXPECT_FALSE(Decompress("", 1 << 20).has_value());
  std::string changed = compressed;
  changed[changed.size() - 2] = static_cast<char>(changed[changed.size() - 2] ^ 1);
  EXPECT_FALSE(Decompress(changed, 1 << 20).has_value());
}

}  // namespace
}  // namespace apk
