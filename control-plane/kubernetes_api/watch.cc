// An object whose labels begin or cease to match comes or goes, as far as this client can see.
#include "control-plane/kubernetes_api/watch.h"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <nlohmann/json.hpp>
#include <optional>

#include "common/status_macros.h"
#include "common/strings.h"
#include "control-plane/kubernetes_api/object_form.h"
#include "control-plane/kubernetes_api/reply.h"
#include "control-plane/kubernetes_api/table.h"

namespace apk {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kBatchBytes = 64 * 1024;
constexpr size_t kBatchChanges = 64;
constexpr std::chrono::seconds kTimeoutMax{3600};

std::string Line(const Json& event) { return Dump(event) + "\n"; }

absl::StatusOr<uint64_t> NumberIn(const ApiTarget& target, const char* name, uint64_t otherwise) {
  const std::string text = target.Query(name);
  if (text.empty()) return otherwise;
  uint64_t number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && rest == text.data() + text.size()) return number;
  return absl::InvalidArgumentError(Concat(name, ": \"", text, "\" is no number"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Watch>> Watch::Begin(const Configuration::View& view,
                                                    const ResourcePath& path,
                                                    const ApiTarget& target,
                                                    const std::string& accept) {
  ASSIGN_OR_RETURN(ListOptions options, ParseListOptions(path, target));
  ASSIGN_OR_RETURN(const uint64_t from, NumberIn(target, "resourceVersion", 0));
  ASSIGN_OR_RETURN(const uint64_t timeout, NumberIn(target, "timeoutSeconds", kTimeoutMax.count()));
  if (from > view.revision) {
    return ApiError(504, "Timeout",
                    Concat("Too large resource version: ", std::to_string(from),
                           ", current: ", std::to_string(view.revision)));
  }
  auto watch = std::unique_ptr<Watch>(new Watch(std::move(options), WantsTable(accept)));
  watch->bookmarks_ = target.Flag("allowWatchBookmarks");
  watch->include_object_ = target.Query("includeObject");
  watch->timeout_ = std::min(kTimeoutMax, std::chrono::seconds(timeout));
  const bool initial_events = target.Flag("sendInitialEvents") || from == 0;
  watch->initial_bookmark_ = target.Flag("sendInitialEvents") && watch->bookmarks_;
  watch->revision_ = initial_events ? view.revision : from;
  for (ResourcePtr& object :
       view.resources->OfKind(path.kind->group, path.kind->name, path.namespace_name)) {
    if (!watch->options_.Selects(*object)) continue;
    if (initial_events) watch->initial_.push_back(std::move(object));
  }
  return watch;
}

std::string Watch::Event(const char* type, const ResourcePtr& object) const {
  if (!as_table_) {
    return Line({{"type", type}, {"object", ToVersion(*object, options_.path.version)}});
  }
  ApiTableOptions table;
  table.version = options_.path.version;
  if (!include_object_.empty()) table.include_object = include_object_;
  table.resource_version = MetadataOf(*object).resource_version();
  table.now_unix_seconds = std::time(nullptr);
  return Line({{"type", type}, {"object", MakeTable(*options_.path.kind, {object}, table)}});
}

std::string Watch::BookmarkEvent(bool initial_events_end) const {
  const Kind& kind = *options_.path.kind;
  Json metadata{{"resourceVersion", std::to_string(revision_)}};
  if (initial_events_end) metadata["annotations"] = {{"k8s.io/initial-events-end", "true"}};
  const Json object{{"kind", kind.name},
                    {"apiVersion", ApiVersionOf(kind, options_.path.version)},
                    {"metadata", std::move(metadata)}};
  return Line({{"type", "BOOKMARK"}, {"object", object}});
}

std::string Watch::Bookmark() const {
  return bookmarks_ && !as_table_ && initial_.empty() ? BookmarkEvent(false) : "";
}

std::string Watch::EventOf(const Change& change) const {
  if (!options_.Names(change.key)) return "";
  const bool deleted = change.type == v1::WatchEvent::DELETED;
  if (!options_.selects_labels) {
    return Event(deleted                                ? "DELETED"
                 : change.type == v1::WatchEvent::ADDED ? "ADDED"
                                                        : "MODIFIED",
                 change.object);
  }
  const bool matched = change.before != nullptr && options_.Selects(*change.before);
  const bool matches = !deleted && options_.Selects(*change.object);
  if (matches) return Event(matched ? "MODIFIED" : "ADDED", change.object);
  return matched ? Event("DELETED", change.object) : "";
}

std::string Watch::End(const absl::Status& why) {
  ended_ = true;
  return Line({{"type", "ERROR"}, {"object", StatusObject(why)}});
}

std::string Watch::Next(ChangeFeed& feed) {
  if (const absl::Status may = may_go_on_ ? may_go_on_() : absl::OkStatus(); !may.ok()) {
    return End(may);
  }
  std::string text;
  while (!initial_.empty() && text.size() < kBatchBytes) {
    text += Event("ADDED", initial_.front());
    initial_.pop_front();
  }
  if (!initial_.empty()) return text;
  if (initial_bookmark_) text += BookmarkEvent(true);
  initial_bookmark_ = false;
  while (!ended_ && text.size() < kBatchBytes) {
    const auto changes = feed.After(revision_, std::chrono::milliseconds(0), kBatchChanges);
    if (!changes.has_value()) {
      text += End(absl::OutOfRangeError(Concat(
          "too old resource version: ", std::to_string(revision_), ": list, then watch anew")));
    } else if (changes->empty()) {
      break;
    } else {
      for (const Change& change : *changes) text += EventOf(change);
      revision_ = changes->back().revision;
    }
  }
  return text;
}

}  // namespace apk
