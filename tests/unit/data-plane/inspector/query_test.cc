#include "data-plane/inspector/query.h"

#include <gtest/gtest.h>

namespace apk::inspector {
namespace {

using std::chrono::milliseconds;

TEST(QueryDurationTest, ReadsTheUnitsAndTakesSecondsWithoutOne) {
  const auto read = [](std::string_view query) {
    return QueryDuration(query, "timeout", milliseconds(7)).value();
  };
  EXPECT_EQ(read(""), milliseconds(7));
  EXPECT_EQ(read("timeout=500ms"), milliseconds(500));
  EXPECT_EQ(read("a=b&timeout=10s"), milliseconds(10'000));
  EXPECT_EQ(read("timeout=10"), milliseconds(10'000));
  EXPECT_EQ(read("timeout=1m"), milliseconds(60'000));
  EXPECT_EQ(read("timeout=0"), milliseconds(0));
}

TEST(QueryDurationTest, RefusesAndNamesWhatItDoesNotUnderstand) {
  for (const std::string_view value : {"bogus", "-1s", "1h", "1 s", "s", "99999999999s"}) {
    const auto duration =
        QueryDuration("timeout=" + std::string(value), "timeout", milliseconds(7));
    ASSERT_FALSE(duration.ok()) << value;
    EXPECT_EQ(duration.status().message(),
              "timeout: \"" + std::string(value) +
                  "\" is not understood: give a time such as 500ms, 10s or 1m");
  }
}

TEST(QueryNumberTest, RefusesWhatIsNoNumber) {
  EXPECT_EQ(QueryNumber("since=12", "since", 0).value(), 12u);
  EXPECT_EQ(QueryNumber("", "since", 3).value(), 3u);
  EXPECT_FALSE(QueryNumber("since=1a", "since", 0).ok());
}

}  // namespace
}  // namespace apk::inspector
