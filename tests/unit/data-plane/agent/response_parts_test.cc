// One response of many messages.
#include "data-plane/agent/response_parts.h"

#include <gtest/gtest.h>

#include "common/compressed.h"

namespace apk {
namespace {

v1::SnapshotResources Named(const std::vector<std::string>& names) {
  v1::SnapshotResources resources;
  for (const std::string& name : names) resources.add_resources()->set_name(name);
  return resources;
}

TEST(ResponseParts, AreOneResponseInTheEnd) {
  ResponseParts parts;
  v1::DiscoveryResponse first;
  first.set_more_follows(true);
  first.set_resources_zlib(Compress(Named({"a", "b"}).SerializeAsString()));
  v1::DiscoveryResponse second;
  second.set_more_follows(true);
  *second.mutable_resources() = Named({"c"}).resources();
  v1::DiscoveryResponse last;
  last.set_nonce("7");
  last.set_full(true);
  last.set_resources_zlib(Compress(Named({"d"}).SerializeAsString()));
  EXPECT_FALSE(parts.Add(first)->has_value());
  EXPECT_FALSE(parts.Add(second)->has_value());
  const auto whole = parts.Add(last);
  ASSERT_TRUE(whole.ok() && whole->has_value());
  EXPECT_EQ((*whole)->nonce(), "7");
  EXPECT_TRUE((*whole)->full());
  EXPECT_TRUE((*whole)->resources_zlib().empty());
  ASSERT_EQ((*whole)->resources_size(), 4);
  EXPECT_EQ((*whole)->resources(0).name(), "a");
  EXPECT_EQ((*whole)->resources(3).name(), "d");
  // The next one has nothing of it.
  EXPECT_EQ((*parts.Add(v1::DiscoveryResponse()))->resources_size(), 0);
}

TEST(ResponseParts, WhatIsDamagedOrTooLargeIsNotTaken) {
  v1::DiscoveryResponse part;
  part.set_resources_zlib("x");
  EXPECT_TRUE(absl::IsDataLoss(ResponseParts().Add(part).status()));
  part.set_resources_zlib(Compress("x"));
  EXPECT_TRUE(absl::IsDataLoss(ResponseParts().Add(part).status()));
  part.set_resources_zlib(Compress(Named({std::string(10'000, 'a')}).SerializeAsString()));
  EXPECT_TRUE(ResponseParts(20'000).Add(part).ok());
  part.set_more_follows(true);
  ResponseParts parts(20'000);
  EXPECT_TRUE(parts.Add(part).ok());
  EXPECT_TRUE(absl::IsDataLoss(parts.Add(part).status()));
}

TEST(ResponseParts, ManyThatAreEmptyAreTooManyAsWell) {
  v1::DiscoveryResponse part;
  part.set_more_follows(true);
  ResponseParts parts(100'000);
  absl::Status status;
  int taken = 0;
  for (; status.ok() && taken < 10'000; ++taken) status = parts.Add(part).status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << taken;
  for (int i = 0; i < 1000; ++i) part.add_resources();
  EXPECT_TRUE(absl::IsDataLoss(ResponseParts(100'000).Add(part).status()));
  v1::SnapshotResources resources;
  resources.mutable_resources()->Swap(part.mutable_resources());
  part.set_resources_zlib(Compress(resources.SerializeAsString()));
  EXPECT_TRUE(absl::IsDataLoss(ResponseParts(100'000).Add(part).status()));
}

}  // namespace
}  // namespace apk
