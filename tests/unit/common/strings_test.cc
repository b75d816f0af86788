// Comparison without case, against the plain way to write it.
#include "common/strings.h"

#include <gtest/gtest.h>

#include <string>

namespace apk {
namespace {

bool SameByBytes(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (AsciiLower(a[i]) != AsciiLower(b[i])) return false;
  }
  return true;
}

// Every pair of bytes at every place of texts that are shorter than, as long as, and longer than a word.
TEST(EqualsIgnoreCase, IsTheComparisonByteByByte) {
  for (const size_t size : {1u, 2u, 3u, 4u, 5u, 7u, 8u, 9u, 15u, 16u, 17u, 24u}) {
    std::string a(size, 'x');
    std::string b(size, 'X');
    for (size_t place = 0; place < size; ++place) {
      for (int left = 0; left < 256; ++left) {
        a[place] = static_cast<char>(left);
        for (const int right : {left, left ^ 0x20, left ^ 0x80, left ^ 1, 0xff - left}) {
          b[place] = static_cast<char>(right);
          ASSERT_EQ(EqualsIgnoreCase(a, b), SameByBytes(a, b))
              << size << " bytes, at " << place << ": " << left << " and " << right;
        }
      }
      a[place] = 'x';
      b[place] = 'X';
    }
  }
}

TEST(EqualsIgnoreCase, SizesDiffer) {
  EXPECT_TRUE(EqualsIgnoreCase("", ""));
  EXPECT_FALSE(EqualsIgnoreCase("", "a"));
  EXPECT_FALSE(EqualsIgnoreCase("content-type", "content-typ"));
}

TEST(CutUtf8, EndsWithAWholeCharacter) {
  EXPECT_EQ(CutUtf8("short", 5), "short");
  EXPECT_EQ(CutUtf8("longer", 3), "lon");
  EXPECT_EQ(CutUtf8("ab\u00e9", 3), "ab");
  EXPECT_EQ(CutUtf8("ab\u00e9", 4), "ab\u00e9");
  EXPECT_EQ(CutUtf8("\u20ac", 2), "");
}

TEST(TrimSpace, TakesSpacesAndTabsOffBothEndsOnly) {
  EXPECT_EQ(TrimSpace(" \t a b\t "), "a b");
  EXPECT_EQ(TrimSpace("\r\n"), "\r\n");
  EXPECT_EQ(TrimSpace(" \t "), "");
  EXPECT_EQ(TrimSpace(""), "");
}

TEST(Hex, IsLowerCaseAndWhole) {
  EXPECT_EQ(Hex(std::string_view("\x00\x0f\xa0\xff", 4)), "000fa0ff");
  EXPECT_EQ(Hex(""), "");
}

}  // namespace
}  // namespace apk
