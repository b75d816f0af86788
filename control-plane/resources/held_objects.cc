// Each object is looked at as the set had it at first.
#include "control-plane/resources/held_objects.h"

#include "common/snapshot_version.h"
#include "control-plane/resources/object_bytes.h"

namespace apk {
namespace {

using google::protobuf::FieldDescriptor;

void KeepWhatIsWritten(google::protobuf::Message& object) {
  const FieldDescriptor* const status = object.GetDescriptor()->FindFieldByName("status");
  if (status != nullptr) object.GetReflection()->ClearField(&object, status);
  v1::ObjectMeta& metadata = *MutableMetadataOf(object);
  metadata.clear_uid();
  metadata.clear_resource_version();
  metadata.clear_generation();
  metadata.clear_creation_timestamp();
  metadata.clear_deletion_timestamp();
  metadata.clear_managed_fields();
}

std::vector<const HeldObject*> Applying(const ResourceSet& resources,
                                        const std::vector<HeldObject>& held) {
  std::vector<const HeldObject*> applying;
  for (const HeldObject& object : held) {
    if (ContentDigest(resources.Find(object.key).get()) == object.refused) {
      applying.push_back(&object);
    }
  }
  return applying;
}

}  // namespace

std::string ContentDigest(const google::protobuf::Message* object) {
  if (object == nullptr) return "";
  const std::unique_ptr<google::protobuf::Message> written(object->New());
  written->CopyFrom(*object);
  KeepWhatIsWritten(*written);
  ShortDigest digest;
  digest.Add(written->GetDescriptor()->full_name());
  digest.Add(DeterministicBytes(*written));
  return digest.Finish();
}

std::vector<uint64_t> HoldBackIn(ResourceSet& resources, const std::vector<HeldObject>& held) {
  std::vector<uint64_t> ids;
  for (const HeldObject* const object : Applying(resources, held)) {
    if (object->accepted == nullptr) {
      resources.Remove(object->key);
    } else {
      resources.Put(object->accepted);
    }
    ids.push_back(object->id);
  }
  return ids;
}

std::vector<uint64_t> HeldIn(const ResourceSet& resources, const std::vector<HeldObject>& held) {
  std::vector<uint64_t> ids;
  for (const HeldObject* const object : Applying(resources, held)) ids.push_back(object->id);
  return ids;
}

std::vector<uint64_t> IdsOf(const std::vector<HeldObject>& held) {
  std::vector<uint64_t> ids;
  for (const HeldObject& object : held) ids.push_back(object.id);
  return ids;
}

}  // namespace apk
