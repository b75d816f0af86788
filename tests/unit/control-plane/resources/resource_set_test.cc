// Sets are values: copies share, and what one changes the other does not see.
#include "control-plane/resources/resource_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apk/v1/core.pb.h"

namespace apk {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

ResourcePtr MakeMap(const std::string& namespace_name, const std::string& name) {
  auto object = std::make_shared<v1::ConfigMap>();
  object->mutable_metadata()->set_namespace_(namespace_name);
  object->mutable_metadata()->set_name(name);
  return object;
}

ResourceKey Key(const std::string& namespace_name, const std::string& name) {
  return {"", "ConfigMap", namespace_name, name};
}

std::vector<std::string> Names(const ResourceSet& set) {
  std::vector<std::string> names;
  for (const v1::ConfigMap* const map : set.All<v1::ConfigMap>()) {
    names.push_back(map->metadata().namespace_() + "/" + map->metadata().name());
  }
  return names;
}

TEST(ResourceSet, SortsByNamespaceThenName) {
  ResourceSet set;
  for (const auto& [space, name] :
       {std::pair{"b", "a"}, std::pair{"a", "b"}, std::pair{"a-b", "a"}, std::pair{"a", "a"}}) {
    set.Put(MakeMap(space, name));
  }
  EXPECT_THAT(Names(set), ElementsAre("a/a", "a/b", "a-b/a", "b/a"));
  EXPECT_EQ(set.OfKind("", "ConfigMap", "a").size(), 2u);
  EXPECT_EQ(set.InNamespace("a").size(), 2u);
  EXPECT_THAT(set.OfKind("", "NoKind"), IsEmpty());
}

TEST(ResourceSet, ACopyDoesNotSeeWhatTheOtherChanges) {
  ResourceSet first;
  first.Put(MakeMap("a", "x"));
  ResourceSet second = first;
  second.Put(MakeMap("a", "y"));
  first.Remove(Key("a", "x"));
  EXPECT_THAT(Names(first), IsEmpty());
  EXPECT_THAT(Names(second), ElementsAre("a/x", "a/y"));
  EXPECT_FALSE(first.Remove(Key("a", "x")));
}

TEST(ResourceSet, ComparesByIdentity) {
  ResourceSet before;
  before.Put(MakeMap("a", "gone"));
  before.Put(MakeMap("a", "changed"));
  before.Put(MakeMap("a", "same"));
  ResourceSet after = before;
  after.Remove(Key("a", "gone"));
  after.Put(MakeMap("a", "changed"));
  after.Put(MakeMap("b", "new"));
  std::vector<std::string> found;
  ResourceSet::Compare(before, after,
                       [&found](const ResourceKey& key, const ResourcePtr& a, const ResourcePtr& b) {
                         found.push_back(key.name + (a ? " before" : "") + (b ? " after" : ""));
                       });
  EXPECT_THAT(found, ElementsAre("changed before after", "gone before", "new after"));
}

class Reads : public ReadObserver {
 public:
  void OnFind(const ResourceKey& key) override { finds.push_back(key.ToString()); }
  void OnList(const std::string&, const std::string& kind) override { lists.push_back(kind); }
  std::vector<std::string> finds;
  std::vector<std::string> lists;
};

TEST(ResourceSet, TellsAnObserverWhatIsRead) {
  ResourceSet set;
  set.Put(MakeMap("a", "x"));
  Reads reads;
  const ResourceSet observed = set.ObservedBy(reads);
  observed.Find<v1::ConfigMap>("a", "x");
  observed.Find(Key("a", "missing"));
  observed.Find<v1::Namespace>("ignored", "n");
  observed.All<v1::Secret>();
  EXPECT_THAT(reads.finds, ElementsAre("ConfigMap a/x", "ConfigMap a/missing", "Namespace n"));
  EXPECT_THAT(reads.lists, ElementsAre("Secret"));
}

}  // namespace
}  // namespace apk
