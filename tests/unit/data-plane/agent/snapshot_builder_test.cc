// Whole snapshots and differences.
#include "data-plane/agent/snapshot_builder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/snapshot_version.h"

namespace apk {
namespace {

using Resources = std::vector<std::pair<std::string, std::string>>;

v1::DiscoveryResponse ResponseWith(const Resources& resources, const Resources& result) {
  v1::DiscoveryResponse response;
  for (const auto& [name, hash] : resources) {
    v1::SnapshotResource& resource = *response.add_resources();
    resource.set_name(name);
    resource.set_hash(hash);
  }
  SnapshotVersion version;
  for (const auto& [name, hash] : result) version.Add(name, hash);
  response.set_version(version.Finish());
  return response;
}

class SnapshotBuilderTest : public testing::Test {
 protected:
  SnapshotBuilderTest() {
    v1::DiscoveryResponse whole = ResponseWith(kHeld, kHeld);
    whole.set_full(true);
    builder_.Reset(builder_.Next(whole).value());
  }

  std::vector<std::string> Names(const absl::StatusOr<v1::Snapshot>& snapshot) {
    std::vector<std::string> names;
    for (const auto& resource : snapshot.value().resources()) {
      names.push_back(resource.name() + "=" + resource.hash());
    }
    return names;
  }

  const Resources kHeld = {{"a", "hash-a-1"}, {"b", "hash-b-1"}, {"c", "hash-c-1"}};
  SnapshotBuilder builder_;
};

TEST_F(SnapshotBuilderTest, TellsWhatItHolds) {
  EXPECT_THAT(builder_.Held().fingerprints(),
              testing::ElementsAre(FingerprintOf("hash-a-1"), FingerprintOf("hash-b-1"),
                                   FingerprintOf("hash-c-1")));
}

TEST_F(SnapshotBuilderTest, DropsByFingerprintBeforeItAdds) {
  v1::DiscoveryResponse response =
      ResponseWith({{"b", "hash-b-2"}}, {{"a", "hash-a-1"}, {"b", "hash-b-2"}});
  response.add_removed_held(FingerprintOf("hash-b-1"));
  response.add_removed_held(FingerprintOf("hash-c-1"));
  EXPECT_THAT(Names(builder_.Next(response)), testing::ElementsAre("a=hash-a-1", "b=hash-b-2"));
}

TEST_F(SnapshotBuilderTest, DropsByName) {
  v1::DiscoveryResponse response = ResponseWith({}, {{"a", "hash-a-1"}, {"c", "hash-c-1"}});
  response.add_removed("b");
  EXPECT_THAT(Names(builder_.Next(response)), testing::ElementsAre("a=hash-a-1", "c=hash-c-1"));
}

TEST_F(SnapshotBuilderTest, RefusesWhatIsNotTheVersionThatWasAnnounced) {
  const v1::DiscoveryResponse response = ResponseWith({{"b", "hash-b-2"}}, kHeld);
  EXPECT_TRUE(absl::IsDataLoss(builder_.Next(response).status()));
}

}  // namespace
}  // namespace apk
