#include "data-plane/upstream/connection_places.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>

namespace apk {
namespace {

using Next = ConnectionPlaces::Next;

// Two workers' pools of one endpoint.
constexpr char kOne = '1';
constexpr char kTwo = '2';

class FakeWaiter final : public ConnectionPlaces::Waiter {
 public:
  explicit FakeWaiter(const void* owner) : Waiter(owner) {}
  void Wake() override { woken.fetch_add(1); }
  std::atomic<int> woken{0};
};

class FakeHolder final : public ConnectionPlaces::Holder {
 public:
  void AskForOne() override { ++asked; }
  int asked = 0;
};

class ConnectionPlacesTest : public testing::Test {
 protected:
  ConnectionPlacesTest() { places_.SetMax(2); }
  std::shared_ptr<FakeWaiter> Wait(const void* owner) {
    auto waiter = std::make_shared<FakeWaiter>(owner);
    places_.Wait(waiter);
    return waiter;
  }
  void Fill() {
    ASSERT_TRUE(places_.TryEnter());
    ASSERT_TRUE(places_.TryEnter());
    ASSERT_FALSE(places_.TryEnter());
  }

  ConnectionPlaces places_;
};

TEST_F(ConnectionPlacesTest, GrantsThemInTheOrderOfTheQueue) {
  Fill();
  const auto first = Wait(&kOne);
  const auto second = Wait(&kTwo);
  EXPECT_TRUE(places_.wanted());
  places_.Leave();
  EXPECT_EQ(first->woken, 1);
  EXPECT_EQ(second->woken, 0);
  EXPECT_TRUE(places_.Withdraw(first));
  places_.Leave();
  EXPECT_EQ(second->woken, 1);
  EXPECT_FALSE(places_.wanted());
  EXPECT_EQ(places_.taken(), 2u);
}

TEST_F(ConnectionPlacesTest, NobodyOvertakesTheQueue) {
  places_.SetMax(0);
  const auto waiter = Wait(&kOne);
  EXPECT_FALSE(places_.TryEnter());
  places_.SetMax(2);
  EXPECT_EQ(waiter->woken, 1);
  EXPECT_TRUE(places_.TryEnter());
  EXPECT_FALSE(places_.TryEnter());
}

TEST_F(ConnectionPlacesTest, WhoWithdrawsTakesNoPlace) {
  Fill();
  const auto waiter = Wait(&kOne);
  EXPECT_FALSE(places_.Withdraw(waiter));
  EXPECT_FALSE(places_.wanted());
  places_.Leave();
  EXPECT_EQ(waiter->woken, 0);
  EXPECT_EQ(places_.taken(), 1u);
}

TEST_F(ConnectionPlacesTest, AFreeConnectionGoesToOneThatCanUseIt) {
  Fill();
  const auto other = Wait(&kTwo);
  const auto own = Wait(&kOne);
  const ConnectionPlaces::Passed passed = places_.PassOn(&kOne);
  EXPECT_EQ(passed.next, Next::kOwn);
  EXPECT_EQ(passed.waiter, own);
  EXPECT_TRUE(places_.Withdraw(own));
  const ConnectionPlaces::Passed next = places_.PassOn(&kOne);
  EXPECT_EQ(next.next, Next::kOther);
  EXPECT_EQ(next.waiter, other);
  EXPECT_EQ(other->woken, 0) << "not before the connection is closed";
  EXPECT_EQ(places_.PassOn(&kOne).next, Next::kNobody);
  EXPECT_EQ(places_.taken(), 2u) << "each has its place from the one before";
}

TEST_F(ConnectionPlacesTest, ABusyOwnerDoesNotKeepOthersWaitingForEver) {
  Fill();
  const auto other = Wait(&kTwo);
  int own = 0;
  for (; own < 1000; ++own) {
    Wait(&kOne);
    if (places_.PassOn(&kOne).waiter == other) break;
  }
  EXPECT_EQ(own, 16);
}

TEST_F(ConnectionPlacesTest, AsksForConnectionsThatNobodyUses) {
  FakeHolder idle;
  FakeHolder busy;
  idle.SetIdle(1);
  places_.Join(idle);
  places_.Join(busy);
  ASSERT_TRUE(places_.TryEnter());
  Wait(&kOne);
  EXPECT_EQ(idle.asked, 0) << "there was one free";
  const auto waiter = Wait(&kOne);
  EXPECT_EQ(idle.asked, 1);
  EXPECT_EQ(busy.asked, 0);
  places_.Part(idle);
  Wait(&kOne);
  EXPECT_EQ(idle.asked, 1);
  places_.Part(busy);
}

TEST_F(ConnectionPlacesTest, APlaceIsGivenBackOnce) {
  const auto places = std::make_shared<ConnectionPlaces>();
  places->SetMax(2);
  ASSERT_TRUE(places->TryEnter());
  {
    ConnectionPlace place(places);
    ConnectionPlace moved = std::move(place);
    EXPECT_FALSE(place.taken());
    moved.Forget();
  }
  EXPECT_EQ(places->taken(), 1u);
  { const ConnectionPlace place(places); }
  EXPECT_EQ(places->taken(), 0u);
}

TEST_F(ConnectionPlacesTest, NoPlaceIsLostBetweenThreads) {
  const auto work = [this](const void* owner) {
    for (int i = 0; i < 20'000; ++i) {
      if (!places_.TryEnter()) {
        const auto waiter = std::make_shared<FakeWaiter>(owner);
        places_.Wait(waiter);
        while (waiter->woken == 0) std::this_thread::yield();
      }
      places_.Leave();
    }
  };
  std::thread first(work, &kOne);
  std::thread second(work, &kTwo);
  std::thread third(work, &kOne);
  first.join();
  second.join();
  third.join();
  EXPECT_EQ(places_.taken(), 0u);
  EXPECT_FALSE(places_.wanted());
}

}  // namespace
}  // namespace apk
