// What the roles are asked about is what is taken.
#include "control-plane/admin/guard.h"

#include <gtest/gtest.h>

#include "apk/v1/core.pb.h"
#include "control-plane/admin/admission.h"

namespace apk {
namespace {

TEST(KeysOfTest, HasEveryObjectThatIsLetInWhateverItsTypeUrl) {
  v1::ConfigMap object;
  object.set_api_version("v1");
  object.set_kind("ConfigMap");
  object.mutable_metadata()->set_name("a");
  const std::string name = object.GetDescriptor()->full_name();
  for (const std::string& url : {"type.googleapis.com/" + name, "a/b/" + name, "/" + name, name}) {
    v1::ApplyRequest request;
    google::protobuf::Any& any = *request.add_objects();
    any.set_type_url(url);
    object.SerializeToString(any.mutable_value());
    std::vector<MessagePtr> admitted;
    v1::ApplyResponse response;
    ASSERT_TRUE(Admit(request, admitted, response)) << url << response.DebugString();
    const std::vector<ResourceKey> keys = KeysOf(request);
    ASSERT_EQ(keys.size(), admitted.size()) << url;
    EXPECT_EQ(keys[0], KeyOf(*admitted[0])) << url;
  }
}

}  // namespace
}  // namespace apk
