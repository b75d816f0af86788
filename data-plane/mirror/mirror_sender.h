// Sends copies: own thread (nice), own connections, own deadlines. Everything here but the doors
// belongs to that thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "common/thread.h"
#include "data-plane/mirror/circuit_breaker.h"
#include "data-plane/mirror/mirror_door.h"
#include "data-plane/net/dialer.h"
#include "data-plane/session/h1_client.h"

namespace apk {

struct MirrorLimits {
  size_t in_flight_max = 128;        // Per mirror; also its most connections.
  size_t waiting_copies_max = 1024;  // Per mirror.
  size_t waiting_bytes_max = 16 << 20;
  std::chrono::milliseconds timeout{5000};  // From the client's request to the mirror's answer.
  std::chrono::milliseconds connect_timeout{1000};
  std::chrono::milliseconds idle_timeout{30'000};
  uint64_t response_bytes_max =
      1 << 20;  // Read and thrown away; beyond it the connection is closed.
  std::chrono::milliseconds shutdown_grace{5000};
  int nice = 10;
};

class MirrorSender {
 public:
  // `doors` outlive the sender; they are added before Start.
  explicit MirrorSender(const MirrorLimits& limits, MirrorBudget& budget);
  ~MirrorSender();

  void AddDoor(MirrorDoor* door) { doors_.push_back(door); }
  // Thread-safe, returns at once: for MirrorDoor's `wake`.
  void Wake();
  void Start();
  // Lets copies under way finish for the grace time, drops the rest, joins the thread.
  void Stop();

 private:
  struct Pending;  // A copy on this side.
  struct Channel;  // One mirror's queue, connections and breaker.
  using PendingPtr = std::shared_ptr<Pending>;

  void Drain();
  void Take(MirrorEvent& event);
  void Enqueue(std::shared_ptr<MirrorCopy> copy);
  void Cancel(const std::shared_ptr<MirrorCopy>& copy, MirrorResult result);
  void Finish(Pending& pending, MirrorResult result);
  void ReleaseChunks(Pending& pending);
  Channel& ChannelFor(const MirrorCopy& copy);

  Task<> RunChannel(Channel* channel);
  Task<> SendCopy(Channel* channel, PendingPtr pending);
  Task<bool> Connect(Channel* channel, PendingPtr pending,
                     std::unique_ptr<H1ClientConnection>* connection);
  Task<bool> WriteCopy(PendingPtr pending, H1ClientConnection* connection);
  Task<MirrorResult> ReadAnswer(PendingPtr pending, H1ClientConnection* connection);
  Task<> Sweep();
  bool Idle() const;

  const MirrorLimits limits_;
  MirrorBudget& budget_;
  std::vector<MirrorDoor*> doors_;
  asio::io_context io_{1};
  DeadlineList deadlines_;
  Dialer dialer_;
  asio::basic_waitable_timer<std::chrono::steady_clock,
                             asio::wait_traits<std::chrono::steady_clock>, Executor>
      sweep_timer_;
  StringMap<std::unique_ptr<Channel>> channels_;
  absl::flat_hash_map<const MirrorCopy*, PendingPtr> pending_;
  bool stopping_ = false;
  TimePoint stop_at_ = kNoDeadline;
  Thread thread_;
};

}  // namespace apk
