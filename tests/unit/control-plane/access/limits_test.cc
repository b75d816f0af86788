// Who is refused, for how long, and that it is nobody else.
#include "control-plane/access/limits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace apk {
namespace {

using Call = Limits::Call;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

constexpr TimePoint kStart{seconds(1000)};
constexpr char kAnn[] = "spiffe://apk/user/ann";

LimitOptions Small() { return {.reads = 10, .changes = 2, .calls = 3, .applies = 1, .watches = 2}; }

int Taken(Limits& limits, const std::string& user, Call call, TimePoint now) {
  int taken = 0;
  while (taken < 1000 && limits.Take(user, call, now).ok()) ++taken;
  return taken;
}

TEST(Limits, TenSecondsWorthAreTakenAtOnceAndThenSoManyASecond) {
  Limits limits(Small());
  EXPECT_EQ(Taken(limits, kAnn, Call::kChange, kStart), 20);
  EXPECT_EQ(Taken(limits, kAnn, Call::kApply, kStart), 0) << "it is a change";
  EXPECT_EQ(Taken(limits, kAnn, Call::kRead, kStart), 100);
  EXPECT_EQ(Taken(limits, kAnn, Call::kWatch, kStart), 0) << "it reads";
  EXPECT_EQ(Taken(limits, kAnn, Call::kChange, kStart + milliseconds(1500)), 3);
  EXPECT_EQ(Taken(limits, kAnn, Call::kChange, kStart + seconds(3600)), 20);
  EXPECT_EQ(Taken(limits, "oidc:ann", Call::kChange, kStart), 20) << "another user";
}

TEST(Limits, ARefusalSaysWhatAndWhenToComeAgain) {
  Limits limits(Small());
  Taken(limits, kAnn, Call::kChange, kStart);
  const absl::Status refused = limits.Take(kAnn, Call::kChange, kStart);
  EXPECT_TRUE(absl::IsResourceExhausted(refused));
  EXPECT_EQ(std::string(refused.message()),
            "user ann asks for more than 2 changes a second (--limit-changes); try again in 1 s");
  EXPECT_EQ(RetryAfterSeconds(refused), 1);
  EXPECT_EQ(RetryAfterSeconds(absl::ResourceExhaustedError("another")), 0);
}

TEST(Limits, PlacesAreHeldFromTheBeginningToTheEnd) {
  Limits limits(Small());
  EXPECT_TRUE(limits.Begin(kAnn, Call::kApply, kStart).ok());
  EXPECT_THAT(std::string(limits.Begin(kAnn, Call::kApply, kStart).message()),
              HasSubstr("user ann has 1 applies at a time (--limit-applies)"));
  limits.Run(kAnn, Call::kApply);
  EXPECT_FALSE(limits.Begin(kAnn, Call::kApply, kStart + seconds(3600)).ok()) << "it runs";
  limits.End(kAnn, Call::kApply);
  EXPECT_TRUE(limits.Begin(kAnn, Call::kApply, kStart).ok());
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(limits.Begin(kAnn, Call::kWatch, kStart).ok());
  EXPECT_THAT(std::string(limits.Begin(kAnn, Call::kWatch, kStart).message()),
              HasSubstr("(--limit-watches)"));
  EXPECT_TRUE(limits.Begin(kAnn, Call::kRead, kStart).ok());
  EXPECT_TRUE(limits.Begin(kAnn, Call::kChange, kStart).ok());
  EXPECT_TRUE(limits.Begin(kAnn, Call::kRead, kStart).ok());
  EXPECT_THAT(std::string(limits.Begin(kAnn, Call::kChange, kStart).message()),
              HasSubstr("(--limit-calls)"));
  EXPECT_TRUE(limits.Begin("oidc:bob", Call::kApply, kStart).ok());
}

TEST(Limits, ACallWhoseMessageNeverComesIsForgotten) {
  Limits limits(Small());
  EXPECT_TRUE(limits.Begin(kAnn, Call::kApply, kStart).ok());
  EXPECT_FALSE(limits.Begin(kAnn, Call::kApply, kStart + seconds(60)).ok());
  EXPECT_TRUE(limits.Begin(kAnn, Call::kApply, kStart + seconds(61)).ok());
}

TEST(Limits, NoneIsNoLimit) {
  Limits limits({.reads = 0, .changes = 0, .calls = 0, .applies = 0, .watches = 0});
  EXPECT_EQ(Taken(limits, kAnn, Call::kChange, kStart), 1000);
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(limits.Begin(kAnn, Call::kRead, kStart).ok());
}

}  // namespace
}  // namespace apk
