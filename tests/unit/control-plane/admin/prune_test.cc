// Applies with pruning: what left the set goes, and nothing else.
#include "control-plane/admin/prune.h"

#include <gtest/gtest.h>

#include "tests/unit/control-plane/admin/configuration_fixture.h"

namespace apk {
namespace {

using testing::HasSubstr;

class PruneTest : public ConfigurationTest {
 protected:
  static constexpr char kSelector[] = "app=shop";

  static v1::Backend Labelled(const std::string& name, const std::string& app = "shop") {
    v1::Backend backend = MakeBackend(name, 1);
    (*backend.mutable_metadata()->mutable_labels())["app"] = app;
    return backend;
  }

  absl::StatusOr<v1::ApplyResponse> ApplySet(
      const std::vector<const google::protobuf::Message*>& objects,
      const std::string& selector = kSelector, bool dry_run = false,
      const Configuration::MayDelete& may_delete = nullptr) {
    v1::ApplyRequest request;
    request.mutable_prune()->set_label_selector(selector);
    request.set_dry_run(dry_run);
    for (const auto* const object : objects) request.add_objects()->PackFrom(*object);
    return configuration_->Apply(request, "test", may_delete);
  }
};

TEST_F(PruneTest, DeletesWhatTheLastApplyOfTheSetHadAndThisOneHasNot) {
  const v1::Backend a = Labelled("a");
  const v1::Backend b = Labelled("b");
  ASSERT_EQ(ApplySet({&a, &b})->results_size(), 2);
  const uint64_t revision = configuration_->Current().revision;
  const absl::StatusOr<v1::ApplyResponse> pruned = ApplySet({&a});
  ASSERT_TRUE(pruned.ok()) << pruned.status();
  ASSERT_EQ(pruned->results_size(), 2);
  EXPECT_EQ(pruned->results(0).action(), v1::ObjectResult::UNCHANGED);
  EXPECT_EQ(pruned->results(1).action(), v1::ObjectResult::DELETED);
  EXPECT_EQ(pruned->results(1).key().name(), "b");
  EXPECT_EQ(pruned->revision(), revision + 1) << "one revision";
  EXPECT_EQ(Find("b"), nullptr);
  EXPECT_NE(Find("a"), nullptr);
}

TEST_F(PruneTest, SparesWhatOnlyHasTheLabels) {
  const v1::Backend stranger = Labelled("stranger");
  Apply({&stranger});
  const v1::Backend a = Labelled("a");
  ASSERT_EQ(ApplySet({&a})->results_size(), 1);
  EXPECT_NE(Find("stranger"), nullptr);
}

TEST_F(PruneTest, SparesWhatLostTheLabels) {
  const v1::Backend a = Labelled("a");
  const v1::Backend b = Labelled("b");
  ASSERT_TRUE(ApplySet({&a, &b}).ok());
  const v1::Backend moved = Labelled("b", "other");
  Apply({&moved});
  ASSERT_EQ(ApplySet({&a})->results_size(), 1);
  EXPECT_NE(Find("b"), nullptr);
}

TEST_F(PruneTest, AnApplyThatSaysNothingOfSetsLeavesTheObjectInItsSet) {
  const v1::Backend a = Labelled("a");
  const v1::Backend b = Labelled("b");
  ASSERT_TRUE(ApplySet({&a, &b}).ok());
  EXPECT_EQ(Apply({&b}).results(0).action(), v1::ObjectResult::UNCHANGED);
  ASSERT_TRUE(ApplySet({&a}).ok());
  EXPECT_EQ(Find("b"), nullptr);
}

TEST_F(PruneTest, ADryRunTellsAndDeletesNothing) {
  const v1::Backend a = Labelled("a");
  const v1::Backend b = Labelled("b");
  ASSERT_TRUE(ApplySet({&a, &b}).ok());
  EXPECT_EQ(ApplySet({&a}, kSelector, true)->results_size(), 2);
  EXPECT_NE(Find("b"), nullptr);
}

TEST_F(PruneTest, RefusesObjectsThatItCouldNotFindAgain) {
  const v1::Backend other = Labelled("other", "bakery");
  const absl::StatusOr<v1::ApplyResponse> refused = ApplySet({&other});
  ASSERT_EQ(refused->violations_size(), 1);
  EXPECT_EQ(refused->violations(0).field_path(), "metadata.labels");
  EXPECT_EQ(Find("other"), nullptr);
}

TEST_F(PruneTest, RefusesToTakeStrangersWithTheirNamespace) {
  v1::Namespace team = MakeNamespace("team");
  (*team.mutable_metadata()->mutable_labels())["app"] = "shop";
  const v1::Backend a = Labelled("a");
  ASSERT_TRUE(ApplySet({&a, &team}).ok());
  v1::Backend stranger = MakeBackend("stranger", 1);
  stranger.mutable_metadata()->set_namespace_("team");
  Apply({&stranger});
  const absl::Status refused = ApplySet({&a}).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("Backend team/stranger"));
  ASSERT_TRUE(Delete({KeyOf(stranger)}).ok());
  EXPECT_TRUE(ApplySet({&a}).ok());
  EXPECT_EQ(configuration_->Current().resources->Find(KeyOf(team)), nullptr);
}

TEST_F(PruneTest, NeedsASelectorAndSomethingToApply) {
  const v1::Backend a = Labelled("a");
  EXPECT_TRUE(absl::IsInvalidArgument(ApplySet({&a}, "").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(ApplySet({&a}, "=").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(ApplySet({}).status()));
}

TEST_F(PruneTest, AsksWhetherEachMayBeDeleted) {
  const v1::Backend a = Labelled("a");
  const v1::Backend b = Labelled("b");
  ASSERT_TRUE(ApplySet({&a, &b}).ok());
  const absl::Status refused = ApplySet({&a}, kSelector, false, [](const ResourceKey& key) {
                                 return absl::PermissionDeniedError(key.ToString());
                               }).status();
  EXPECT_EQ(refused, absl::PermissionDeniedError("Backend default/b"));
  EXPECT_NE(Find("b"), nullptr);
}

}  // namespace
}  // namespace apk
