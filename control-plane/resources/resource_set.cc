// A map for each kind, copied when it is changed while another set has it, too.
#include "control-plane/resources/resource_set.h"

#include "common/strings.h"

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
  const Kind& kind = *FindKind(resource.GetDescriptor());
  return {.group = kind.group,
          .kind = kind.name,
          .namespace_name = kind.cluster_scoped ? "" : metadata.namespace_(),
          .name = metadata.name()};
}

const ResourceSet::Objects& ResourceSet::ObjectsOf(const Kind& kind) const {
  static const auto* const none = new Objects();
  const auto index = static_cast<size_t>(&kind - AllKinds().data());
  return index < kinds_.size() && kinds_[index] != nullptr ? *kinds_[index] : *none;
}

ResourceSet::Objects& ResourceSet::MutableObjectsOf(const Kind& kind) {
  if (kinds_.empty()) kinds_.resize(AllKinds().size());
  std::shared_ptr<Objects>& objects = kinds_[static_cast<size_t>(&kind - AllKinds().data())];
  if (objects == nullptr) {
    objects = std::make_shared<Objects>();
  } else if (objects.use_count() > 1) {
    objects = std::make_shared<Objects>(*objects);
  }
  return *objects;
}

void ResourceSet::Put(ResourcePtr resource) {
  const Kind& kind = *FindKind(resource->GetDescriptor());
  const v1::ObjectMeta& metadata = MetadataOf(*resource);
  Name name{kind.cluster_scoped ? "" : metadata.namespace_(), metadata.name()};
  MutableObjectsOf(kind).insert_or_assign(std::move(name), std::move(resource));
}

bool ResourceSet::Remove(const ResourceKey& key) {
  const Kind* const kind = FindKind(key.group, key.kind);
  const NameView name{key.namespace_name, key.name};
  if (kind == nullptr || !ObjectsOf(*kind).contains(name)) return false;
  Objects& objects = MutableObjectsOf(*kind);
  objects.erase(objects.find(name));
  return true;
}

ResourcePtr ResourceSet::Find(const ResourceKey& key) const {
  if (observer_ != nullptr) observer_->OnFind(key);
  const Kind* const kind = FindKind(key.group, key.kind);
  if (kind == nullptr) return nullptr;
  const Objects& objects = ObjectsOf(*kind);
  const auto found = objects.find(NameView{key.namespace_name, key.name});
  return found == objects.end() ? nullptr : found->second;
}

const google::protobuf::Message* ResourceSet::FindOf(
    const google::protobuf::Descriptor* descriptor, std::string_view namespace_name,
    std::string_view name) const {
  const Kind& kind = *FindKind(descriptor);
  const std::string_view in_namespace = kind.cluster_scoped ? std::string_view() : namespace_name;
  if (observer_ != nullptr) {
    observer_->OnFind({kind.group, kind.name, std::string(in_namespace), std::string(name)});
  }
  const Objects& objects = ObjectsOf(kind);
  const auto found = objects.find(NameView{in_namespace, name});
  return found == objects.end() ? nullptr : found->second.get();
}

const ResourceSet::Objects& ResourceSet::List(
    const google::protobuf::Descriptor* descriptor) const {
  const Kind& kind = *FindKind(descriptor);
  if (observer_ != nullptr) observer_->OnList(kind.group, kind.name);
  return ObjectsOf(kind);
}

std::vector<ResourcePtr> ResourceSet::OfKind(std::string_view group, std::string_view kind_name,
                                             std::string_view namespace_name) const {
  std::vector<ResourcePtr> found;
  const Kind* const kind = FindKind(group, kind_name);
  if (kind == nullptr) return found;
  const Objects& objects = List(kind->descriptor);
  for (auto it = objects.lower_bound(NameView{namespace_name, ""}); it != objects.end(); ++it) {
    if (!namespace_name.empty() && it->first.namespace_name != namespace_name) break;
    found.push_back(it->second);
  }
  return found;
}

std::vector<ResourcePtr> ResourceSet::InNamespace(std::string_view namespace_name) const {
  std::vector<ResourcePtr> found;
  for (const Kind& kind : AllKinds()) {
    if (kind.cluster_scoped) continue;
    const std::vector<ResourcePtr> of_kind = OfKind(kind.group, kind.name, namespace_name);
    found.insert(found.end(), of_kind.begin(), of_kind.end());
  }
  return found;
}

std::map<ResourceKey, ResourcePtr> ResourceSet::resources() const {
  std::map<ResourceKey, ResourcePtr> all;
  for (const Kind& kind : AllKinds()) {
    for (const auto& [name, object] : ObjectsOf(kind)) all.emplace(KeyOf(*object), object);
  }
  return all;
}

ResourceSet ResourceSet::ObservedBy(ReadObserver& observer) const {
  ResourceSet observed = *this;
  observed.observer_ = &observer;
  return observed;
}

void ResourceSet::Compare(const ResourceSet& before, const ResourceSet& after,
                          const Difference& difference) {
  const NameLess less{};
  for (const Kind& kind : AllKinds()) {
    const Objects& a = before.ObjectsOf(kind);
    const Objects& b = after.ObjectsOf(kind);
    if (&a == &b) continue;
    auto left = a.begin();
    auto right = b.begin();
    while (left != a.end() || right != b.end()) {
      // Nearly always: then the names need not be compared.
      if (left != a.end() && right != b.end() && left->second == right->second) {
        ++left;
        ++right;
        continue;
      }
      const bool in_a = right == b.end() || (left != a.end() && !less(right->first, left->first));
      const bool in_b = left == a.end() || (right != b.end() && !less(left->first, right->first));
      const ResourcePtr old_object = in_a ? left->second : nullptr;
      const ResourcePtr new_object = in_b ? right->second : nullptr;
      if (old_object != new_object) {
        difference(KeyOf(in_a ? *old_object : *new_object), old_object, new_object);
      }
      if (in_a) ++left;
      if (in_b) ++right;
    }
  }
}

}  // namespace apk
