// What --store takes.
#include "control-plane/store/etcd_url.h"

#include <gtest/gtest.h>

namespace apk {
namespace {

TEST(EtcdUrl, HasEndpointsAndAPrefix) {
  const auto one = ParseEtcdUrl("etcd://127.0.0.1:2379");
  ASSERT_TRUE(one.ok());
  EXPECT_EQ(one->endpoints, std::vector<std::string>{"127.0.0.1:2379"});
  EXPECT_EQ(one->prefix, "/apk");
  const auto three = ParseEtcdUrl("etcd://a:1,[::1]:2,c.example:3/team/gateway-1");
  ASSERT_TRUE(three.ok());
  EXPECT_EQ(three->endpoints, (std::vector<std::string>{"a:1", "[::1]:2", "c.example:3"}));
  EXPECT_EQ(three->prefix, "/team/gateway-1");
  EXPECT_EQ(ParseEtcdUrl("etcd://a:1/")->prefix, "/apk");
}

TEST(EtcdUrl, SaysWhatIsWrong) {
  for (const char* const text :
       {"", "a:1", "http://a:1", "etcd://", "etcd://a", "etcd://a:0", "etcd://a:65536",
        "etcd://a:x", "etcd://a:1,", "etcd://a:1,,b:2", "etcd://::1:2", "etcd://user@a:1",
        "etcd://a:1//x", "etcd://a:1/x/", "etcd://a:1/x y", "etcd://a:1/x?y"}) {
    const absl::Status status = ParseEtcdUrl(text).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << text;
    EXPECT_NE(status.message().find("write etcd://host:port"), absl::string_view::npos) << text;
  }
}

}  // namespace
}  // namespace apk
