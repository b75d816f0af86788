// When an agent goes back.
#include "data-plane/agent/discovery_session.h"

#include <gtest/gtest.h>

namespace apk {
namespace {

class DiscoverySessionTest : public testing::Test {
 protected:
  bool IsOlder(uint64_t held, uint64_t offered) {
    v1::Snapshot snapshot;
    snapshot.set_version("v");
    snapshot.set_revision(held);
    snapshot.set_store("s");
    session_.Hold(snapshot);
    response_.set_store("s");
    response_.set_revision(offered);
    return session_.IsOlder(response_);
  }

  DiscoverySession session_;
  v1::DiscoveryResponse response_;
};

TEST_F(DiscoverySessionTest, GoesBackFromNothingThatWasNotWithdrawn) {
  EXPECT_TRUE(IsOlder(5, 4));
  EXPECT_FALSE(IsOlder(5, 5));
  EXPECT_FALSE(IsOlder(5, 6));
}

TEST_F(DiscoverySessionTest, GoesBackFromWhatWasWithdrawnToWhatWasBeforeAndNoFurther) {
  response_.set_withdrawn_after(40);
  response_.set_withdrawn_revision(50);
  EXPECT_FALSE(IsOlder(50, 40));
  EXPECT_FALSE(IsOlder(45, 40));
  EXPECT_TRUE(IsOlder(51, 40));
  EXPECT_TRUE(IsOlder(50, 39));
  // That one was promoted once, or is older still.
  EXPECT_TRUE(IsOlder(40, 30));
  EXPECT_TRUE(IsOlder(30, 20));
}

}  // namespace
}  // namespace apk
