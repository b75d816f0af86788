// Who may talk to the page's listener.
#include "data-plane/inspector/access.h"

#include <gtest/gtest.h>

namespace apk::inspector {
namespace {

CapturedRequest WithHeaders(std::vector<CapturedHeader> headers) {
  CapturedRequest request;
  request.headers = std::move(headers);
  return request;
}

TEST(Access, LoopbackNamesAreServedWithAndWithoutPort) {
  for (const char* const host :
       {"localhost", "LOCALHOST:9601", "127.0.0.1:9601", "127.9.9.9", "[::1]:9601"}) {
    EXPECT_TRUE(IsAllowedHost(host, {})) << host;
  }
}

TEST(Access, NamesThatAnAttackerCanPointAtLoopbackAreRefused) {
  for (const char* const host :
       {"", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1", "[::1",
        "[fe80::1]", "0x7f.1.evil"}) {
    EXPECT_FALSE(IsAllowedHost(host, {})) << host;
  }
}

TEST(Access, AFurtherNameIsServedWhenItWasGiven) {
  EXPECT_TRUE(IsAllowedHost("inspector.test:80", {"inspector.test"}));
  EXPECT_FALSE(IsAllowedHost("other.test", {"inspector.test"}));
}

TEST(Access, StateChangesNeedProofThatNoForeignPageAsks) {
  EXPECT_FALSE(MayChangeState(WithHeaders({{.name = "Host", .value = "localhost:9601"}})));
  EXPECT_FALSE(MayChangeState(WithHeaders({{.name = "Host", .value = "localhost:9601"},
                                           {.name = "Origin", .value = "http://evil.example"}})));
  EXPECT_FALSE(MayChangeState(WithHeaders({{.name = "Origin", .value = "http://"}})));
  EXPECT_TRUE(MayChangeState(WithHeaders({{.name = "Host", .value = "localhost:9601"},
                                          {.name = "Origin", .value = "http://localhost:9601"}})));
  EXPECT_TRUE(MayChangeState(WithHeaders({{.name = "X-Requested-With", .value = "curl"}})));
}

}  // namespace
}  // namespace apk::inspector
