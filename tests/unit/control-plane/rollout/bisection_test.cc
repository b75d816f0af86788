// Which changes are found by trying.
#include "control-plane/rollout/bisection.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "apk/v1/core.pb.h"

namespace apk {
namespace {

ResourcePtr Make(const std::string& name, const std::string& value, const std::string& version) {
  auto object = std::make_shared<v1::ConfigMap>();
  object->mutable_metadata()->set_name(name);
  object->mutable_metadata()->set_namespace_("default");
  object->mutable_metadata()->set_resource_version(version);
  (*object->mutable_data())["value"] = value;
  return object;
}

// What is tried until it has an end; nullopt where it is given up.
std::optional<std::set<uint32_t>> Find(uint32_t changes, const std::set<uint32_t>& bad,
                                       int* trials = nullptr) {
  v1::StoredBisection bisection;
  bisection.set_changes(changes);
  bool ended = Begin(1, bisection);
  for (int i = 0; !ended; ++i) {
    if (IsHopeless(bisection, 1)) return std::nullopt;
    EXPECT_LT(i, 200);
    if (trials != nullptr) ++*trials;
    // As TriedOf has it.
    uint32_t place = 0;
    bool accepted = true;
    for (uint32_t number = 0; number < changes; ++number) {
      const bool found = std::count(bisection.found().begin(), bisection.found().end(), number) > 0;
      if (!found && place++ < bisection.tried() && bad.contains(number)) accepted = false;
    }
    ended = Answered(accepted, bisection);
  }
  return std::set<uint32_t>(bisection.found().begin(), bisection.found().end());
}

TEST(Bisection, FindsWhatIsBad) {
  EXPECT_EQ(Find(1, {0}), std::set<uint32_t>{0});
  for (uint32_t changes = 2; changes < 12; ++changes) {
    for (uint32_t bad = 0; bad < changes; ++bad) {
      EXPECT_EQ(Find(changes, {bad}), std::set<uint32_t>{bad}) << changes;
      for (uint32_t other = 0; other < bad; ++other) {
        EXPECT_EQ(Find(changes, {bad, other}), (std::set<uint32_t>{bad, other})) << changes;
      }
    }
  }
  EXPECT_EQ(Find(5, {0, 1, 2, 3, 4}), (std::set<uint32_t>{0, 1, 2, 3, 4}));
}

TEST(Bisection, TriesFewTimes) {
  int trials = 0;
  EXPECT_EQ(Find(20'000, {12'345}, &trials), std::set<uint32_t>{12'345});
  EXPECT_LE(trials, 17);
}

TEST(Bisection, IsGivenUpWhereEverythingIsRefusedOrNobodyAnswers) {
  std::set<uint32_t> all;
  for (uint32_t i = 0; i < 100; ++i) all.insert(i);
  EXPECT_EQ(Find(100, all), std::nullopt);
  v1::StoredBisection bisection;
  bisection.set_changes(10);
  Begin(1000, bisection);
  // One time for all of it, whatever is answered.
  Answered(false, bisection);
  EXPECT_FALSE(IsHopeless(bisection, 31'000));
  EXPECT_TRUE(IsHopeless(bisection, 31'001));
  Return(true, bisection);
  EXPECT_FALSE(IsOver(bisection, 36'000));
  EXPECT_TRUE(IsOver(bisection, 36'001));
}

TEST(Bisection, ChangesAreThoseOfContentInTheOrderOfTheirRevisions) {
  ResourceSet before;
  ResourceSet after;
  before.Put(Make("same", "x", "1"));
  after.Put(Make("same", "x", "9"));
  before.Put(Make("gone", "x", "2"));
  before.Put(Make("late", "x", "3"));
  after.Put(Make("late", "y", "10"));
  after.Put(Make("early", "y", "9"));
  std::vector<std::string> names;
  for (const ResourceKey& key : ChangesBetween(before, after)) names.push_back(key.name);
  EXPECT_EQ(names, (std::vector<std::string>{"early", "late", "gone"}));
}

TEST(Bisection, WhatIsNotTriedIsAsItWas) {
  ResourceSet before;
  ResourceSet after;
  before.Put(Make("gone", "x", "1"));
  before.Put(Make("changed", "x", "1"));
  after.Put(Make("changed", "y", "2"));
  after.Put(Make("new", "y", "3"));
  const std::vector<ResourceKey> changes = ChangesBetween(before, after);  // changed, new, gone
  v1::StoredBisection bisection;
  bisection.set_changes(3);
  bisection.add_found(0);
  bisection.set_tried(1);
  const ResourceSet tried = TriedOf(bisection, before, after, changes);
  EXPECT_EQ(tried.Find<v1::ConfigMap>("default", "changed")->data().at("value"), "x");
  EXPECT_NE(tried.Find<v1::ConfigMap>("default", "new"), nullptr);
  EXPECT_NE(tried.Find<v1::ConfigMap>("default", "gone"), nullptr);
  // The way back is all as it was.
  Return(false, bisection);
  const ResourceSet back = TriedOf(bisection, before, after, changes);
  EXPECT_EQ(back.Find<v1::ConfigMap>("default", "changed")->data().at("value"), "x");
  EXPECT_EQ(back.Find<v1::ConfigMap>("default", "new"), nullptr);
  EXPECT_NE(back.Find<v1::ConfigMap>("default", "gone"), nullptr);
}

}  // namespace
}  // namespace apk
