// By reflection: every kind has metadata, most have a status.
#include "control-plane/apkctl/written_form.h"

#include "control-plane/resources/resource_set.h"

namespace apk {

void DropOwned(google::protobuf::Message& object) {
  const auto* const status = object.GetDescriptor()->FindFieldByName("status");
  if (status != nullptr) object.GetReflection()->ClearField(&object, status);
  v1::ObjectMeta* const metadata = MutableMetadataOf(object);
  metadata->clear_uid();
  metadata->clear_resource_version();
  metadata->clear_generation();
  metadata->clear_creation_timestamp();
  metadata->clear_deletion_timestamp();
  metadata->clear_managed_fields();
}

}  // namespace apk
