#include "control-plane/admin/changed_fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apk/v1/core.pb.h"
#include "apk/v1/routes.pb.h"

namespace apk {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(ChangedFields, NamesListsMembersAndWhatIsOnOneSideOnly) {
  v1::HTTPRoute before;
  before.mutable_spec()->add_rules()->add_backend_refs()->set_weight(1);
  v1::HTTPRoute after = before;
  EXPECT_THAT(ChangedFields(before, after), IsEmpty());
  after.mutable_spec()->mutable_rules(0)->mutable_backend_refs(0)->set_weight(2);
  after.mutable_spec()->add_hostnames("a.example");
  EXPECT_THAT(ChangedFields(before, after),
              ElementsAre("spec.hostnames[0]", "spec.rules[0].backendRefs[0].weight"));
  EXPECT_THAT(ChangedFields(after, before),
              ElementsAre("spec.hostnames[0]", "spec.rules[0].backendRefs[0].weight"));
}

TEST(ChangedFields, NamesTheKeysOfMapsAndNoValues) {
  v1::Secret before;
  (*before.mutable_data())["kept"] = "same";
  (*before.mutable_data())["changed"] = "old-value";
  (*before.mutable_data())["removed"] = "gone-value";
  v1::Secret after = before;
  (*after.mutable_data())["changed"] = "new-value";
  after.mutable_data()->erase("removed");
  (*after.mutable_data())["added"] = "added-value";
  EXPECT_THAT(ChangedFields(before, after),
              testing::UnorderedElementsAre("data.changed", "data.removed", "data.added"));
}

TEST(ChangedFields, LeavesOutWhatTheControlPlaneSets) {
  v1::HTTPRoute before;
  before.mutable_metadata()->set_name("a");
  v1::HTTPRoute after = before;
  after.mutable_metadata()->set_uid("1");
  after.mutable_metadata()->set_resource_version("2");
  after.mutable_metadata()->set_generation(3);
  after.mutable_metadata()->add_managed_fields()->set_manager("kubectl");
  after.mutable_status()->add_parents();
  EXPECT_THAT(ChangedFields(before, after), IsEmpty());
}

TEST(ChangedFields, SaysHowManyMoreThereAre) {
  v1::ConfigMap before;
  v1::ConfigMap after;
  for (int i = 0; i < 23; ++i) (*after.mutable_data())[std::to_string(i)] = "1";
  const std::vector<std::string> changed = ChangedFields(before, after);
  ASSERT_EQ(changed.size(), 21U);
  EXPECT_EQ(changed.back(), "and 3 more");
}

}  // namespace
}  // namespace apk
