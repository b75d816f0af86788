// What agents refuse is kept from them, and nothing else is.
#include "control-plane/rollout/quarantine_control.h"

#include "tests/unit/control-plane/rollout/rollout_control_fixture.h"

namespace apk {
namespace {

constexpr uint32_t kBadPort = 6666;

class QuarantineTest : public RolloutControlTest {
 protected:
  // Whoever is among `ids`, everybody where that is empty, refuses a listener at that port.
  void RefuseBadPort(bool named, std::set<std::string> ids = {}) {
    refuses_ = [named, ids](const std::string& id, const SharedSnapshot& snapshot) {
      v1::DiscoveryRequest answer;
      if (!ids.empty() && !ids.contains(id)) return answer;
      for (const SharedResource& resource : snapshot.resources) {
        if (resource->listener().port() != kBadPort) continue;
        answer.set_error("can't be");
        if (!named) continue;
        v1::ResourceError& error = *answer.add_resource_errors();
        error.set_name(resource->name());
        error.set_message("can't be");
      }
      return answer;
    };
  }
  static bool Has(const SharedSnapshot& snapshot, const std::string& gateway, uint32_t port) {
    const SharedResource* const listener = snapshot.Find("listener/default/" + gateway + "/http");
    return listener != nullptr && (*listener)->listener().port() == port;
  }
  bool Serves(const std::string& id, const std::string& gateway, uint32_t port) const {
    const SnapshotPtr target = plane_->snapshots.For({.id = id, .labels = LabelsOf(id)});
    return target->version == runs_.at(id) && Has(*target, gateway, port);
  }
  bool AllServe(const std::string& gateway, uint32_t port) {
    return Eventually([&] {
      Obey();
      return Serves("canary", gateway, port) && Serves("b", gateway, port) &&
             Serves("c", gateway, port);
    });
  }
  std::vector<v1::HeldObject> Held() {
    const v1::RolloutStatus status = plane_->control.Status();
    return {status.held().begin(), status.held().end()};
  }
  // Of two Gateways the good one is served by all, the bad one by nobody.
  void HaveBadHeld() {
    SetPolicy("tier=canary", "", "Hold");
    RefuseBadPort(true);
    ApplyAll({MakeGateway("bad", kBadPort), MakeGateway("good", 8081)});
    ASSERT_TRUE(AllServe("good", 8081));
    ASSERT_TRUE(IsHeld("bad"));
  }

  bool IsHeld(const std::string& name) {
    return Eventually([&] {
      Obey();
      return Held().size() == 1 && Held()[0].name() == name;
    });
  }
  bool NothingIsHeld() {
    return Eventually([&] {
      Obey();
      return Held().empty();
    });
  }
  // The versions that have the bad listener, and who was ever given one.
  std::set<std::string> GivenTheBad() {
    std::set<std::string> ids;
    for (const auto& [id, version] : refused_) {
      ids.insert(given_[version].begin(), given_[version].end());
    }
    return ids;
  }
  v1::Condition Programmed(const std::string& gateway) {
    const auto resources = plane_->configuration.Current().resources;
    for (const v1::Condition& found :
         resources->Find<v1::Gateway>("default", gateway)->status().conditions()) {
      if (found.type() == "Programmed") return found;
    }
    return {};
  }
  void ApplyAll(const std::vector<v1::Gateway>& gateways) {
    v1::ApplyRequest request;
    for (const v1::Gateway& gateway : gateways) request.add_objects()->PackFrom(gateway);
    ASSERT_TRUE(plane_->configuration.Apply(request, kAuthor).ok());
  }
};

TEST_F(QuarantineTest, WhatIsRefusedIsHeldBackAndWhatElseWasChangedGoesOn) {
  ASSERT_NO_FATAL_FAILURE(HaveBadHeld());
  EXPECT_EQ(GivenTheBad(), std::set<std::string>{"canary"});
  EXPECT_FALSE(Has(*plane_->snapshots.Newest(), "bad", kBadPort));
  EXPECT_TRUE(Held()[0].absent());
  EXPECT_EQ(Held()[0].agent(), "canary");
  EXPECT_EQ(Held()[0].message(), "can't be");
  // Later changes go on, too.
  Apply(MakeGateway("later", 8082));
  ASSERT_TRUE(AllServe("later", 8082));
  EXPECT_EQ(GivenTheBad(), std::set<std::string>{"canary"});
  ASSERT_TRUE(Eventually([&] { return Programmed("bad").reason() == "RefusedByAgent"; }));
  EXPECT_EQ(Programmed("bad").status(), "False");
  EXPECT_NE(Programmed("bad").message().find("agent canary: can't be; agents go on without it"),
            std::string::npos);
  EXPECT_TRUE(Eventually([&] {
    Obey();
    return Programmed("later").status() == "True";
  }));
  // What users wrote stays as they wrote it.
  const auto resources = plane_->configuration.Current().resources;
  EXPECT_EQ(resources->Find<v1::Gateway>("default", "bad")->spec().listeners(0).port(),
            static_cast<int>(kBadPort));
}

TEST_F(QuarantineTest, AnObjectGoesOnAsItWasAcceptedUntilItIsMended) {
  SetPolicy("tier=canary", "", "Hold");
  RefuseBadPort(true);
  Apply(MakeGateway("first", kBadPort));
  ASSERT_TRUE(IsHeld("first"));
  EXPECT_FALSE(Held()[0].absent());
  Apply(MakeGateway("other", 8081));
  ASSERT_TRUE(AllServe("other", 8081));
  EXPECT_TRUE(AllServe("first", 8080));
  Apply(MakeGateway("first", 9090));
  ASSERT_TRUE(AllServe("first", 9090));
  EXPECT_TRUE(Held().empty());
  EXPECT_TRUE(Eventually([&] {
    Obey();
    return Programmed("first").status() == "True";
  }));
  // The version that was refused is known again.
  Apply(MakeGateway("first", kBadPort));
  ASSERT_TRUE(IsHeld("first"));
  Obey();
  EXPECT_TRUE(AllServe("first", 8080));
  EXPECT_EQ(GivenTheBad(), std::set<std::string>{"canary"});
}

TEST_F(QuarantineTest, AStartKnowsWhatIsHeldBack) {
  ASSERT_NO_FATAL_FAILURE(HaveBadHeld());
  const std::string version = plane_->snapshots.Newest()->version;
  Restart();
  EXPECT_EQ(plane_->snapshots.Newest()->version, version);
  EXPECT_EQ(TargetOf("b"), version);
  EXPECT_EQ(TargetOf("canary"), version);
  EXPECT_EQ(Held().size(), 1u);
}

TEST_F(QuarantineTest, ItIsTriedAgainWhenSomebodySaysSo) {
  ASSERT_NO_FATAL_FAILURE(HaveBadHeld());
  ASSERT_TRUE(Reaches("Promoted"));
  refuses_ = nullptr;
  refused_.clear();
  v1::SteerRolloutRequest retry;
  retry.set_action(v1::SteerRolloutRequest::RETRY);
  ASSERT_TRUE(plane_->control.Steer(retry, kAuthor).ok());
  ASSERT_TRUE(AllServe("bad", kBadPort));
  EXPECT_TRUE(Held().empty());
  EXPECT_TRUE(Eventually([&] { return plane_->book.Now()->held.objects().empty(); }));
}

TEST_F(QuarantineTest, WhatAnAgentCanNotNameIsFoundByTrying) {
  SetPolicy("tier=canary", "", "Hold");
  RefuseBadPort(false);
  std::vector<v1::Gateway> gateways;
  for (uint32_t i = 0; i < 7; ++i) {
    gateways.push_back(MakeGateway("many-" + std::to_string(i), 9000 + i));
  }
  gateways.push_back(MakeGateway("many-bad", kBadPort));
  gateways.push_back(MakeGateway("many-bad-too", kBadPort));
  ApplyAll(gateways);
  for (uint32_t i = 0; i < 7; ++i) {
    ASSERT_TRUE(AllServe("many-" + std::to_string(i), 9000 + i));
  }
  EXPECT_EQ(Held().size(), 2u);
  EXPECT_EQ(GivenTheBad(), std::set<std::string>{"canary"});
  EXPECT_FALSE(plane_->book.Now()->held.has_bisection());
}

TEST_F(QuarantineTest, WithoutAPolicyNothingIsHeldBack) {
  RefuseBadPort(true);
  ApplyAll({MakeGateway("bad", kBadPort), MakeGateway("good", 8081)});
  Obey();
  EXPECT_EQ(GivenTheBad(), (std::set<std::string>{"b", "c", "canary"}));
  Apply(MakeGateway("bad", 8085));
  ASSERT_TRUE(AllServe("bad", 8085));
  EXPECT_EQ(plane_->book.Now()->held.last_id(), 0u);
}

TEST_F(QuarantineTest, UnlessThePolicySaysOtherwiseTheWholeChangeGoesBack) {
  SetPolicy("tier=canary", "");
  RefuseBadPort(true);
  const std::string before = TargetOf("b");
  ApplyAll({MakeGateway("bad", kBadPort), MakeGateway("good", 8081)});
  ASSERT_TRUE(Reaches("Failed"));
  EXPECT_TRUE(Eventually([&] { return TargetOf("canary") == before; }));
  EXPECT_EQ(TargetOf("b"), before);
  EXPECT_EQ(plane_->book.Now()->held.last_id(), 0u);
  EXPECT_EQ(plane_->control.Status().rollout().number(), 1u);
}

TEST_F(QuarantineTest, ASearchThatFindsTooManyEndsWhereItBegan) {
  SetPolicy("tier=canary", "", "Hold");
  const std::string before = runs_.at("canary");
  RefuseBadPort(false);
  std::vector<v1::Gateway> gateways;
  for (int i = 0; i < 9; ++i) {
    gateways.push_back(MakeGateway("fine-" + std::to_string(i), static_cast<uint32_t>(9000 + i)));
    gateways.push_back(MakeGateway("wrong-" + std::to_string(i), kBadPort));
  }
  ApplyAll(gateways);
  bool searched = false;
  ASSERT_TRUE(Eventually([&] {
    Obey();
    searched = searched || plane_->book.Now()->held.has_bisection();
    return searched && !plane_->book.Now()->held.has_bisection();
  }));
  // It has gone back by then.
  EXPECT_EQ(runs_.at("canary"), before);
  EXPECT_TRUE(Held().empty());
  const v1::RolloutStatus status = plane_->control.Status();
  EXPECT_EQ(status.rollout().state(), "Failed");
  EXPECT_EQ(status.rollout().number(), 1u);
  EXPECT_FALSE(status.goes_on());
  EXPECT_EQ(TargetOf("b"), before);
  EXPECT_EQ(TargetOf("canary"), before);
}

TEST_F(QuarantineTest, WhatIsSaidOfAnotherObjectIsNotSaidOfThisOne) {
  SetPolicy("tier=canary", "", "Hold");
  RefuseBadPort(false);
  ApplyAll({MakeGateway("bad", kBadPort), MakeGateway("good", 8081)});
  ASSERT_TRUE(IsHeld("bad"));
  EXPECT_EQ(Held()[0].message().find("can't be"), std::string::npos);
}

TEST_F(QuarantineTest, RemovingThePolicyEndsItAllAndNeedsForce) {
  ASSERT_NO_FATAL_FAILURE(HaveBadHeld());
  ASSERT_TRUE(Reaches("Promoted"));
  v1::SetRolloutPolicyRequest none;
  EXPECT_TRUE(absl::IsFailedPrecondition(plane_->control.SetPolicy(none, kAuthor).status()));
  none.set_force(true);
  ASSERT_TRUE(plane_->control.SetPolicy(none, kAuthor).ok());
  EXPECT_TRUE(Eventually([&] { return Has(*plane_->snapshots.Newest(), "bad", kBadPort); }));
  EXPECT_TRUE(Held().empty());
}

TEST_F(QuarantineTest, OneOddAgentHoldsNothingBack) {
  SetPolicy("tier!=none", "", "Hold");
  RefuseBadPort(true, {"b"});
  Apply(MakeGateway("bad", kBadPort));
  ASSERT_TRUE(Eventually([&] {
    Obey();
    return Serves("canary", "bad", kBadPort) && Serves("c", "bad", kBadPort);
  }));
  ASSERT_TRUE(Reaches("Promoted"));
  EXPECT_TRUE(Held().empty());
}

TEST_F(QuarantineTest, TwoControlPlanesWithTheSameStoreMakeTheSame) {
  SetPolicy("tier=canary", "", "Hold");
  RefuseBadPort(true);
  ApplyAll({MakeGateway("bad", kBadPort), MakeGateway("first", 8090), MakeGateway("good", 8081)});
  ASSERT_TRUE(AllServe("good", 8081));
  const v1::StoredHeld held = plane_->book.Now()->held;
  const uint64_t revision = plane_->configuration.Current().revision;
  const auto made = plane_->configuration.SnapshotAt(revision, InForce(held));
  ASSERT_TRUE(made.ok());
  EXPECT_EQ((*made)->whole()->version, plane_->snapshots.Newest()->version);
}

TEST_F(QuarantineTest, ANewControlPlaneTakesWhatABackupHas) {
  ASSERT_NO_FATAL_FAILURE(HaveBadHeld());
  const RolloutPage page = PageOf(plane_->book.Export());
  plane_.reset();
  std::filesystem::remove_all(directory_);
  std::filesystem::create_directory(directory_);
  Restart();
  ASSERT_TRUE(plane_->control.RestoreHeld(page).ok());
  ApplyFirst();
  ApplyAll({MakeGateway("bad", kBadPort), MakeGateway("good", 8081)});
  EXPECT_FALSE(Has(*plane_->snapshots.Newest(), "bad", kBadPort));
  ASSERT_TRUE(plane_->control.RestorePolicy(page, kAuthor).ok());
  EXPECT_TRUE(plane_->control.Status().has_policy());
  EXPECT_EQ(plane_->control.Status().promoted_revision(), plane_->configuration.Current().revision);
}

}  // namespace
}  // namespace apk
