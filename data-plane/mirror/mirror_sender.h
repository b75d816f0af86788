// Sends copies: own thread (nice), own connections, own deadlines. Everything here but the doors
// belongs to that thread.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <memory>
#include <utility>
#include <vector>

#include "common/thread.h"
#include "data-plane/mirror/mirror_channel.h"
#include "data-plane/net/timer.h"

namespace apk {

class MirrorSender {
 public:
  // A channel that was not used for so long is let go.
  static constexpr std::chrono::seconds kChannelRest{60};

  // `budget`, the doors and the counters that copies name outlive the sender; doors are added before
  // Start.
  MirrorSender(const MirrorLimits& limits, MirrorBudget& budget);
  ~MirrorSender();

  void AddDoor(MirrorDoor* door) { doors_.push_back(door); }
  // Thread-safe, returns at once: for MirrorDoor's `wake`.
  void Wake();
  void Start();
  // Lets copies under way finish for the grace time, drops the rest, joins the thread.
  void Stop();

 private:
  void Drain();
  void Take(MirrorEvent& event);
  void Begin(MirrorCopyPtr copy);
  void AddToBody(const MirrorCopyPtr& copy, BodyChunk chunk);
  void CompleteBody(const MirrorCopyPtr& copy);
  // Ends copies that an event of did not fit through their door.
  void DropLost();
  void DropAll();
  // Only uploads are known here; the rest is their channel's.
  void ForgetFinished();
  MirrorChannel& ChannelFor(const MirrorCopy& copy);
  void SubmitTo(MirrorChannel& channel, MirrorCopyPtr copy);

  Task<> Sweep();
  void SweepChannels(TimePoint now);
  bool Idle() const;

  const MirrorLimits limits_;
  MirrorBudget& budget_;
  std::vector<MirrorDoor*> doors_;
  asio::io_context io_{1};
  DeadlineList deadlines_;
  Dialer dialer_;
  const H2Limits h2_limits_{.connection_window = 8 * 1024 * 1024,
                            .idle_timeout = limits_.idle_timeout};
  const MirrorThread shared_;
  Poller& poller_;
  Timer sweep_timer_;
  // By mirror and connection key.
  absl::flat_hash_map<std::pair<MirrorGauges*, uint64_t>, std::unique_ptr<MirrorChannel>> channels_;
  std::vector<MirrorChannel*> submitted_;  // Those in which copies wait for this round's end.
  absl::flat_hash_set<MirrorCopyPtr> uploads_;  // Whose body is still coming.
  bool stopping_ = false;
  TimePoint stop_at_ = kNoDeadline;
  Thread thread_;
};

}  // namespace apk
