// Digests over deterministic bytes.
#include "control-plane/translation/shared_snapshot.h"

#include <algorithm>

#include "common/snapshot_version.h"
#include "control-plane/resources/object_bytes.h"

namespace apk {
namespace {

constexpr std::string_view kNul("\0", 1);

std::string HashOf(const v1::SnapshotResource& resource) {
  const auto* const reflection = resource.GetReflection();
  const auto* const oneof = resource.GetDescriptor()->oneof_decl(0);
  const auto* const field = reflection->GetOneofFieldDescriptor(resource, oneof);
  const google::protobuf::Message& body = reflection->GetMessage(resource, field);
  ShortDigest hasher;
  hasher.Add(body.GetDescriptor()->full_name());
  hasher.Add(kNul);
  hasher.Add(resource.name());
  hasher.Add(kNul);
  hasher.Add(DeterministicBytes(body));
  return hasher.Finish();
}

}  // namespace

const SharedResource* SharedSnapshot::Find(const std::string& name) const {
  const auto found =
      std::lower_bound(resources.begin(), resources.end(), name,
                       [](const SharedResource& resource, const std::string& wanted) {
                         return resource->name() < wanted;
                       });
  return found == resources.end() || (*found)->name() != name ? nullptr : &*found;
}

v1::Snapshot SharedSnapshot::ToProto() const {
  v1::Snapshot snapshot;
  snapshot.set_version(version);
  snapshot.set_revision(revision);
  for (const SharedResource& resource : resources) *snapshot.add_resources() = *resource;
  return snapshot;
}

SharedResource Seal(v1::SnapshotResource resource) {
  if (resource.body_case() == v1::SnapshotResource::BODY_NOT_SET) return nullptr;
  resource.set_hash(HashOf(resource));
  return std::make_shared<const v1::SnapshotResource>(std::move(resource));
}

std::string VersionOf(const std::vector<SharedResource>& resources) {
  SnapshotVersion version;
  for (const SharedResource& resource : resources) version.Add(resource->name(), resource->hash());
  return version.Finish();
}

}  // namespace apk
