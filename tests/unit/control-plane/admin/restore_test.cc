// A backup put back: into a new control plane, or over what is there where that is forced.
#include <gtest/gtest.h>

#include "control-plane/resources/own_objects.h"
#include "tests/unit/control-plane/admin/configuration_fixture.h"

namespace apk {
namespace {

class RestoreTest : public ConfigurationTest {
 protected:
  Backup Take() {
    const Configuration::View view = configuration_->Current();
    Backup backup;
    backup.revision = view.revision;
    backup.resources = *view.resources;
    return backup;
  }

  absl::StatusOr<v1::RestoreResponse> Restore(const Backup& backup, bool force = false,
                                              bool dry_run = false) {
    v1::RestoreOptions options;
    options.set_force(force);
    options.set_dry_run(dry_run);
    return configuration_->Restore(backup, options, "restorer");
  }

  // A store that nobody but the control plane has written to.
  void OpenNew() {
    configuration_.reset();
    log_.reset();
    std::filesystem::remove(directory_ + "/store.db");
    author_ = "control-plane";
    Open();
  }
};

TEST_F(RestoreTest, GivesANewControlPlaneTheObjectsAsTheyWere) {
  const v1::Backend a = MakeBackend("a", 1);
  Apply({&a});
  v1::Backend changed = MakeBackend("a", 2);
  Apply({&changed});
  const v1::ObjectMeta then = Find("a")->metadata();
  const Backup backup = Take();
  OpenNew();
  const absl::StatusOr<v1::RestoreResponse> restored = Restore(backup);
  ASSERT_TRUE(restored.ok()) << restored.status();
  const v1::Backend* const now = Find("a");
  ASSERT_NE(now, nullptr);
  EXPECT_EQ(now->spec().services(0).port(), 2);
  EXPECT_EQ(now->metadata().uid(), then.uid());
  EXPECT_EQ(now->metadata().generation(), 2);
  EXPECT_EQ(now->metadata().creation_timestamp(), then.creation_timestamp());
  EXPECT_EQ(now->metadata().resource_version(), std::to_string(restored->revision()));
}

TEST_F(RestoreTest, IsRefusedWhereSomebodyHasChangedSomething) {
  const Backup backup = Take();
  const v1::Backend mine = MakeBackend("mine", 1);
  Apply({&mine});
  const absl::Status refused = Restore(backup).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_NE(refused.message().find("was made by test"), absl::string_view::npos) << refused;
  EXPECT_NE(Find("mine"), nullptr);
}

TEST_F(RestoreTest, ReplacesEverythingWhereItIsForced) {
  const v1::Backend kept = MakeBackend("kept", 1);
  const v1::Backend changed = MakeBackend("changed", 1);
  Apply({&kept, &changed});
  const std::string version = Find("kept")->metadata().resource_version();
  const Backup backup = Take();
  const v1::Backend other = MakeBackend("changed", 2);
  const v1::Backend added = MakeBackend("added", 1);
  Apply({&other, &added});
  ASSERT_EQ(Restore(backup, true, true)->results_size(), 2);
  EXPECT_NE(Find("added"), nullptr) << "a dry run changes nothing";
  const absl::StatusOr<v1::RestoreResponse> restored = Restore(backup, true);
  ASSERT_TRUE(restored.ok()) << restored.status();
  ASSERT_EQ(restored->results_size(), 2);
  EXPECT_EQ(restored->results(0).action(), v1::ObjectResult::CONFIGURED);
  EXPECT_THAT(restored->results(0).changed_fields(), testing::Contains("spec.services[0].port"));
  EXPECT_EQ(restored->results(1).action(), v1::ObjectResult::DELETED);
  EXPECT_EQ(Find("changed")->spec().services(0).port(), 1);
  EXPECT_EQ(Find("added"), nullptr);
  EXPECT_EQ(Find("kept")->metadata().resource_version(), version) << "nothing differed there";
}

TEST_F(RestoreTest, LeavesTheControlPlanesOwnObjectsAlone) {
  Backup backup = Take();
  auto foreign = std::make_shared<v1::Backend>(MakeBackend("token-issuer", 1));
  foreign->mutable_metadata()->set_namespace_(kOwnNamespace);
  backup.resources.Put(foreign);
  const absl::StatusOr<v1::RestoreResponse> restored = Restore(backup, true);
  ASSERT_TRUE(restored.ok()) << restored.status();
  EXPECT_EQ(restored->results_size(), 0);
}

TEST_F(RestoreTest, RefusesWhatIsNotValidAnyMore) {
  Backup backup = Take();
  auto wrong = std::make_shared<v1::Backend>(MakeBackend("wrong", 0));
  backup.resources.Put(wrong);
  const absl::Status refused = Restore(backup, true).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_NE(refused.message().find("\"wrong\" of then is not valid now: spec.services[0].port"),
            absl::string_view::npos)
      << refused;
}

}  // namespace
}  // namespace apk
