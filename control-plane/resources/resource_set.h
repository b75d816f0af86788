// What users wrote, all of it: a value. Copies share the objects, which never change once they are
// in.
#pragma once

#include <google/protobuf/message.h>

#include <compare>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "apk/v1/meta.pb.h"

namespace apk {

struct ResourceKey {
  std::string group;
  std::string kind;
  std::string namespace_name;  // "" for cluster-scoped kinds.
  std::string name;

  auto operator<=>(const ResourceKey&) const = default;
  // "HTTPRoute default/a", for messages.
  std::string ToString() const;
};

using ResourcePtr = std::shared_ptr<const google::protobuf::Message>;

// The metadata field that every kind has.
const v1::ObjectMeta& MetadataOf(const google::protobuf::Message& resource);
v1::ObjectMeta* MutableMetadataOf(google::protobuf::Message& resource);
// From the message's kind and metadata. REQUIRES: the message is of a known kind.
ResourceKey KeyOf(const google::protobuf::Message& resource);

class ResourceSet {
 public:
  // Adds or replaces.
  void Put(ResourcePtr resource);
  // False where there was none.
  bool Remove(const ResourceKey& key);

  // nullptr where there is none.
  ResourcePtr Find(const ResourceKey& key) const;
  template <class T>
  const T* Find(std::string_view namespace_name, std::string_view name) const;

  // Sorted by namespace, name. The pointers live as long as this set or a copy holds the objects.
  template <class T>
  std::vector<const T*> All() const;
  std::vector<ResourcePtr> OfKind(std::string_view group, std::string_view kind,
                                  std::string_view namespace_name = {}) const;

  const std::map<ResourceKey, ResourcePtr>& resources() const { return resources_; }

 private:
  std::map<ResourceKey, ResourcePtr> resources_;
};

namespace internal {
ResourceKey KeyFor(const google::protobuf::Descriptor* descriptor, std::string_view namespace_name,
                   std::string_view name);
}

template <class T>
const T* ResourceSet::Find(std::string_view namespace_name, std::string_view name) const {
  return static_cast<const T*>(Find(internal::KeyFor(T::descriptor(), namespace_name, name)).get());
}

template <class T>
std::vector<const T*> ResourceSet::All() const {
  std::vector<const T*> all;
  const ResourceKey first = internal::KeyFor(T::descriptor(), {}, {});
  for (auto it = resources_.lower_bound(first);
       it != resources_.end() && it->first.group == first.group && it->first.kind == first.kind;
       ++it) {
    all.push_back(static_cast<const T*>(it->second.get()));
  }
  return all;
}

}  // namespace apk
