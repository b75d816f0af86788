// The map from key to object.
#include "control-plane/resources/resource_set.h"

#include "common/strings.h"
#include "control-plane/resources/kind_registry.h"

namespace apk {
namespace {

const google::protobuf::FieldDescriptor* MetadataField(const google::protobuf::Message& resource) {
  return resource.GetDescriptor()->FindFieldByName("metadata");
}

}  // namespace

std::string ResourceKey::ToString() const {
  return namespace_name.empty() ? Concat(kind, " ", name)
                                : Concat(kind, " ", namespace_name, "/", name);
}

const v1::ObjectMeta& MetadataOf(const google::protobuf::Message& resource) {
  return static_cast<const v1::ObjectMeta&>(
      resource.GetReflection()->GetMessage(resource, MetadataField(resource)));
}

v1::ObjectMeta* MutableMetadataOf(google::protobuf::Message& resource) {
  return static_cast<v1::ObjectMeta*>(
      resource.GetReflection()->MutableMessage(&resource, MetadataField(resource)));
}

ResourceKey KeyOf(const google::protobuf::Message& resource) {
  const v1::ObjectMeta& metadata = MetadataOf(resource);
  return internal::KeyFor(resource.GetDescriptor(), metadata.namespace_(), metadata.name());
}

void ResourceSet::Put(ResourcePtr resource) {
  ResourceKey key = KeyOf(*resource);
  resources_.insert_or_assign(std::move(key), std::move(resource));
}

bool ResourceSet::Remove(const ResourceKey& key) { return resources_.erase(key) > 0; }

ResourcePtr ResourceSet::Find(const ResourceKey& key) const {
  const auto found = resources_.find(key);
  return found == resources_.end() ? nullptr : found->second;
}

std::vector<ResourcePtr> ResourceSet::OfKind(std::string_view group, std::string_view kind,
                                             std::string_view namespace_name) const {
  std::vector<ResourcePtr> found;
  const ResourceKey first{.group = std::string(group),
                          .kind = std::string(kind),
                          .namespace_name = std::string(namespace_name),
                          .name = ""};
  for (auto it = resources_.lower_bound(first); it != resources_.end(); ++it) {
    if (it->first.group != group || it->first.kind != kind) break;
    if (!namespace_name.empty() && it->first.namespace_name != namespace_name) break;
    found.push_back(it->second);
  }
  return found;
}

namespace internal {

ResourceKey KeyFor(const google::protobuf::Descriptor* descriptor, std::string_view namespace_name,
                   std::string_view name) {
  const Kind* kind = FindKind(descriptor);
  return {.group = kind->group,
          .kind = kind->name,
          .namespace_name = kind->cluster_scoped ? "" : std::string(namespace_name),
          .name = std::string(name)};
}

}  // namespace internal
}  // namespace apk
