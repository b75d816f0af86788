// Keys over time, which the test tells.
#include "data-plane/net/ticket_keys.h"

#include <gtest/gtest.h>

namespace apk {
namespace {

using std::chrono::hours;

std::string_view NameOf(const TicketKeys::Key& key) {
  return {reinterpret_cast<const char*>(key.name.data()), key.name.size()};
}

TEST(TicketKeys, StayForTwelveHours) {
  TicketKeys keys;
  const TimePoint start = std::chrono::steady_clock::now();
  const TicketKeys::Key first = *keys.Current(start);
  EXPECT_EQ(keys.Current(start + hours(11))->name, first.name);
  const TicketKeys::Key second = *keys.Current(start + hours(12));
  EXPECT_NE(second.name, first.name);
  EXPECT_NE(second.cipher_key, first.cipher_key);
  EXPECT_NE(second.mac_key, first.mac_key);
}

TEST(TicketKeys, TheOneBeforeIsStillReadButNotCurrent) {
  TicketKeys keys;
  const TimePoint start = std::chrono::steady_clock::now();
  const TicketKeys::Key first = *keys.Current(start);
  EXPECT_TRUE(keys.Find(NameOf(first), start + hours(1))->current);
  const auto found = keys.Find(NameOf(first), start + hours(13));
  ASSERT_TRUE(found.has_value());
  EXPECT_FALSE(found->current);
  EXPECT_EQ(found->key.cipher_key, first.cipher_key);
  EXPECT_FALSE(keys.Find(NameOf(first), start + hours(25)).has_value());
}

TEST(TicketKeys, AKeyIsTooOldAfterALongSilence) {
  TicketKeys keys;
  const TimePoint start = std::chrono::steady_clock::now();
  const TicketKeys::Key first = *keys.Current(start);
  EXPECT_FALSE(keys.Find(NameOf(first), start + hours(24)).has_value());
}

TEST(TicketKeys, PassOnToAnotherProcess) {
  TicketKeys keys;
  const TimePoint start = std::chrono::steady_clock::now();
  EXPECT_FALSE(keys.Export(start).has_value());
  const TicketKeys::Key first = *keys.Current(start);
  const TicketKeys::Key second = *keys.Current(start + hours(12));
  const std::optional<TicketKeys::State> state = keys.Export(start + hours(20));
  ASSERT_TRUE(state.has_value());

  TicketKeys next;
  const TimePoint then = start + hours(1000);  // Clocks need not agree, ages do.
  next.Import(*state, then);
  EXPECT_EQ(next.Current(then)->name, second.name);
  EXPECT_FALSE(next.Find(NameOf(first), then)->current);
  EXPECT_TRUE(next.Find(NameOf(second), then)->current);
  EXPECT_FALSE(next.Find(NameOf(second), then + hours(4))->current);
  EXPECT_FALSE(next.Find(NameOf(first), then + hours(4)).has_value());
}

TEST(TicketKeys, UnknownNamesAreNotFound) {
  TicketKeys keys;
  const TimePoint start = std::chrono::steady_clock::now();
  EXPECT_FALSE(keys.Find(std::string(16, 'x'), start).has_value());
  keys.Current(start);
  EXPECT_FALSE(keys.Find(std::string(16, 'x'), start).has_value());
}

}  // namespace
}  // namespace apk
