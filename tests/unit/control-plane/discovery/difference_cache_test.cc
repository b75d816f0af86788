// Made once, and forgotten when there is too much.
#include "control-plane/discovery/difference_cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "apk/v1/discovery.pb.h"
#include "common/compressed.h"

namespace apk {
namespace {

EncodedDifferencePtr OfSize(size_t size) {
  auto encoded = std::make_shared<EncodedDifference>();
  encoded->parts.push_back(std::make_shared<const std::string>(size, 'x'));
  return encoded;
}

TEST(DifferenceCache, WhoeverAsksGetsWhatWasMadeOnce) {
  DifferenceCache cache;
  std::atomic<int> made = 0;
  std::vector<EncodedDifferencePtr> got(8);
  std::vector<std::thread> threads;
  for (EncodedDifferencePtr& place : got) {
    threads.emplace_back([&] {
      place = cache.Get("key", [&] {
        ++made;
        return OfSize(10);
      });
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(made, 1);
  for (const EncodedDifferencePtr& encoded : got) EXPECT_EQ(encoded, got[0]);
}

TEST(DifferenceCache, ForgetsWhatWasUsedLeastLately) {
  DifferenceCache cache(3000);
  int made = 0;
  const auto get = [&](const std::string& key) {
    return cache.Get(key, [&] {
      ++made;
      return OfSize(1000);
    });
  };
  const EncodedDifferencePtr kept = get("a");
  get("b");
  get("a");
  get("c");  // "b" goes.
  EXPECT_EQ(made, 3);
  EXPECT_EQ(get("a"), kept);
  EXPECT_EQ(made, 3);
  get("b");
  EXPECT_EQ(made, 4);
}

SnapshotPtr SnapshotOf(int routes, const std::string& tail = "") {
  auto snapshot = std::make_shared<SharedSnapshot>();
  for (int number = 0; number < routes; ++number) {
    v1::SnapshotResource resource;
    resource.set_name("route/" + std::to_string(100'000 + number));
    resource.mutable_route()->set_name("the same in each of them, which makes it smaller " + tail);
    snapshot->resources.push_back(Seal(std::move(resource)));
  }
  snapshot->version = VersionOf(snapshot->resources);
  return snapshot;
}

v1::DiscoveryResponse Read(const std::string& part) {
  v1::DiscoveryResponse response;
  EXPECT_TRUE(response.ParseFromString(part));
  if (response.resources_zlib().empty()) return response;
  v1::SnapshotResources resources;
  const auto bytes = Decompress(response.resources_zlib(), 1 << 20);
  EXPECT_TRUE(bytes.has_value() && resources.ParseFromString(*bytes));
  response.clear_resources_zlib();
  response.mutable_resources()->MergeFrom(resources.resources());
  return response;
}

TEST(EncodedDifference, ALargeOneHasPartsThatAreCompressed) {
  const SnapshotPtr snapshot = SnapshotOf(10'000);
  const EncodedDifferencePtr encoded = Encode(DifferenceBetween(nullptr, *snapshot), true);
  ASSERT_GT(encoded->parts.size(), 1u);
  EXPECT_LT(encoded->size(), snapshot->ToProto().ByteSizeLong() / 2);
  std::vector<std::string> names;
  for (const auto& part : encoded->parts) {
    const v1::DiscoveryResponse response = Read(*part);
    EXPECT_EQ(response.more_follows(), part != encoded->parts.back());
    for (const auto& resource : response.resources()) names.push_back(resource.name());
  }
  ASSERT_EQ(names.size(), snapshot->resources.size());
  for (size_t i = 0; i < names.size(); ++i) EXPECT_EQ(names[i], snapshot->resources[i]->name());
}

TEST(EncodedDifference, WhoCanTakeNoPartsGetsAPlainOne) {
  const SnapshotPtr snapshot = SnapshotOf(10'000);
  const EncodedDifferencePtr encoded = Encode(DifferenceBetween(nullptr, *snapshot), false);
  ASSERT_EQ(encoded->parts.size(), 1u);
  v1::DiscoveryResponse response;
  ASSERT_TRUE(response.ParseFromString(*encoded->parts[0]));
  EXPECT_EQ(response.resources_size(), 10'000);
}

TEST(EncodedDifference, ASmallOneIsAsItIs) {
  const SnapshotPtr before = SnapshotOf(3);
  auto after = std::make_shared<SharedSnapshot>(*before);
  after->resources[1] = SnapshotOf(2, "but one")->resources[1];
  after->resources.pop_back();
  const EncodedDifferencePtr encoded = Encode(DifferenceBetween(before.get(), *after), true);
  ASSERT_EQ(encoded->parts.size(), 1u);
  v1::DiscoveryResponse response;
  ASSERT_TRUE(response.ParseFromString(*encoded->parts[0]));
  ASSERT_EQ(response.resources_size(), 1);
  EXPECT_EQ(response.resources(0).SerializeAsString(), after->resources[1]->SerializeAsString());
  ASSERT_EQ(response.removed_size(), 1);
  EXPECT_EQ(response.removed(0), "route/100002");
}

}  // namespace
}  // namespace apk
