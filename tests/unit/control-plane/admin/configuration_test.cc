// Applies against a real store: all or nothing, with the metadata that Kubernetes would set.
#include "control-plane/admin/configuration.h"

#include <gtest/gtest.h>

#include "apk/v1/backend.pb.h"
#include "apk/v1/core.pb.h"
#include "control-plane/admin/admission.h"
#include "control-plane/store/sqlite_log.h"
#include "tests/unit/control-plane/admin/configuration_fixture.h"

namespace apk {
namespace {

TEST_F(ConfigurationTest, SetsMetadataAsKubernetesDoes) {
  v1::Backend backend = MakeBackend("a", 1);
  EXPECT_EQ(Apply({&backend}).results(0).action(), v1::ObjectResult::CREATED);
  const v1::ObjectMeta created = Find("a")->metadata();
  EXPECT_EQ(created.generation(), 1);
  EXPECT_EQ(created.uid().size(), 36u);
  EXPECT_FALSE(created.creation_timestamp().empty());
  EXPECT_EQ(created.namespace_(), "default");

  EXPECT_EQ(Apply({&backend}).results(0).action(), v1::ObjectResult::UNCHANGED);
  EXPECT_EQ(Find("a")->metadata().resource_version(), created.resource_version());

  (*backend.mutable_metadata()->mutable_labels())["l"] = "v";
  EXPECT_EQ(Apply({&backend}).results(0).action(), v1::ObjectResult::CONFIGURED);
  EXPECT_EQ(Find("a")->metadata().generation(), 1);

  backend.mutable_spec()->mutable_services(0)->set_port(2);
  EXPECT_EQ(Apply({&backend}).results(0).action(), v1::ObjectResult::CONFIGURED);
  const v1::ObjectMeta changed = Find("a")->metadata();
  EXPECT_EQ(changed.generation(), 2);
  EXPECT_EQ(changed.uid(), created.uid());
  EXPECT_EQ(changed.creation_timestamp(), created.creation_timestamp());
  EXPECT_GT(std::stoi(changed.resource_version()), std::stoi(created.resource_version()));
}

TEST_F(ConfigurationTest, AnErrorAnywhereInABatchChangesNothing) {
  const v1::Backend good = MakeBackend("good", 1);
  const v1::Backend bad = MakeBackend("bad", 0);
  const uint64_t before = configuration_->Current().revision;
  const v1::ApplyResponse response = Apply({&good, &bad});
  EXPECT_EQ(response.results_size(), 0);
  ASSERT_EQ(response.violations_size(), 1);
  EXPECT_EQ(response.violations(0).object_index(), 1u);
  EXPECT_EQ(response.violations(0).field_path(), "spec.services[0].port");
  EXPECT_EQ(Find("good"), nullptr);
  EXPECT_EQ(configuration_->Current().revision, before);
}

TEST_F(ConfigurationTest, TheSameObjectTwiceInABatchIsAnError) {
  const v1::Backend first = MakeBackend("a", 1);
  const v1::Backend second = MakeBackend("a", 2);
  const v1::ApplyResponse response = Apply({&first, &second});
  ASSERT_EQ(response.violations_size(), 1);
  EXPECT_EQ(response.violations(0).severity(), v1::Violation::ERROR);
  EXPECT_EQ(Find("a"), nullptr);
}

TEST_F(ConfigurationTest, OneBatchIsOneRevisionAndOneThatChangesNothingIsNone) {
  const v1::Backend a = MakeBackend("a", 1);
  const v1::Backend b = MakeBackend("b", 1);
  const uint64_t before = configuration_->Current().revision;
  Apply({&a, &b});
  EXPECT_EQ(configuration_->Current().revision, before + 1);
  Apply({&a, &b});
  EXPECT_EQ(configuration_->Current().revision, before + 1);
}

TEST_F(ConfigurationTest, ADryRunShowsTheResultAndKeepsNothing) {
  const v1::Backend a = MakeBackend("a", 1);
  const v1::ApplyResponse response = Apply({&a}, true);
  EXPECT_EQ(response.results(0).action(), v1::ObjectResult::CREATED);
  EXPECT_EQ(Find("a"), nullptr);
}

TEST_F(ConfigurationTest, EverythingIsThereAfterAReload) {
  const v1::Backend a = MakeBackend("a", 1);
  Apply({&a});
  const std::string before = Find("a")->SerializeAsString();
  const uint64_t revision = configuration_->Current().revision;
  const std::string version = snapshots_.Newest()->version;
  Open();
  ASSERT_NE(Find("a"), nullptr);
  EXPECT_EQ(Find("a")->SerializeAsString(), before);
  EXPECT_EQ(configuration_->Current().revision, revision);
  EXPECT_EQ(snapshots_.Newest()->version, version);
}

TEST_F(ConfigurationTest, DeletesOnlyWhatIsThereAndAllOrNothing) {
  const v1::Backend a = MakeBackend("a", 1);
  Apply({&a});
  v1::DeleteRequest request;
  for (const char* const name : {"a", "missing"}) {
    v1::ObjectKey* const key = request.add_keys();
    key->set_group("dp.wso2.com");
    key->set_kind("Backend");
    key->set_namespace_("default");
    key->set_name(name);
  }
  EXPECT_TRUE(absl::IsNotFound(configuration_->Delete(request, "test").status()));
  EXPECT_NE(Find("a"), nullptr);
  request.set_ignore_not_found(true);
  EXPECT_EQ(configuration_->Delete(request, "test")->results_size(), 1);
  EXPECT_EQ(Find("a"), nullptr);
}

TEST_F(ConfigurationTest, ANamespaceExistsOrComesInTheSameBatch) {
  v1::Backend backend = MakeBackend("a", 1);
  backend.mutable_metadata()->set_namespace_("team");
  const v1::ApplyResponse refused = Apply({&backend});
  ASSERT_EQ(refused.violations_size(), 1);
  EXPECT_EQ(refused.violations(0).field_path(), "metadata.namespace");
  EXPECT_EQ(refused.violations(0).message(), "namespaces \"team\" not found");
  EXPECT_EQ(refused.results_size(), 0);
  const v1::Namespace team = MakeNamespace("team");
  EXPECT_EQ(Apply({&backend, &team}).results_size(), 2);
}

TEST_F(ConfigurationTest, WhatIsInANamespaceGoesWithIt) {
  const v1::Namespace team = MakeNamespace("team");
  v1::Backend inside = MakeBackend("a", 1);
  inside.mutable_metadata()->set_namespace_("team");
  const v1::Backend outside = MakeBackend("a", 1);
  Apply({&team, &inside, &outside});
  const uint64_t before = configuration_->Current().revision;
  // The object is named, too, as a manifest of both would.
  const auto deleted = Delete({KeyOf(team), KeyOf(inside)});
  ASSERT_TRUE(deleted.ok()) << deleted.status();
  EXPECT_EQ(deleted->results_size(), 2);
  EXPECT_EQ(configuration_->Current().revision, before + 1);
  EXPECT_EQ(configuration_->Current().resources->Find(KeyOf(inside)), nullptr);
  EXPECT_NE(Find("a"), nullptr);
  const auto changes = feed_.After(before, std::chrono::milliseconds(0));
  ASSERT_EQ(changes->size(), 2u);
  EXPECT_EQ((*changes)[0].type, v1::WatchEvent::DELETED);
}

TEST_F(ConfigurationTest, WhatTheGatewayNeedsStays) {
  for (const char* const name : {"default", "apk-system"}) {
    const v1::Namespace home = MakeNamespace(name);
    Apply({&home});
    const auto refused = Delete({KeyOf(home)});
    EXPECT_TRUE(absl::IsPermissionDenied(refused.status())) << refused.status();
  }
  EXPECT_TRUE(ReasonToKeep({"gateway.networking.k8s.io", "GatewayClass", "", "apk"}).has_value());
  EXPECT_FALSE(ReasonToKeep({"gateway.networking.k8s.io", "GatewayClass", "", "b"}).has_value());
}

TEST_F(ConfigurationTest, AResourceVersionOrUidThatDoesNotMatchIsAConflict) {
  v1::Backend backend = MakeBackend("a", 1);
  Apply({&backend});
  const v1::ObjectMeta stored = Find("a")->metadata();
  const v1::Backend other = MakeBackend("other", 1);
  backend.mutable_spec()->mutable_services(0)->set_port(2);

  backend.mutable_metadata()->set_resource_version("1");
  v1::ApplyResponse response = Apply({&other, &backend});
  ASSERT_EQ(response.violations_size(), 1);
  EXPECT_EQ(response.violations(0).object_index(), 1u);
  EXPECT_EQ(response.violations(0).field_path(), "metadata.resourceVersion");
  EXPECT_EQ(Find("other"), nullptr);
  EXPECT_EQ(Find("a")->spec().services(0).port(), 1);

  backend.mutable_metadata()->set_resource_version(stored.resource_version());
  backend.mutable_metadata()->set_uid("another");
  response = Apply({&backend});
  ASSERT_EQ(response.violations_size(), 1);
  EXPECT_EQ(response.violations(0).field_path(), "metadata.uid");

  backend.mutable_metadata()->set_uid(stored.uid());
  EXPECT_EQ(Apply({&backend}).results(0).action(), v1::ObjectResult::CONFIGURED);
  // The version that was read is gone now.
  EXPECT_EQ(Apply({&backend}).violations_size(), 1);
}

TEST_F(ConfigurationTest, AResourceVersionOfWhatIsNotThereIsAConflict) {
  v1::Backend backend = MakeBackend("a", 1);
  backend.mutable_metadata()->set_resource_version("7");
  const v1::ApplyResponse response = Apply({&backend});
  ASSERT_EQ(response.violations_size(), 1);
  EXPECT_EQ(response.violations(0).field_path(), "metadata.resourceVersion");
  EXPECT_EQ(Find("a"), nullptr);
}

TEST_F(ConfigurationTest, WatchersSeeEveryChangeInOrder) {
  const uint64_t from = configuration_->Current().revision;
  v1::Backend a = MakeBackend("a", 1);
  Apply({&a});
  a.mutable_spec()->mutable_services(0)->set_port(2);
  Apply({&a});
  const auto changes = feed_.After(from, std::chrono::milliseconds(0));
  ASSERT_TRUE(changes.has_value());
  ASSERT_EQ(changes->size(), 2u);
  EXPECT_EQ((*changes)[0].type, v1::WatchEvent::ADDED);
  EXPECT_EQ((*changes)[1].type, v1::WatchEvent::MODIFIED);
  EXPECT_LT((*changes)[0].revision, (*changes)[1].revision);
}

TEST_F(ConfigurationTest, CreatesOnlyWhereNothingIsThere) {
  v1::Backend backend = MakeBackend("a", 1);
  v1::ApplyRequest request;
  request.set_create_only(true);
  request.add_objects()->PackFrom(backend);
  EXPECT_EQ(configuration_->Apply(request, "test")->results_size(), 1);
  const auto again = configuration_->Apply(request, "test");
  ASSERT_EQ(again->violations_size(), 1);
  EXPECT_EQ(again->violations(0).reason(), v1::Violation::ALREADY_EXISTS);
  EXPECT_EQ(again->results_size(), 0);
}

TEST_F(ConfigurationTest, DeletesOnlyTheObjectThatIsMeant) {
  v1::Backend backend = MakeBackend("a", 1);
  Apply({&backend});
  v1::DeleteRequest request;
  *request.add_keys() = ToProto(KeyOf(backend));
  request.mutable_keys(0)->set_namespace_("default");
  request.set_uid("another");
  EXPECT_EQ(configuration_->Delete(request, "test").status().code(), absl::StatusCode::kAborted);
  request.set_uid(Find("a")->metadata().uid());
  request.set_resource_version("1234567");
  EXPECT_EQ(configuration_->Delete(request, "test").status().code(), absl::StatusCode::kAborted);
  request.set_resource_version(Find("a")->metadata().resource_version());
  EXPECT_TRUE(configuration_->Delete(request, "test").ok());
}

TEST_F(ConfigurationTest, KeepsWhoManagesFieldsWhereAnApplyDoesNotSay) {
  v1::Backend backend = MakeBackend("a", 1);
  backend.mutable_metadata()->add_managed_fields()->set_manager("m");
  Apply({&backend});
  v1::Backend without = MakeBackend("a", 2);
  Apply({&without});
  ASSERT_EQ(Find("a")->metadata().managed_fields_size(), 1);
  EXPECT_EQ(Find("a")->metadata().managed_fields(0).manager(), "m");
}

TEST_F(ConfigurationTest, TheFeedKnowsNothingFromBeforeTheStart) {
  v1::Backend backend = MakeBackend("a", 1);
  Apply({&backend});
  const uint64_t revision = configuration_->Current().revision;
  ChangeFeed feed;
  Configuration anew(*log_, snapshots_, agents_, feed);
  ASSERT_TRUE(anew.Load().ok());
  EXPECT_FALSE(feed.After(revision - 1, std::chrono::milliseconds(0)).has_value());
  EXPECT_TRUE(feed.After(revision, std::chrono::milliseconds(0)).has_value());
}

TEST_F(ConfigurationTest, TheFeedGivesRevisionsWhole) {
  ChangeFeed feed;
  feed.Append(std::vector<Change>(3, Change{1, v1::WatchEvent::ADDED, {}, nullptr, nullptr}));
  feed.Append({Change{2, v1::WatchEvent::ADDED, {}, nullptr, nullptr}});
  EXPECT_EQ(feed.After(0, std::chrono::milliseconds(0), 2)->size(), 3U);
  EXPECT_EQ(feed.After(0, std::chrono::milliseconds(0), 3)->size(), 4U);
  EXPECT_EQ(feed.After(1, std::chrono::milliseconds(0), 1)->size(), 1U);
}

}  // namespace
}  // namespace apk
