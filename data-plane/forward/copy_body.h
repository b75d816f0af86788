// Bodies between client, backend and mirrors: slice by slice, at the pace of the primary alone.
#pragma once

#include <chrono>

#include "data-plane/forward/exchange_deadlines.h"
#include "data-plane/forward/mirror_tee.h"
#include "data-plane/net/timer.h"
#include "data-plane/session/exchange.h"

namespace apk {

// How a client let its request's body down.
enum class ClientFault : uint8_t { kNone, kMalformed, kTooLarge, kTooSlow, kGone };

// The request's body on its way up. What does not fit at once goes up in a coroutine of its own, so
// that an answer that comes early is not held up by a long upload.
class RequestBody {
 public:
  // `bytes_max` is what a body may have; 0: no limit.
  RequestBody(asio::io_context& io, ServerExchange& exchange, MirrorTee& mirrors,
              uint64_t bytes_max);

  // True where there is no body: nothing of the request is lost when it is sent again.
  bool empty() const;
  // Its length was said, and is too large.
  bool too_large() const;
  // Keeps what goes up, if it is no more than `bytes_max`, for another try. Call before Begin.
  void KeepForReplay(size_t bytes_max) { keep_bytes_max_ = bytes_max; }
  // Another try would send all of it: nothing was read so far, or all is kept.
  bool CanReplay() const { return !begun_ || whole_; }
  // Writes what is there, together with the head that `upstream` holds back. Once a try: the ones
  // after the first get what was kept.
  WriteStatus Begin(ClientExchange& upstream);
  // Goes on from there, the mirrors included; returns at once. Both are used until Stop or Settle
  // returns.
  void Continue(ClientExchange& upstream, WriteStatus begun, UpstreamGuard& guard);
  // Where no backend gets the request: the mirrors get it all the same.
  Task<> FeedMirrorsOnly();
  // After the response: what is still coming is read away for a moment. Then nothing is at work
  // here.
  Task<> Stop();
  // Before another try, when the upstream was given up: waits until nothing is at work here.
  Task<> Settle();
  bool running() const { return running_; }    // Stop and Settle have something to wait for.
  bool finished() const { return finished_; }  // All of it went up.
  ClientFault fault() const { return fault_; }
  uint64_t bytes() const { return bytes_; }  // Read so far.

 private:
  Task<> Upload(ClientExchange* upstream, WriteStatus status, UpstreamGuard* guard);
  // The next slice, however long it takes; false, with fault_ set, where it does not come.
  Task<bool> NextSlice();
  // Takes what the exchange gives now; false, with fault_ set, where it is broken or too much.
  bool TakeSlice();
  Task<> Discard();
  void Tee();
  void Keep();

  asio::io_context& io_;
  ServerExchange& exchange_;
  MirrorTee& mirrors_;
  const uint64_t bytes_max_;
  uint64_t bytes_ = 0;
  BodySlice slice_;
  size_t keep_bytes_max_ = 0;
  std::string kept_;
  bool begun_ = false;
  bool whole_ = false;      // kept_ is the whole body.
  bool replaying_ = false;  // This try sends kept_.
  bool teed_ = false;       // What was read went to the mirrors.
  bool finished_ = false;
  bool running_ = false;
  bool stopping_ = false;
  ClientFault fault_ = ClientFault::kNone;
  Timer* waiter_ = nullptr;
};

// The response's body on its way down, behind the head that `exchange` holds back.
class ResponseBody {
 public:
  ResponseBody(ClientExchange& upstream, ServerExchange& exchange, UpstreamGuard& guard)
      : upstream_(upstream), exchange_(exchange), guard_(guard) {}

  // Whom it waits for, or how it ended; after kFailed what was sent is cut off.
  enum class Step : uint8_t { kDone, kFailed, kBackend, kClient };

  // Looks at what is there of it, before the head is written; false where that is broken already.
  bool Begin();
  // As far as it goes without waiting. REQUIRES: Begin.
  Step Advance();
  // From there to the end; false where it failed.
  Task<bool> Copy(Step step);
  uint64_t bytes() const { return bytes_; }  // Given to the client so far.
  // Where it failed: the backend did not send all of it, or not in time.
  bool backend_failed() const { return backend_failed_; }

 private:
  ClientExchange& upstream_;
  ServerExchange& exchange_;
  UpstreamGuard& guard_;
  BodySlice slice_;  // The next one to write, where looked_.
  uint64_t bytes_ = 0;
  bool looked_ = false;
  bool head_flushed_ = false;
  bool last_ = false;  // The last slice was written.
  bool backend_failed_ = false;
};

}  // namespace apk
