// How much one namespace may have.
#include "control-plane/admin/quota.h"

#include <gtest/gtest.h>

#include "tests/unit/control-plane/admin/configuration_fixture.h"

namespace apk {
namespace {

class QuotaTest : public ConfigurationTest {
 protected:
  absl::StatusOr<v1::ApplyResponse> Try(const std::vector<v1::Backend>& backends,
                                        bool dry_run = false) {
    v1::ApplyRequest request;
    for (const v1::Backend& backend : backends) request.add_objects()->PackFrom(backend);
    request.set_dry_run(dry_run);
    return configuration_->Apply(request, "test");
  }
};

TEST_F(QuotaTest, MoreObjectsThanMayBeAreRefusedAsAWhole) {
  configuration_->LimitNamespaces({.objects = 2, .bytes = 0});
  ASSERT_TRUE(Try({MakeBackend("a", 1)}).ok());
  const uint64_t before = configuration_->Current().revision;
  const auto refused = Try({MakeBackend("b", 1), MakeBackend("c", 1)});
  EXPECT_TRUE(absl::IsPermissionDenied(refused.status()));
  EXPECT_EQ(
      std::string(refused.status().message()),
      "backends.dp.wso2.com \"b\" is forbidden: exceeded quota: namespace default, requested: "
      "objects=2, used: objects=1, limited: objects=2 (--limit-namespace-objects of the "
      "control plane)");
  EXPECT_FALSE(Try({MakeBackend("b", 1), MakeBackend("c", 1)}, true).ok());
  EXPECT_EQ(configuration_->Current().revision, before);
  EXPECT_EQ(Find("b"), nullptr);
  // As many as may be; one that goes makes room.
  ASSERT_TRUE(Try({MakeBackend("b", 1)}).ok());
  EXPECT_FALSE(Try({MakeBackend("c", 1)}).ok());
  ASSERT_TRUE(Delete({{"dp.wso2.com", "Backend", "default", "a"}}).ok());
  EXPECT_TRUE(Try({MakeBackend("c", 1)}).ok());
}

TEST_F(QuotaTest, OfOneNamespaceNotOfAnother) {
  const v1::Namespace other = MakeNamespace("other");
  Apply({&other});
  configuration_->LimitNamespaces({.objects = 1, .bytes = 0});
  ASSERT_TRUE(Try({MakeBackend("a", 1)}).ok());
  v1::Backend there = MakeBackend("a", 1);
  there.mutable_metadata()->set_namespace_("other");
  EXPECT_TRUE(Try({there}).ok());
  there.mutable_metadata()->set_name("b");
  EXPECT_FALSE(Try({there}).ok());
}

TEST_F(QuotaTest, BytesCountAsTheyAreWritten) {
  configuration_->LimitNamespaces({.objects = 0, .bytes = 4000});
  v1::Backend backend = MakeBackend("a", 1);
  (*backend.mutable_metadata()->mutable_annotations())["x"] = std::string(3000, 'x');
  ASSERT_TRUE(Try({backend}).ok());
  const auto refused = Try({[&] {
    v1::Backend other = backend;
    other.mutable_metadata()->set_name("b");
    return other;
  }()});
  EXPECT_NE(refused.status().message().find("limited: bytes=4000"), std::string::npos);
  (*backend.mutable_metadata()->mutable_annotations())["x"] = std::string(3900, 'x');
  EXPECT_FALSE(Try({backend}).ok());
  (*backend.mutable_metadata()->mutable_annotations())["x"] = "x";
  EXPECT_TRUE(Try({backend}).ok());
}

TEST_F(QuotaTest, WhatIsThereStaysWhereALimitIsLowered) {
  ASSERT_TRUE(Try({MakeBackend("a", 1), MakeBackend("b", 1)}).ok());
  Open();  // It counts what it finds.
  configuration_->LimitNamespaces({.objects = 1, .bytes = 0});
  EXPECT_TRUE(Try({MakeBackend("a", 2)}).ok());
  EXPECT_FALSE(Try({MakeBackend("c", 1)}).ok());
  ASSERT_TRUE(Delete({{"dp.wso2.com", "Backend", "default", "a"}}).ok());
  EXPECT_FALSE(Try({MakeBackend("c", 1)}).ok());
}

TEST_F(QuotaTest, ARollbackIsLimitedToo) {
  ASSERT_TRUE(Try({MakeBackend("a", 1), MakeBackend("b", 1)}).ok());
  const uint64_t full = configuration_->Current().revision;
  ASSERT_TRUE(Delete({{"dp.wso2.com", "Backend", "default", "a"},
                      {"dp.wso2.com", "Backend", "default", "b"}})
                  .ok());
  configuration_->LimitNamespaces({.objects = 1, .bytes = 0});
  v1::RollbackRequest request;
  request.set_revision(full);
  EXPECT_TRUE(absl::IsPermissionDenied(configuration_->Rollback(request, "test").status()));
  EXPECT_EQ(Find("a"), nullptr);
}

}  // namespace
}  // namespace apk
