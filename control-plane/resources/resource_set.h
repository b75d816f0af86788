// What users wrote, all of it: a value. Copies share the objects, which never change once they are
// in, and share what they have of each kind until one of them changes it: a copy is cheap.
#pragma once

#include <google/protobuf/message.h>

#include <compare>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "apk/v1/meta.pb.h"
#include "control-plane/resources/kind_registry.h"

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

// Is told of what is read from a set, for who wants to know what a result depends on.
class ReadObserver {
 public:
  virtual ~ReadObserver() = default;
  virtual void OnFind(const ResourceKey& key) = 0;                            // Found or not.
  virtual void OnList(const std::string& group, const std::string& kind) = 0;  // All of a kind.
};

class ResourceSet {
 public:
  // Adds or replaces.
  void Put(ResourcePtr resource);
  // False where there was none.
  bool Remove(const ResourceKey& key);

  // nullptr where there is none.
  ResourcePtr Find(const ResourceKey& key) const;
  template <class T>
  const T* Find(std::string_view namespace_name, std::string_view name) const {
    return static_cast<const T*>(FindOf(T::descriptor(), namespace_name, name));
  }

  // Sorted by namespace, name. The pointers live as long as this set or a copy holds the objects.
  template <class T>
  std::vector<const T*> All() const;
  std::vector<ResourcePtr> OfKind(std::string_view group, std::string_view kind,
                                  std::string_view namespace_name = {}) const;
  std::vector<ResourcePtr> InNamespace(std::string_view namespace_name) const;
  // Everything, sorted by key.
  std::map<ResourceKey, ResourcePtr> resources() const;

  // A copy whose reads `observer` is told of; it outlives the copy and the copy's copies.
  ResourceSet ObservedBy(ReadObserver& observer) const;
  void StopObserving() { observer_ = nullptr; }

  // What is not the very same object in both: before and after, nullptr where there is none.
  using Difference = std::function<void(const ResourceKey&, const ResourcePtr&, const ResourcePtr&)>;
  static void Compare(const ResourceSet& before, const ResourceSet& after,
                      const Difference& difference);

 private:
  struct Name {
    std::string namespace_name;
    std::string name;
  };
  struct NameView {
    std::string_view namespace_name;
    std::string_view name;
  };
  struct NameLess {
    using is_transparent = void;
    template <class A, class B>
    bool operator()(const A& a, const B& b) const {
      const int order = std::string_view(a.namespace_name).compare(b.namespace_name);
      return order != 0 ? order < 0 : std::string_view(a.name) < std::string_view(b.name);
    }
  };
  using Objects = std::map<Name, ResourcePtr, NameLess>;  // Of one kind.

  const google::protobuf::Message* FindOf(const google::protobuf::Descriptor* descriptor,
                                          std::string_view namespace_name,
                                          std::string_view name) const;
  const Objects& ObjectsOf(const Kind& kind) const;
  Objects& MutableObjectsOf(const Kind& kind);
  const Objects& List(const google::protobuf::Descriptor* descriptor) const;

  std::vector<std::shared_ptr<Objects>> kinds_;  // As in AllKinds(); shared between copies.
  ReadObserver* observer_ = nullptr;
};

template <class T>
std::vector<const T*> ResourceSet::All() const {
  const Objects& objects = List(T::descriptor());
  std::vector<const T*> all;
  all.reserve(objects.size());
  for (const auto& [name, object] : objects) all.push_back(static_cast<const T*>(object.get()));
  return all;
}

}  // namespace apk
