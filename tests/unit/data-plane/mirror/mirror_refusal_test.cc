#include "data-plane/mirror/mirror_refusal.h"

#include <gtest/gtest.h>

namespace apk {
namespace {

using std::chrono::hours;

TEST(MirrorRefusal, LastsUntilItsTimeAndIsOfOneBackend) {
  MirrorRefusal refusal;
  EXPECT_EQ(refusal.Find(7), std::nullopt);
  refusal.Set(7, MirrorResult::kDroppedQueue, Now() + hours(1));
  EXPECT_EQ(refusal.Find(7), MirrorResult::kDroppedQueue);
  EXPECT_EQ(refusal.Find(8), std::nullopt);
  refusal.Set(8, MirrorResult::kDroppedBreakerOpen, Now() + hours(1));
  EXPECT_EQ(refusal.Find(7), std::nullopt);
  EXPECT_EQ(refusal.Find(8), MirrorResult::kDroppedBreakerOpen);
  refusal.Set(8, MirrorResult::kDroppedQueue, Now());
  EXPECT_EQ(refusal.Find(8), std::nullopt);
}

}  // namespace
}  // namespace apk
