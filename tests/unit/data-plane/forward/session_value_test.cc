// Sessions: what a value says, whom it convinces, and for how long.
#include "data-plane/forward/session_value.h"

#include <gtest/gtest.h>

namespace apk {
namespace {

constexpr int64_t kNow = 1'800'000'000'000;

SessionPersistence Policy() {
  SessionPersistence policy;
  policy.name = "s";
  policy.cookie_path = "/";
  policy.key = std::string(32, 'k');
  policy.targets = {{7, 0, 1}, {9, 1, 0}};
  return policy;
}

Session SessionAt(int64_t begun_ms, int64_t seen_ms) {
  Session session;
  session.target = {9, 1, 0};
  session.begun_ms = begun_ms;
  session.seen_ms = seen_ms;
  return session;
}

std::optional<Session> Find(const SessionPersistence& policy, const std::string& cookies,
                            int64_t now_ms = kNow) {
  HeaderMap headers;
  headers.Add("Cookie", cookies);
  return FindSession(policy, headers, now_ms);
}

TEST(SessionValue, NamesItsEndpoint) {
  const SessionPersistence policy = Policy();
  const std::string value = SessionValue(policy, SessionAt(kNow - 5, kNow - 3));
  const std::optional<Session> found = Find(policy, "a=b; s=" + value + "; c=d");
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->target.backend, 1U);
  EXPECT_EQ(found->target.endpoint, 0U);
  EXPECT_EQ(found->begun_ms, kNow - 5);
  EXPECT_EQ(found->seen_ms, kNow - 3);
}

TEST(SessionValue, IsFoundBehindOthersOfItsName) {
  const SessionPersistence policy = Policy();
  const std::string value = SessionValue(policy, SessionAt(kNow, kNow));
  EXPECT_TRUE(Find(policy, "s=other; s=" + value).has_value());
  EXPECT_FALSE(Find(policy, "x-s=" + value).has_value());
}

TEST(SessionValue, CannotBeChangedByAnyBit) {
  const SessionPersistence policy = Policy();
  const std::string value = SessionValue(policy, SessionAt(kNow, kNow));
  for (size_t i = 0; i < value.size(); ++i) {
    std::string changed = value;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(Find(policy, "s=" + changed).has_value()) << i;
  }
  EXPECT_FALSE(Find(policy, "s=" + value + "A").has_value());
  EXPECT_FALSE(Find(policy, "s=").has_value());
}

TEST(SessionValue, IsOfOneKeyOnly) {
  const std::string value = SessionValue(Policy(), SessionAt(kNow, kNow));
  SessionPersistence other = Policy();
  other.key[0] = 'x';
  EXPECT_FALSE(Find(other, "s=" + value).has_value());
}

TEST(SessionValue, EndsWithItsEndpoint) {
  const std::string value = SessionValue(Policy(), SessionAt(kNow, kNow));
  SessionPersistence shrunk = Policy();
  shrunk.targets.pop_back();
  EXPECT_FALSE(Find(shrunk, "s=" + value).has_value());
}

TEST(SessionValue, EndsWithItsTimeouts) {
  SessionPersistence policy = Policy();
  const std::string value = SessionValue(policy, SessionAt(kNow, kNow + 1000));
  policy.absolute_timeout_ms = 5000;
  EXPECT_TRUE(Find(policy, "s=" + value, kNow + 5000).has_value());
  EXPECT_FALSE(Find(policy, "s=" + value, kNow + 5001).has_value());
  policy.absolute_timeout_ms = 0;
  policy.idle_timeout_ms = 800;
  EXPECT_TRUE(Find(policy, "s=" + value, kNow + 1800).has_value());
  EXPECT_FALSE(Find(policy, "s=" + value, kNow + 1801).has_value());
  EXPECT_FALSE(NeedsRenewal(policy, SessionAt(kNow, kNow), kNow + 100));
  EXPECT_TRUE(NeedsRenewal(policy, SessionAt(kNow, kNow), kNow + 101));
}

TEST(SessionValue, TravelsAsACookieOrAsAHeader) {
  SessionPersistence policy = Policy();
  policy.cookie_path = "/a";
  ResponseHead response;
  const Session session = SessionAt(kNow - 1000, kNow);
  GrantSession(policy, session, false, kNow, response);
  EXPECT_EQ(response.headers.Get("set-cookie"),
            "s=" + SessionValue(policy, session) + "; Path=/a; HttpOnly");

  policy.permanent = true;
  policy.absolute_timeout_ms = 61'000;
  response.Clear();
  GrantSession(policy, session, true, kNow, response);
  EXPECT_EQ(response.headers.Get("set-cookie"),
            "s=" + SessionValue(policy, session) + "; Path=/a; HttpOnly; Secure; Max-Age=60");

  policy.in_header = true;
  response.Clear();
  GrantSession(policy, session, true, kNow, response);
  EXPECT_EQ(response.headers.Get("s"), SessionValue(policy, session));
  HeaderMap headers;
  headers.Add("S", SessionValue(policy, session));
  EXPECT_TRUE(FindSession(policy, headers, kNow).has_value());
}

}  // namespace
}  // namespace apk
