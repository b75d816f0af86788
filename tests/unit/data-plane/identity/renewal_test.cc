#include "data-plane/identity/renewal.h"

#include <gtest/gtest.h>

namespace apk {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(RenewalTime, IsBetweenHalfAndSevenTenthsOfTheLife) {
  const Validity validity{.begins = SystemTime(hours(100)), .ends = SystemTime(hours(120))};
  EXPECT_EQ(RenewalTime(validity, 0), SystemTime(hours(110)));
  EXPECT_EQ(RenewalTime(validity, 0.5), SystemTime(hours(112)));
  EXPECT_EQ(RenewalTime(validity, 1), SystemTime(hours(114)));
}

TEST(RetryPause, DoublesUpToAShareOfTheLife) {
  EXPECT_EQ(RetryPause(1, hours(24), 1), milliseconds(500));
  EXPECT_EQ(RetryPause(1, hours(24), 0), milliseconds(250));
  EXPECT_EQ(RetryPause(2, hours(24), 1), milliseconds(1000));
  EXPECT_EQ(RetryPause(1000, hours(24), 1), minutes(10));
  EXPECT_EQ(RetryPause(1000, minutes(20), 1), minutes(1));
  EXPECT_EQ(RetryPause(1000, seconds(5), 1), milliseconds(500));
}

}  // namespace
}  // namespace apk
