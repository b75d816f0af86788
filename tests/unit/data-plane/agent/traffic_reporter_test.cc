// What is told, and when it ends.
#include "data-plane/agent/traffic_reporter.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <vector>

namespace apk {
namespace {

using namespace std::chrono_literals;

class TrafficReporterTest : public testing::Test {
 protected:
  v1::Traffic Count() const {
    v1::Traffic traffic;
    traffic.set_requests(requests_.load());
    return traffic;
  }
  void Tell(const v1::Traffic& traffic) {
    const std::lock_guard lock(mutex_);
    told_.push_back(traffic.requests());
    changed_.notify_all();
  }
  bool Told(const std::vector<uint64_t>& wanted) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 10s, [&] { return told_ == wanted; });
  }

  std::atomic<uint64_t> requests_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<uint64_t> told_;
  TrafficReporter reporter_{[this] { return Count(); },
                            [this](const v1::Traffic& traffic) { Tell(traffic); }};
};

TEST_F(TrafficReporterTest, TellsAtOnceAndThenWhatIsNew) {
  reporter_.Every(1ms);
  EXPECT_TRUE(Told({0}));
  requests_ = 3;
  EXPECT_TRUE(Told({0, 3}));
  reporter_.Every(2ms);  // Somebody who does not know yet.
  EXPECT_TRUE(Told({0, 3, 3}));
}

TEST_F(TrafficReporterTest, TellsNothingUnlessAskedAndNothingAfterTheEnd) {
  reporter_.Every(0ms);
  reporter_.Every(1ms);
  EXPECT_TRUE(Told({0}));
  reporter_.Stop();
  requests_ = 1;
  reporter_.Every(1ms);
  EXPECT_TRUE(Told({0}));
}

TEST_F(TrafficReporterTest, EndsWithoutHavingBegun) { reporter_.Stop(); }

}  // namespace
}  // namespace apk
