// Two configurations on one log: what one commits, the other takes in, and a lost race is run
// again.
#include <gtest/gtest.h>

#include "apk/v1/core.pb.h"
#include "apk/v1/gateway.pb.h"
#include "control-plane/admin/admission.h"
#include "control-plane/admin/configuration.h"

namespace apk {
namespace {

// In memory; `revisions_kept` of it.
class SharedLog {
 public:
  std::vector<CommittedChangeSet> change_sets;
  size_t revisions_kept = 1000;
  bool answers = true;
  std::function<void()> before_append;  // Somebody is faster.
};

class MemoryLog final : public Log {
 public:
  explicit MemoryLog(SharedLog& shared) : shared_(shared) {}

  absl::StatusOr<StoredState> Load() override {
    StoredState state;
    state.revision = shared_.change_sets.size();
    for (const CommittedChangeSet& committed : shared_.change_sets) {
      for (const Operation& operation : committed.change_set.operations) {
        if (operation.object == nullptr) {
          state.resources.Remove(operation.key);
        } else {
          state.resources.Put(operation.object);
        }
      }
    }
    return state;
  }
  absl::Status Append(uint64_t expected_head, const ChangeSet& change_set) override {
    if (shared_.before_append) shared_.before_append();
    if (!shared_.answers) return absl::UnavailableError("no quorum");
    if (expected_head != shared_.change_sets.size()) return absl::AbortedError("moved");
    shared_.change_sets.push_back({expected_head + 1, change_set});
    return absl::OkStatus();
  }
  absl::StatusOr<std::vector<CommittedChangeSet>> After(uint64_t revision) override {
    if (!shared_.answers) return absl::UnavailableError("no quorum");
    const size_t head = shared_.change_sets.size();
    if (head - revision > shared_.revisions_kept) return absl::OutOfRangeError("trimmed");
    return std::vector<CommittedChangeSet>(
        shared_.change_sets.begin() + static_cast<std::ptrdiff_t>(revision),
        shared_.change_sets.end());
  }
  absl::StatusOr<uint64_t> NewestRevision() override {
    if (!shared_.answers) return absl::UnavailableError("no quorum");
    return shared_.change_sets.size();
  }
  absl::StatusOr<std::vector<ChangeRecord>> History(size_t, bool) override {
    return absl::UnimplementedError("");
  }
  absl::StatusOr<ResourceSet> StateAt(uint64_t) override { return absl::UnimplementedError(""); }

 private:
  SharedLog& shared_;
};

// A control plane, as far as it matters here.
struct Replica {
  explicit Replica(SharedLog& shared, bool writes_statuses)
      : log(shared), configuration(log, snapshots, agents, feed) {
    configuration.WriteStatuses(writes_statuses);
    EXPECT_TRUE(configuration.Load().ok());
  }

  absl::StatusOr<v1::ApplyResponse> Apply(const google::protobuf::Message& object,
                                          bool create_only = false) {
    v1::ApplyRequest request;
    request.set_create_only(create_only);
    request.add_objects()->PackFrom(object);
    return configuration.Apply(request, "test");
  }
  bool Has(const std::string& name) const {
    return configuration.Current().resources->Find({"", "Namespace", "", name}) != nullptr;
  }

  MemoryLog log;
  SnapshotCache snapshots;
  AgentRegistry agents;
  ChangeFeed feed;
  Configuration configuration;
};

v1::Namespace MakeNamespace(const std::string& name) {
  v1::Namespace object;
  object.set_api_version("v1");
  object.set_kind("Namespace");
  object.mutable_metadata()->set_name(name);
  return object;
}

v1::Gateway MakeGateway(const std::string& name, int port) {
  v1::Gateway gateway;
  gateway.set_api_version("gateway.networking.k8s.io/v1");
  gateway.set_kind("Gateway");
  gateway.mutable_metadata()->set_name(name);
  gateway.mutable_spec()->set_gateway_class_name("apk");
  v1::GatewayListener* const listener = gateway.mutable_spec()->add_listeners();
  listener->set_name("http");
  listener->set_port(static_cast<uint32_t>(port));
  listener->set_protocol("HTTP");
  return gateway;
}

v1::GatewayClass MakeClass() {
  v1::GatewayClass object;
  object.set_api_version("gateway.networking.k8s.io/v1");
  object.set_kind("GatewayClass");
  object.mutable_metadata()->set_name("apk");
  object.mutable_spec()->set_controller_name("apk.dev/gateway-controller");
  return object;
}

TEST(SharedLog, WhatOneCommitsTheOtherTakesInAsTheSameSnapshot) {
  SharedLog shared;
  Replica a(shared, true);
  Replica b(shared, false);
  ASSERT_TRUE(a.Apply(MakeNamespace("default")).ok());
  ASSERT_TRUE(a.Apply(MakeClass()).ok());
  ASSERT_TRUE(a.Apply(MakeGateway("g", 8080)).ok());
  const uint64_t before = b.configuration.Current().revision;
  ASSERT_TRUE(b.configuration.CatchUp().ok());
  EXPECT_EQ(b.configuration.Current().revision, a.configuration.Current().revision);
  EXPECT_FALSE(b.snapshots.Newest()->version.empty());
  EXPECT_EQ(b.snapshots.Newest()->version, a.snapshots.Newest()->version);
  EXPECT_EQ(b.snapshots.Newest()->revision, a.snapshots.Newest()->revision);
  // Who watches there sees each revision.
  const auto changes = b.feed.After(before, std::chrono::milliseconds(0));
  ASSERT_TRUE(changes.has_value());
  EXPECT_EQ(changes->front().revision, 1u);
  EXPECT_EQ(changes->back().revision, b.configuration.Current().revision);
}

TEST(SharedLog, ALostRaceIsRunAgainAgainstWhatTheWinnerWrote) {
  SharedLog shared;
  Replica a(shared, true);
  Replica b(shared, false);
  int faster = 0;
  shared.before_append = [&] {
    if (faster++ != 0) return;
    EXPECT_TRUE(a.Apply(MakeNamespace("of-a")).ok());
  };
  ASSERT_TRUE(b.Apply(MakeNamespace("of-b")).ok());
  EXPECT_TRUE(b.Has("of-a"));
  EXPECT_TRUE(b.Has("of-b"));
  EXPECT_EQ(b.configuration.Current().revision, 2u);
  // Validated again, too: the winner made the very object.
  faster = 0;
  shared.before_append = [&] {
    if (faster++ != 0) return;
    EXPECT_TRUE(b.Apply(MakeNamespace("same")).ok());
  };
  const auto refused = a.Apply(MakeNamespace("same"), true);
  ASSERT_TRUE(refused.ok());
  ASSERT_EQ(refused->violations_size(), 1);
  EXPECT_EQ(refused->violations(0).reason(), v1::Violation::ALREADY_EXISTS);
}

TEST(SharedLog, WhoLosesAgainAndAgainIsToldSoAndChangesNothing) {
  SharedLog shared;
  Replica a(shared, true);
  Replica b(shared, false);
  bool nested = false;
  int number = 0;
  shared.before_append = [&] {
    if (nested) return;
    nested = true;
    EXPECT_TRUE(a.configuration.CatchUp().ok());
    EXPECT_TRUE(a.Apply(MakeNamespace("of-a-" + std::to_string(number++))).ok());
    nested = false;
  };
  const auto lost = b.Apply(MakeNamespace("of-b"));
  EXPECT_TRUE(absl::IsAborted(lost.status()));
  EXPECT_NE(lost.status().message().find("5 times in a row"), absl::string_view::npos);
  EXPECT_EQ(number, 5);
  EXPECT_FALSE(b.Has("of-b"));
  EXPECT_TRUE(b.Has("of-a-4"));
}

TEST(SharedLog, OnlyOneWritesWhatFollowsFromAgents) {
  SharedLog shared;
  Replica a(shared, false);
  Replica b(shared, false);
  ASSERT_TRUE(a.Apply(MakeNamespace("default")).ok());
  ASSERT_TRUE(a.Apply(MakeClass()).ok());
  ASSERT_TRUE(a.Apply(MakeGateway("g", 8080)).ok());
  ASSERT_TRUE(b.configuration.CatchUp().ok());
  const size_t before = shared.change_sets.size();
  v1::AgentStatus status;
  status.set_id("elsewhere");
  status.set_connected(true);
  status.set_snapshot_version(a.snapshots.Newest()->version);
  a.agents.SetElsewhere({status});
  b.agents.SetElsewhere({status});
  EXPECT_EQ(shared.change_sets.size(), before);
  b.configuration.WriteStatuses(true);
  for (int i = 0; i < 1000 && b.configuration.Current().revision == before; ++i) {
    b.feed.After(before, std::chrono::milliseconds(10)).has_value();
  }
  ASSERT_EQ(b.configuration.Current().revision, before + 1);
  EXPECT_TRUE(shared.change_sets.back().change_set.status_only);
  ASSERT_TRUE(a.configuration.CatchUp().ok());
  EXPECT_EQ(a.configuration.Current().revision, before + 1);
}

v1::ConfigMap MakeMap(const std::string& value) {
  v1::ConfigMap map;
  map.set_api_version("v1");
  map.set_kind("ConfigMap");
  map.mutable_metadata()->set_name("map");
  (*map.mutable_data())["value"] = value;
  return map;
}

std::string ValueAt(const Replica& replica) {
  const auto* const map =
      replica.configuration.Current().resources->Find<v1::ConfigMap>("default", "map");
  return map == nullptr ? "none" : map->data().at("value");
}

// What is the same as before only where nobody told that it has changed meanwhile is no
// "unchanged".
TEST(SharedLog, WhoIsBehindDoesNotTakeAnApplyForNoChange) {
  SharedLog shared;
  Replica a(shared, true);
  ASSERT_TRUE(a.Apply(MakeNamespace("default")).ok());
  ASSERT_TRUE(a.Apply(MakeMap("old")).ok());
  Replica b(shared, false);
  ASSERT_TRUE(a.Apply(MakeMap("new")).ok());
  const auto back = b.Apply(MakeMap("old"));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->results(0).action(), v1::ObjectResult::CONFIGURED);
  ASSERT_TRUE(a.configuration.CatchUp().ok());
  EXPECT_EQ(ValueAt(a), "old");
}

TEST(SharedLog, WhoIsBehindRefusesNothingForWhatWasBefore) {
  SharedLog shared;
  Replica a(shared, true);
  ASSERT_TRUE(a.Apply(MakeNamespace("default")).ok());
  ASSERT_TRUE(a.Apply(MakeMap("old")).ok());
  Replica b(shared, false);
  const auto written = a.Apply(MakeMap("new"));
  ASSERT_TRUE(written.ok());
  v1::ConfigMap next = MakeMap("next");
  next.mutable_metadata()->set_resource_version(std::to_string(written->revision()));
  const auto replaced = b.Apply(next);
  ASSERT_TRUE(replaced.ok());
  EXPECT_EQ(replaced->violations_size(), 0) << replaced->ShortDebugString();

  // Made and removed elsewhere.
  Replica c(shared, false);
  ASSERT_TRUE(a.Apply(MakeNamespace("made")).ok());
  v1::DeleteRequest request;
  request.add_keys()->set_kind("Namespace");
  request.mutable_keys(0)->set_name("made");
  EXPECT_TRUE(c.configuration.Delete(request, "test").ok());
  EXPECT_TRUE(absl::IsNotFound(a.configuration.Delete(request, "test").status()));
  const auto made = c.Apply(MakeNamespace("made"), true);
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(made->violations_size(), 0);
}

TEST(SharedLog, TheNewestHasWhatAnotherAcknowledged) {
  SharedLog shared;
  Replica a(shared, true);
  ASSERT_TRUE(a.Apply(MakeNamespace("default")).ok());
  Replica b(shared, false);
  ASSERT_TRUE(a.Apply(MakeMap("new")).ok());
  EXPECT_EQ(ValueAt(b), "none");
  const Configuration::View newest = b.configuration.Newest();
  EXPECT_FALSE(newest.maybe_stale);
  EXPECT_EQ(newest.revision, 2u);
  EXPECT_EQ(ValueAt(b), "new");
  shared.answers = false;
  EXPECT_TRUE(b.configuration.Newest().maybe_stale);
  EXPECT_EQ(b.configuration.Newest().revision, 2u);
}

TEST(SharedLog, WithoutTheStoreNothingIsSaidToBeSoButADryRun) {
  SharedLog shared;
  Replica a(shared, true);
  ASSERT_TRUE(a.Apply(MakeNamespace("default")).ok());
  shared.answers = false;
  EXPECT_TRUE(absl::IsUnavailable(a.Apply(MakeNamespace("default")).status()));
  v1::DeleteRequest request;
  request.add_keys()->set_kind("Namespace");
  request.mutable_keys(0)->set_name("missing");
  EXPECT_TRUE(absl::IsUnavailable(a.configuration.Delete(request, "test").status()));
  v1::ApplyRequest dry_run;
  dry_run.set_dry_run(true);
  dry_run.add_objects()->PackFrom(MakeNamespace("other"));
  EXPECT_TRUE(a.configuration.Apply(dry_run, "test").ok());
}

TEST(SharedLog, WithoutTheStoreWritesAreUnavailableAndReadsGoOn) {
  SharedLog shared;
  Replica a(shared, true);
  ASSERT_TRUE(a.Apply(MakeNamespace("before")).ok());
  shared.answers = false;
  EXPECT_TRUE(absl::IsUnavailable(a.Apply(MakeNamespace("meanwhile")).status()));
  EXPECT_TRUE(absl::IsUnavailable(a.configuration.CatchUp()));
  EXPECT_TRUE(a.Has("before"));
  shared.answers = true;
  EXPECT_TRUE(a.Apply(MakeNamespace("after")).ok());
  EXPECT_FALSE(a.Has("meanwhile"));
}

TEST(SharedLog, WhoIsTooFarBehindTakesThePresentStateWhole) {
  SharedLog shared;
  Replica a(shared, true);
  Replica b(shared, false);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(a.Apply(MakeNamespace(std::to_string(i))).ok());
  shared.revisions_kept = 2;
  ASSERT_TRUE(b.configuration.CatchUp().ok());
  EXPECT_EQ(b.configuration.Current().revision, 5u);
  EXPECT_TRUE(b.Has("0"));
  const auto changes = b.feed.After(0, std::chrono::milliseconds(0));
  ASSERT_TRUE(changes.has_value());
  EXPECT_EQ(changes->size(), 5u);
}

}  // namespace
}  // namespace apk
