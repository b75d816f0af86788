// Equality is by value, with what the server owns left out.
#include "control-plane/admin/stage.h"

#include <google/protobuf/util/message_differencer.h>

#include "control-plane/admin/prune.h"

namespace apk {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::util::MessageDifferencer;

void ClearField(Message& message, const char* name) {
  const FieldDescriptor* const field = message.GetDescriptor()->FindFieldByName(name);
  if (field != nullptr) message.GetReflection()->ClearField(&message, field);
}

bool HasField(const Message& message, const char* name) {
  return message.GetDescriptor()->FindFieldByName(name) != nullptr;
}

void CopyStatus(const Message& from, Message& to) {
  const FieldDescriptor* const field = from.GetDescriptor()->FindFieldByName("status");
  if (field == nullptr || !from.GetReflection()->HasField(from, field)) return;
  to.GetReflection()
      ->MutableMessage(&to, field)
      ->CopyFrom(from.GetReflection()->GetMessage(from, field));
}

// All but metadata and status: what generation counts.
std::unique_ptr<Message> Desired(const Message& object) {
  std::unique_ptr<Message> desired(object.New());
  desired->CopyFrom(object);
  ClearField(*desired, "metadata");
  ClearField(*desired, "status");
  return desired;
}

v1::ObjectMeta WrittenMetadata(const v1::ObjectMeta& metadata) {
  v1::ObjectMeta written = metadata;
  written.clear_uid();
  written.clear_resource_version();
  written.clear_generation();
  written.clear_creation_timestamp();
  written.clear_deletion_timestamp();
  return written;
}

// An apply that says nothing of sets leaves the object in its set.
void StayInSet(const v1::ObjectMeta& before, v1::ObjectMeta& metadata) {
  const auto set = before.annotations().find(kApplySetAnnotation);
  if (set != before.annotations().end()) {
    metadata.mutable_annotations()->insert({set->first, set->second});
  }
}

}  // namespace

StagedObject StageObject(std::unique_ptr<Message> wanted, const Message* current, uint64_t revision,
                         const std::string& now, const std::string& uid) {
  ClearField(*wanted, "status");
  v1::ObjectMeta* const metadata = MutableMetadataOf(*wanted);
  *metadata = WrittenMetadata(*metadata);
  const bool counts_generations = HasField(*wanted, "spec");
  StagedObject staged;
  if (current == nullptr) {
    metadata->set_uid(uid);
    metadata->set_creation_timestamp(now);
    if (counts_generations) metadata->set_generation(1);
    staged.action = v1::ObjectResult::CREATED;
  } else {
    const v1::ObjectMeta& before = MetadataOf(*current);
    if (metadata->managed_fields().empty()) {
      *metadata->mutable_managed_fields() = before.managed_fields();
    }
    StayInSet(before, *metadata);
    const bool same_content = MessageDifferencer::Equals(*Desired(*wanted), *Desired(*current));
    const bool same_metadata = MessageDifferencer::Equals(*metadata, WrittenMetadata(before));
    metadata->set_uid(before.uid());
    metadata->set_creation_timestamp(before.creation_timestamp());
    metadata->set_resource_version(before.resource_version());
    if (counts_generations) {
      metadata->set_generation(same_content ? before.generation() : before.generation() + 1);
    }
    CopyStatus(*current, *wanted);
    if (!same_content || !same_metadata) staged.action = v1::ObjectResult::CONFIGURED;
  }
  if (staged.action != v1::ObjectResult::UNCHANGED) {
    metadata->set_resource_version(std::to_string(revision));
  }
  staged.object = std::move(wanted);
  return staged;
}

}  // namespace apk
