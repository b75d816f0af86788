// What the cache forgets.
#include "data-plane/auth/verdict_cache.h"

#include <gtest/gtest.h>

namespace apk {
namespace {

constexpr WallTime At(int seconds) { return WallTime(std::chrono::seconds(seconds)); }

TEST(VerdictCacheTest, VerdictsEndWithTheTokenAndWithTheKeys) {
  VerdictCache cache;
  cache.Remember("t", 1, At(10));
  EXPECT_TRUE(cache.IsGood("t", 1, At(9)));
  EXPECT_FALSE(cache.IsGood("t", 1, At(10)));
  cache.Remember("t", 1, At(10));
  EXPECT_FALSE(cache.IsGood("t", 2, At(9)));
  EXPECT_EQ(cache.size(), 0u);
}

TEST(VerdictCacheTest, LeastRecentlyUsedGoesFirst) {
  VerdictCache cache(2);
  cache.Remember("a", 1, At(10));
  cache.Remember("b", 1, At(10));
  EXPECT_TRUE(cache.IsGood("a", 1, At(1)));
  cache.Remember("c", 1, At(10));
  EXPECT_EQ(cache.size(), 2u);
  EXPECT_TRUE(cache.IsGood("a", 1, At(1)));
  EXPECT_FALSE(cache.IsGood("b", 1, At(1)));
}

}  // namespace
}  // namespace apk
