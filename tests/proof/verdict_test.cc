// Records with one thing wrong, each of which must be seen.
#include "tests/proof/verdict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace apk::proof {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Revisions 5, 6 and 7 write a, b and a again, and a watch tells of them.
struct GoodRecord : Record {
  GoodRecord() {
    sightings["a"] = {Write(5, 1), Write(7, 3), Read(6, 5, 1), Read(8, 7, 3)};
    sightings["b"] = {Write(6, 2), Read(5, 0, kAbsent)};
    told = {{1, 2, 5, true}, {3, 4, 6, true}, {5, 6, 6, false}, {7, 8, 7, true}, {9, 10, 8, false}};
    spans = {{4, 7, {{5, false, "a", 1}, {6, false, "b", 2}, {7, false, "a", 3}}}};
  }
  static Sighting Write(uint64_t revision, Value value) {
    return {.written = true, .revision = revision, .version = revision, .value = value};
  }
  static Sighting Read(uint64_t revision, uint64_t version, Value value) {
    return {.written = false, .revision = revision, .version = version, .value = value};
  }
};

TEST(Verdict, FindsNothingWhereNothingIsWrong) { EXPECT_THAT(FaultsOf(GoodRecord()), IsEmpty()); }

TEST(Verdict, FindsARevisionThatGoesBack) {
  GoodRecord record;
  record.told.push_back({11, 12, 6, false});
  EXPECT_THAT(FaultsOf(record), ElementsAre(HasSubstr("revision 6 was read after revision 8")));
}

TEST(Verdict, FindsAReadOfWhatWasOverwrittenByThen) {
  GoodRecord record;
  record.sightings["a"].push_back(GoodRecord::Read(8, 5, 1));
  EXPECT_THAT(FaultsOf(record), ElementsAre(HasSubstr("revision 7 was the last to write it")));
}

TEST(Verdict, FindsTwoChangesOfOneRevision) {
  GoodRecord record;
  record.sightings["a"].push_back(GoodRecord::Write(7, 4));
  EXPECT_THAT(FaultsOf(record), ElementsAre(HasSubstr("two changes are revision 7")));
}

TEST(Verdict, FindsWhatAWatchLeavesOut) {
  GoodRecord record;
  record.spans[0].events.erase(record.spans[0].events.begin() + 1);
  EXPECT_THAT(FaultsOf(record), ElementsAre(HasSubstr("left out b at revision 6")));
}

TEST(Verdict, FindsWhatAWatchTellsTwice) {
  GoodRecord record;
  record.spans[0].events.push_back({7, false, "a", 3});
  EXPECT_THAT(FaultsOf(record), ElementsAre(HasSubstr("told twice of a at revision 7")));
}

TEST(Verdict, FindsAWatchThatGoesBack) {
  GoodRecord record;
  std::swap(record.spans[0].events[0], record.spans[0].events[1]);
  EXPECT_THAT(FaultsOf(record), ElementsAre(HasSubstr("revision 5 after revision 6")));
}

TEST(Verdict, FindsWhatNobodyWroteUnlessItWentUnanswered) {
  GoodRecord record;
  record.spans[0].events.push_back({8, false, "b", 9});
  EXPECT_THAT(FaultsOf(record), ElementsAre(HasSubstr("b is 9 at revision 8, which nobody wrote")));
  Operation put;
  put.kind = Operation::Kind::kPut;
  put.outcome = Operation::Outcome::kUnknown;
  put.value = 9;
  record.histories["b"] = {put};
  EXPECT_THAT(FaultsOf(record), IsEmpty());
}

TEST(Verdict, FindsAnObjectThatIsNotLinearizable) {
  GoodRecord record;
  Operation read;
  read.value = 5;
  read.call = 1;
  read.end = 2;
  record.histories["a"] = {read};
  EXPECT_THAT(FaultsOf(record), ElementsAre(HasSubstr("a is not linearizable")));
}

}  // namespace
}  // namespace apk::proof
