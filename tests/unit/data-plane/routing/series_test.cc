#include "data-plane/routing/series.h"

#include <gtest/gtest.h>

namespace apk {
namespace {

TEST(Series, GivesANameOneNumberForAsLongAsItIsHeld) {
  SeriesRegistry registry;
  const auto first = registry.Take("a", "x");
  EXPECT_EQ(registry.Take("a", "x"), first);
  EXPECT_NE(registry.Take("a", "y")->index, first->index);
  EXPECT_NE(registry.Take("b", "x")->index, first->index);
}

TEST(Series, UsesNumbersAgainWithAnotherGeneration) {
  SeriesRegistry registry;
  auto gone = registry.Take("a");
  const uint32_t index = gone->index;
  const uint64_t generation = gone->generation;
  gone.reset();
  const auto next = registry.Take("b");
  EXPECT_EQ(next->index, index);
  EXPECT_NE(next->generation, generation);
  EXPECT_EQ(registry.All().size(), 1u);
}

TEST(Series, HasNoMoreNumbersThanAreHeldAtATime) {
  SeriesRegistry registry;
  for (int round = 0; round < 100; ++round) {
    const auto a = registry.Take("a" + std::to_string(round));
    const auto b = registry.Take("b" + std::to_string(round));
    EXPECT_LT(a->index, 2u);
    EXPECT_LT(b->index, 2u);
  }
  EXPECT_TRUE(registry.All().empty());
}

TEST(Series, MayOutliveItsRegistry) {
  std::shared_ptr<const Series> series;
  {
    SeriesRegistry registry;
    series = registry.Take("a");
  }
  EXPECT_EQ(series->name, "a");
}

TEST(Series, ListsThemByName) {
  SeriesRegistry registry;
  const auto b = registry.Take("b");
  const auto a = registry.Take("a");
  EXPECT_EQ(registry.All(), (std::vector{a, b}));
}

}  // namespace
}  // namespace apk
