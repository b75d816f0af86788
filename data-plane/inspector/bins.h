// All bins by token, and who waits for their changes. One thread: that of the io_context.
#pragma once

#include <absl/status/statusor.h>

#include <boost/asio/steady_timer.hpp>
#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data-plane/inspector/bin.h"

namespace apk::inspector {

// A bin that can be watched. Held by shared_ptr: a watcher keeps it while its bin is removed.
struct LiveBin {
  explicit LiveBin(BinLimits limits) : bin(limits) {}

  // Ends the waiting of all watchers' timers.
  void NotifyChanged() {
    for (boost::asio::steady_timer* const timer : watchers) timer->cancel();
  }

  Bin bin;
  bool removed = false;
  std::vector<boost::asio::steady_timer*> watchers;
};

// Registers a timer with a bin for as long as it lives.
class Watch {
 public:
  Watch(std::shared_ptr<LiveBin> bin, boost::asio::steady_timer& timer)
      : bin_(std::move(bin)), timer_(&timer) {
    bin_->watchers.push_back(timer_);
  }
  ~Watch() { std::erase(bin_->watchers, timer_); }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

 private:
  std::shared_ptr<LiveBin> bin_;
  boost::asio::steady_timer* timer_;
};

struct BinsOptions {
  size_t bins_max = 64;
  bool accept_unknown = true;  // A request with a new token makes its bin.
  bool mask_secrets = true;
  BinLimits limits;
};

class Bins {
 public:
  explicit Bins(BinsOptions options) : options_(options) {}

  std::shared_ptr<LiveBin> Find(std::string_view token) const;  // Null when there is none.
  // The bin of that name, made if need be. Errors: not a token, too many bins.
  absl::StatusOr<std::shared_ptr<LiveBin>> Create(std::string_view token);
  bool Remove(std::string_view token);

  // Masks and keeps a request by the token in its target. Errors: no token (INVALID_ARGUMENT),
  // unknown token (NOT_FOUND), too many bins (RESOURCE_EXHAUSTED).
  absl::Status Capture(CapturedRequest request);

  const std::map<std::string, std::shared_ptr<LiveBin>, std::less<>>& all() const { return bins_; }
  const BinsOptions& options() const { return options_; }

 private:
  const BinsOptions options_;
  std::map<std::string, std::shared_ptr<LiveBin>, std::less<>> bins_;
};

}  // namespace apk::inspector
