// One client's watch: which events it gets, as lines of JSON. It keeps no events of its own: what
// it has not sent yet is in the feed, and one that falls behind the feed's window ends with 410.
#pragma once

#include <absl/status/statusor.h>

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "control-plane/admin/change_feed.h"
#include "control-plane/admin/configuration.h"
#include "control-plane/kubernetes_api/list_options.h"

namespace apk {

class Watch {
 public:
  // Errors are those of a list; 504 where the revision asked for is still to come.
  static absl::StatusOr<std::unique_ptr<Watch>> Begin(const Configuration::View& view,
                                                      const ResourcePath& path,
                                                      const ApiTarget& target,
                                                      const std::string& accept);

  // Asked before each batch of events: whatever is not OK ends the watch.
  void Ask(std::function<absl::Status()> may_go_on) { may_go_on_ = std::move(may_go_on); }
  // The next events, about 64 KiB of them; "" where there are none for now. Does not wait.
  std::string Next(ChangeFeed& feed);
  // Tells how far the client has come; "" where it doesn't want that.
  std::string Bookmark() const;
  // The last event, which says why it ends.
  std::string End(const absl::Status& why);
  // The last event was an error.
  bool ended() const { return ended_; }
  std::chrono::seconds timeout() const { return timeout_; }

 private:
  Watch(ListOptions options, bool as_table) : options_(std::move(options)), as_table_(as_table) {}

  std::string Event(const char* type, const ResourcePtr& object) const;
  std::string BookmarkEvent(bool initial_events_end) const;
  // "" where the change is none of this watch's.
  std::string EventOf(const Change& change) const;

  const ListOptions options_;
  const bool as_table_;
  std::function<absl::Status()> may_go_on_;
  bool bookmarks_ = false;
  bool ended_ = false;
  std::chrono::seconds timeout_{0};
  std::string include_object_;
  uint64_t revision_ = 0;  // All changes up to it were sent or are none of this watch's.
  std::deque<ResourcePtr> initial_;
  bool initial_bookmark_ = false;  // To be sent after the last of them.
};

}  // namespace apk
