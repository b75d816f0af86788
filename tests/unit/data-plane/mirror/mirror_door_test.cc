#include "data-plane/mirror/mirror_door.h"

#include <gtest/gtest.h>

namespace apk {
namespace {

class MirrorDoorTest : public testing::Test {
 protected:
  static MirrorLimits Limits() {
    MirrorLimits limits;
    limits.copy_bytes_max = 100;
    limits.total_bytes_max = 1000;
    return limits;
  }
  MirrorCopyPtr Copy() {
    auto copy = std::make_shared<MirrorCopy>();
    copy->stats = &stats_;
    copy->has_body = true;
    return copy;
  }
  static BodyChunk Chunk(size_t size) {
    return std::make_shared<const std::string>(std::string(size, 'x'));
  }
  MirrorEvent::Kind Next() {
    MirrorEvent event;
    return door_.TryPop(event) ? event.kind : MirrorEvent::Kind::kNone;
  }
  uint64_t Count(MirrorResult result) const {
    return stats_.results[static_cast<size_t>(result)].load();
  }
  void Hold(uint64_t bytes) { budget_.total_bytes += bytes; }  // By other copies.
  void Fill() {
    while (door_.Start(Copy())) {
    }
  }

  MirrorBudget budget_{Limits()};
  MirrorStats stats_;
  int wakes_ = 0;
  MirrorDoor door_{budget_, [this] { ++wakes_; }};
};

TEST_F(MirrorDoorTest, WakesOnceUntilTheOtherSideSleepsAgain) {
  const MirrorCopyPtr copy = Copy();
  EXPECT_TRUE(door_.Start(copy));
  EXPECT_TRUE(door_.Append(copy, Chunk(10)));
  door_.End(copy, nullptr);
  EXPECT_EQ(wakes_, 1);
  EXPECT_EQ(Next(), MirrorEvent::Kind::kStart);
  EXPECT_EQ(Next(), MirrorEvent::Kind::kChunk);
  EXPECT_EQ(Next(), MirrorEvent::Kind::kEnd);
  EXPECT_EQ(Next(), MirrorEvent::Kind::kNone);
  door_.Sleep();
  EXPECT_TRUE(door_.Start(Copy()));
  EXPECT_EQ(wakes_, 2);
}

TEST_F(MirrorDoorTest, ACopyHoldsAtMostItsOwnBudget) {
  Hold(500);
  const MirrorCopyPtr copy = Copy();
  EXPECT_TRUE(door_.Append(copy, Chunk(100)));
  EXPECT_FALSE(door_.Append(copy, Chunk(1)));
  EXPECT_EQ(budget_.total_bytes.load(), 600u);
  EXPECT_EQ(Next(), MirrorEvent::Kind::kChunk);
  EXPECT_EQ(Next(), MirrorEvent::Kind::kSlowReader);
}

TEST_F(MirrorDoorTest, ACopyHoldsMoreWhileAllHoldLessThanHalf) {
  Hold(249);
  const MirrorCopyPtr copy = Copy();
  EXPECT_TRUE(door_.Append(copy, Chunk(100)));
  EXPECT_TRUE(door_.Append(copy, Chunk(150)));
  EXPECT_FALSE(door_.Append(copy, Chunk(1)));  // A quarter of the total is the most.
  const MirrorCopyPtr next = Copy();
  EXPECT_TRUE(door_.Append(next, Chunk(100)));
  EXPECT_FALSE(door_.Append(next, Chunk(1)));  // Half is in use.
}

TEST_F(MirrorDoorTest, AllCopiesTogetherHoldAtMostTheTotal) {
  Hold(850);
  EXPECT_TRUE(door_.Append(Copy(), Chunk(100)));
  EXPECT_FALSE(door_.Append(Copy(), Chunk(51)));
  EXPECT_EQ(Next(), MirrorEvent::Kind::kChunk);
  EXPECT_EQ(Next(), MirrorEvent::Kind::kOverBudget);
  EXPECT_TRUE(door_.Append(Copy(), Chunk(50)));
}

TEST_F(MirrorDoorTest, AFullRingDropsTheNewestCopy) {
  Fill();
  EXPECT_EQ(Count(MirrorResult::kDroppedQueue), 1u);
  EXPECT_FALSE(door_.TakeLost());
}

TEST_F(MirrorDoorTest, ABodyThatDoesNotFitIsLostAndGivesItsBytesBack) {
  for (const auto& lose : std::vector<std::function<void(const MirrorCopyPtr&)>>{
           [this](const MirrorCopyPtr& copy) { EXPECT_FALSE(door_.Append(copy, Chunk(10))); },
           [this](const MirrorCopyPtr& copy) { EXPECT_FALSE(door_.Append(copy, Chunk(251))); },
           [this](const MirrorCopyPtr& copy) { door_.End(copy, nullptr); },
           [this](const MirrorCopyPtr& copy) { door_.AbortByClient(copy); }}) {
    const MirrorCopyPtr copy = Copy();
    EXPECT_TRUE(door_.Start(copy));
    Fill();
    lose(copy);
    EXPECT_TRUE(copy->lost.load());
    EXPECT_TRUE(door_.TakeLost());
    EXPECT_FALSE(door_.TakeLost());
    EXPECT_EQ(budget_.total_bytes.load(), 0u);
    while (Next() != MirrorEvent::Kind::kNone) {
    }
  }
}

}  // namespace
}  // namespace apk
