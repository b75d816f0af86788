// Which events a watch gives, and when it ends.
#include "control-plane/kubernetes_api/watch.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "apk/v1/core.pb.h"
#include "common/strings.h"
#include "control-plane/kubernetes_api/reply.h"

namespace apk {
namespace {

using Json = nlohmann::ordered_json;

std::shared_ptr<v1::Namespace> Space(const std::string& name, const std::string& label = "") {
  auto space = std::make_shared<v1::Namespace>();
  space->mutable_metadata()->set_name(name);
  if (!label.empty()) (*space->mutable_metadata()->mutable_labels())["l"] = label;
  return space;
}

Change Changed(uint64_t revision, v1::WatchEvent::Type type, const ResourcePtr& object,
               const ResourcePtr& before = nullptr) {
  return {.revision = revision,
          .type = type,
          .key = KeyOf(*object),
          .object = object,
          .before = before};
}

Configuration::View ViewOf(uint64_t revision, const std::vector<ResourcePtr>& objects) {
  ResourceSet set;
  for (const ResourcePtr& object : objects) set.Put(object);
  return {.revision = revision, .resources = std::make_shared<const ResourceSet>(std::move(set))};
}

absl::StatusOr<std::unique_ptr<Watch>> Begin(const Configuration::View& view,
                                             const std::string& query) {
  const ApiTarget target = *ParseTarget(Concat("/api/v1/namespaces?watch=true&", query));
  return Watch::Begin(view, *ParseResourcePath(target), target, "application/json");
}

// "ADDED a, DELETED b"
std::string Events(const std::string& lines) {
  std::vector<std::string> shown;
  for (const std::string_view line : Split(lines, '\n')) {
    if (line.empty()) continue;
    const Json event = Json::parse(line);
    const Json& object = event["object"];
    shown.push_back(Concat(event["type"].get<std::string>(), " ",
                           event["type"] == "ERROR" ? object["reason"].get<std::string>()
                                                    : object["metadata"].value("name", "")));
  }
  return Join(shown, ", ");
}

TEST(Watch, BeginsWithWhatIsThereUnlessARevisionIsGiven) {
  ChangeFeed feed;
  const auto view = ViewOf(5, {Space("a"), Space("b")});
  EXPECT_EQ(Events((*Begin(view, ""))->Next(feed)), "ADDED a, ADDED b");
  EXPECT_EQ(Events((*Begin(view, "resourceVersion=5"))->Next(feed)), "");
  EXPECT_EQ(Events((*Begin(view, "fieldSelector=metadata.name%3Db"))->Next(feed)), "ADDED b");
}

TEST(Watch, ABookmarkSaysThatAllThatWasThereIsSent) {
  ChangeFeed feed;
  const auto watch =
      Begin(ViewOf(5, {Space("a")}), "sendInitialEvents=true&allowWatchBookmarks=true");
  const std::string lines = (*watch)->Next(feed);
  EXPECT_EQ(Events(lines), "ADDED a, BOOKMARK ");
  EXPECT_NE(lines.find("\"k8s.io/initial-events-end\":\"true\""), std::string::npos);
}

TEST(Watch, GoesOnWithChanges) {
  ChangeFeed feed;
  feed.BeginAfter(5);
  const auto watch = Begin(ViewOf(5, {Space("a")}), "resourceVersion=5");
  feed.Append({Changed(6, v1::WatchEvent::MODIFIED, Space("a")),
               Changed(6, v1::WatchEvent::ADDED, Space("b"))});
  feed.Append({Changed(7, v1::WatchEvent::DELETED, Space("a"))});
  EXPECT_EQ(Events((*watch)->Next(feed)), "MODIFIED a, ADDED b, DELETED a");
  EXPECT_EQ((*watch)->Next(feed), "");
  EXPECT_FALSE((*watch)->ended());
}

TEST(Watch, LabelsThatCeaseToMatchAreADeletion) {
  ChangeFeed feed;
  const auto watch = Begin(ViewOf(5, {Space("a", "1"), Space("b")}), "labelSelector=l%3D1");
  EXPECT_EQ(Events((*watch)->Next(feed)), "ADDED a");
  feed.Append({Changed(6, v1::WatchEvent::MODIFIED, Space("a"), Space("a", "1"))});
  feed.Append({Changed(7, v1::WatchEvent::MODIFIED, Space("b", "1"), Space("b"))});
  feed.Append({Changed(8, v1::WatchEvent::MODIFIED, Space("b", "1"), Space("b", "1"))});
  feed.Append({Changed(9, v1::WatchEvent::MODIFIED, Space("a", "2"), Space("a"))});
  EXPECT_EQ(Events((*watch)->Next(feed)), "DELETED a, ADDED b, MODIFIED b");
}

TEST(Watch, WhatWentBeforeItBeganIsADeletionToo) {
  ChangeFeed feed;
  feed.BeginAfter(5);
  feed.Append({Changed(6, v1::WatchEvent::DELETED, Space("a", "1"), Space("a", "1"))});
  const auto watch = Begin(ViewOf(6, {}), "labelSelector=l%3D1&resourceVersion=5");
  EXPECT_EQ(Events((*watch)->Next(feed)), "DELETED a");
}

TEST(Watch, EndsWhereChangesAreNoLongerKept) {
  ChangeFeed feed;
  feed.BeginAfter(5);
  const auto watch = Begin(ViewOf(5, {}), "resourceVersion=4");
  EXPECT_EQ(Events((*watch)->Next(feed)), "ERROR Expired");
  EXPECT_TRUE((*watch)->ended());
}

TEST(Watch, RefusesWhatIsStillToCome) {
  const auto watch = Begin(ViewOf(5, {}), "resourceVersion=6");
  ASSERT_FALSE(watch.ok());
  EXPECT_EQ(StatusObject(watch.status())["code"], 504);
  EXPECT_FALSE(Begin(ViewOf(5, {}), "resourceVersion=x").ok());
  EXPECT_FALSE(Begin(ViewOf(5, {}), "fieldSelector=spec.x%3D1").ok());
}

}  // namespace
}  // namespace apk
