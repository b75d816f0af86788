// Who is told what.
#include "control-plane/discovery/snapshot_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control-plane/rollout/agent_key.h"

namespace apk {
namespace {

// Listeners "eu" and "us", each with a certificate and a route to a backend of its own, and one for
// all; `certificate` is what Europe's says.
SlicesPtr Snapshot(const std::string& certificate, uint64_t revision = 1) {
  auto whole = std::make_shared<SharedSnapshot>();
  whole->revision = revision;
  const auto add = [&whole](const std::string& name) -> v1::SnapshotResource {
    v1::SnapshotResource resource;
    resource.set_name(name);
    return resource;
  };
  const auto seal = [&whole](v1::SnapshotResource resource) {
    whole->resources.push_back(Seal(std::move(resource)));
  };
  for (const char* const region : {"all", "eu", "us"}) {
    const std::string name(region);
    v1::SnapshotResource backend = add("backend/" + name);
    backend.mutable_backend()->set_base_path("/" + name);
    seal(std::move(backend));
  }
  for (const char* const region : {"all", "eu", "us"}) {
    const std::string name(region);
    v1::SnapshotResource pem = add("certificate/" + name);
    pem.mutable_certificate()->set_private_key_pem(name == "eu" ? certificate : name);
    seal(std::move(pem));
  }
  v1::SnapshotResource installation = add("installation");
  installation.mutable_installation()->set_mirror_loop_key("key");
  seal(std::move(installation));
  for (const char* const region : {"all", "eu", "us"}) {
    const std::string name(region);
    v1::SnapshotResource listener = add("listener/" + name);
    listener.mutable_listener()->set_gateway("default/" + name);
    listener.mutable_listener()->add_certificates("certificate/" + name);
    seal(std::move(listener));
  }
  for (const char* const region : {"all", "eu", "us"}) {
    const std::string name(region);
    v1::SnapshotResource route = add("route/" + name);
    route.mutable_route()->add_attachments()->set_listener("listener/" + name);
    route.mutable_route()->add_rules()->add_backends()->set_backend("backend/" + name);
    seal(std::move(route));
  }
  whole->version = VersionOf(whole->resources);
  for (const char* const region : {"eu", "us"}) {
    const std::string text = std::string("region=") + region;
    whole->scopes.push_back({.gateway = std::string("default/") + region,
                             .agents = {.text = text, .labels = *LabelSelector::Parse(text)}});
  }
  return std::make_shared<const SnapshotSlices>(whole);
}

std::vector<std::string> NamesIn(const SnapshotPtr& snapshot) {
  std::vector<std::string> names;
  for (const SharedResource& resource : snapshot->resources) names.push_back(resource->name());
  return names;
}

AgentScope In(const std::string& region) {
  return {.id = "agent-in-" + region, .labels = {{"region", region}}};
}

TEST(SnapshotCache, GivesAnAgentWhatItsGatewaysNeedAndNothingElse) {
  SnapshotCache cache;
  cache.Publish(Snapshot("secret"));
  EXPECT_THAT(
      NamesIn(cache.For(In("eu"))),
      testing::ElementsAre("backend/all", "backend/eu", "certificate/all", "certificate/eu",
                           "installation", "listener/all", "listener/eu", "route/all", "route/eu"));
  EXPECT_THAT(NamesIn(cache.For({.id = "agent", .labels = {}})),
              testing::ElementsAre("backend/all", "certificate/all", "installation", "listener/all",
                                   "route/all"));
  EXPECT_EQ(cache.For(In("eu"))->version, VersionOf(cache.For(In("eu"))->resources));
}

TEST(SnapshotCache, AgentsThatTheSameGatewaysSelectShareOneObject) {
  SnapshotCache cache;
  cache.Publish(Snapshot("secret"));
  AgentScope other = In("eu");
  other.id = "another";
  other.labels["tier"] = "edge";
  EXPECT_EQ(cache.For(In("eu")).get(), cache.For(other).get());
  EXPECT_NE(cache.For(In("eu")).get(), cache.For(In("us")).get());
}

TEST(SnapshotCache, APartStaysWhereOnlyOthersChange) {
  SnapshotCache cache;
  cache.Publish(Snapshot("secret"));
  const SnapshotPtr before = cache.For(In("us"));
  cache.Publish(Snapshot("changed", 2));  // Europe's certificate is.
  EXPECT_EQ(cache.For(In("us"))->version, before->version);
  EXPECT_EQ(cache.For(In("us"))->revision, 2u);
}

TEST(SnapshotCache, TellsWhenSomeAgentMayGetSomethingElse) {
  SnapshotCache cache;
  int changes = 0;
  cache.OnChange([&changes] { ++changes; });
  cache.Publish(Snapshot("secret"));
  cache.Publish(Snapshot("secret", 2));
  EXPECT_EQ(changes, 1);
  cache.Publish(Snapshot("changed", 3));
  EXPECT_EQ(changes, 2);
  // Only the selection is another.
  auto whole = std::make_shared<SharedSnapshot>(*cache.Newest());
  whole->scopes.clear();
  cache.Publish(std::make_shared<const SnapshotSlices>(whole));
  EXPECT_EQ(changes, 3);
  EXPECT_EQ(cache.For(In("us")).get(), whole.get());
  cache.OnChange(nullptr);
  cache.Publish(Snapshot("secret", 4));
  EXPECT_EQ(changes, 3);
}

TEST(SnapshotSlices, KeepWhatWasMadeUnderAnotherRevision) {
  const SlicesPtr slices = Snapshot("secret", 1);
  const SnapshotPtr before = slices->For(In("eu").labels);
  const SlicesPtr later = slices->At(7);
  const SnapshotPtr after = later->For(In("eu").labels);
  EXPECT_EQ(after->version, before->version);
  EXPECT_EQ(after->revision, 7u);
  EXPECT_EQ(before->revision, 1u);
  EXPECT_EQ(later->whole()->revision, 7u);
  EXPECT_TRUE(later->SameAs(*slices));
}

const Labels kEurope = {{"region", "eu"}};

class HeldBackTest : public testing::Test {
 protected:
  HeldBackTest() {
    cache_.Publish(Snapshot("1", 3));
    first_ = VersionFor("a");
    cache_.OnChange([this] { ++changes_; });
    cache_.OnPublish([this] { ++published_; });
  }
  std::string VersionFor(const std::string& id) const {
    return cache_.For({.id = id, .labels = kEurope})->version;
  }

  SnapshotCache cache_;
  int changes_ = 0;
  int published_ = 0;
  std::string first_;
};

TEST_F(HeldBackTest, WhatIsPublishedGetsToNobodyWhileItIsHeld) {
  cache_.Hold();
  cache_.Publish(Snapshot("2", 2));
  EXPECT_EQ(changes_, 0);
  EXPECT_EQ(published_, 1);
  EXPECT_EQ(VersionFor("a"), first_);
  EXPECT_NE(cache_.NewestFor({.id = "a", .labels = kEurope})->version, first_);
  cache_.Hold();  // Still the first.
  EXPECT_EQ(VersionFor("a"), first_);
  EXPECT_EQ(cache_.Held()->For(kEurope)->version, first_);
  cache_.Release();
  EXPECT_EQ(changes_, 1);
  cache_.Release();
  EXPECT_EQ(changes_, 1);
  EXPECT_NE(VersionFor("a"), first_);
}

TEST_F(HeldBackTest, MembersGetTheCandidate) {
  const SlicesPtr promoted = cache_.NewestSlices();
  cache_.Publish(Snapshot("2", 2));
  const SlicesPtr candidate = cache_.NewestSlices();
  cache_.Publish(Snapshot("3", 3));
  cache_.SetTargets({.promoted = promoted,
                     .candidate = candidate,
                     .members = std::make_shared<const absl::flat_hash_set<uint64_t>>(
                         absl::flat_hash_set<uint64_t>{AgentKey("a")}),
                     .withdrawn_revision = 7});
  EXPECT_EQ(VersionFor("a"), candidate->For(kEurope)->version);
  EXPECT_EQ(VersionFor("b"), first_);
  EXPECT_EQ(cache_.NewestFor({.id = "a", .labels = kEurope}), cache_.NewestSlices()->For(kEurope));
  EXPECT_EQ(cache_.withdrawn().last, 7u);
  EXPECT_EQ(changes_, 3);
  cache_.SetTargets({.promoted = nullptr, .candidate = nullptr, .members = nullptr});
  EXPECT_EQ(VersionFor("a"), "");  // It keeps what it has.
}

TEST_F(HeldBackTest, KnowsWhatTheLastRevisionsWere) {
  cache_.Publish(Snapshot("1", 4));
  cache_.Publish(Snapshot("2", 5));
  cache_.Publish(Snapshot("2", 6));
  EXPECT_EQ(cache_.FirstRevision(), 5u);
  EXPECT_EQ(cache_.Find(3)->For(kEurope)->version, first_);
  EXPECT_EQ(cache_.Find(4)->For(kEurope)->version, first_);
  EXPECT_EQ(cache_.Find(6)->whole()->version, cache_.Newest()->version);
  EXPECT_EQ(cache_.Find(7), nullptr);
  EXPECT_EQ(cache_.Find(0), nullptr);
  cache_.Publish(Snapshot("3", 9));
  EXPECT_EQ(cache_.Find(8), nullptr);  // It may be the one or the other.
}

}  // namespace
}  // namespace apk
