#include "control-plane/identity/identity_watch.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>

#include "tests/unit/control-plane/identity/memory_records.h"

namespace apk {
namespace {

// Counts, and waits for more.
class Judge {
 public:
  void operator()() {
    const std::lock_guard lock(mutex_);
    ++judgements_;
    more_.notify_all();
  }
  int judgements() {
    const std::lock_guard lock(mutex_);
    return judgements_;
  }
  bool WaitFor(int count) {
    std::unique_lock lock(mutex_);
    return more_.wait_for(lock, std::chrono::seconds(30), [&] { return judgements_ >= count; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable more_;
  int judgements_ = 0;
};

TEST(IdentityWatch, JudgesWhenTheLedgerChangesAndWithoutThat) {
  MemoryRecords records;
  IdentityLedger ledger(records);
  IdentityWatch watch(ledger);
  Judge judge;
  watch.Watch([&] { judge(); });
  ASSERT_TRUE(ledger.Load().ok());
  EXPECT_TRUE(judge.WaitFor(1));
  EXPECT_TRUE(judge.WaitFor(judge.judgements() + 1)) << "time goes by";
}

TEST(IdentityWatch, WhoIsUnwatchedIsNotCalledAgain) {
  MemoryRecords records;
  IdentityLedger ledger(records);
  IdentityWatch watch(ledger);
  Judge gone;
  Judge judge;
  const int number = watch.Watch([&] { gone(); });
  watch.Watch([&] { judge(); });
  ASSERT_TRUE(ledger.Load().ok());
  ASSERT_TRUE(judge.WaitFor(1));
  watch.Unwatch(number);
  const int before = gone.judgements();
  ASSERT_TRUE(judge.WaitFor(judge.judgements() + 1));
  EXPECT_EQ(gone.judgements(), before);
}

}  // namespace
}  // namespace apk
