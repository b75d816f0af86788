// Bodies between client, backend and mirrors: slice by slice, at the pace of the primary alone.
#pragma once

#include <boost/asio/basic_waitable_timer.hpp>
#include <chrono>

#include "data-plane/forward/exchange_deadlines.h"
#include "data-plane/forward/mirror_tee.h"
#include "data-plane/session/exchange.h"

namespace apk {

// The request's body on its way up. What does not fit at once goes up in a coroutine of its own, so
// that an answer that comes early is not held up by a long upload.
class RequestBody {
 public:
  RequestBody(asio::io_context& io, ServerExchange& exchange, MirrorTee& mirrors);

  // True where there is no body: nothing of the request is lost when it is sent again.
  bool empty() const;
  // Writes what is there, together with the head that `upstream` holds back.
  WriteStatus Begin(ClientExchange& upstream);
  // Goes on from there, the mirrors included; returns at once. `deadlines` is read until Stop
  // returns.
  void Continue(H1ClientConnection& upstream, WriteStatus begun,
                const ExchangeDeadlines& deadlines);
  // For a rule without backend: the mirrors get the body all the same.
  Task<> FeedMirrorsOnly();
  // After the response: what is still coming is read away for a moment. Then nothing is at work
  // here.
  Task<> Stop();
  bool finished() const { return finished_; }

 private:
  Task<> Upload(H1ClientConnection* upstream, WriteStatus status,
                const ExchangeDeadlines* deadlines);
  Task<> Discard();
  void Tee();

  asio::io_context& io_;
  ServerExchange& exchange_;
  MirrorTee& mirrors_;
  BodySlice slice_;
  bool finished_ = false;  // All of it went up.
  bool running_ = false;
  bool stopping_ = false;
  bool failed_ = false;  // The client's side broke.
  asio::basic_waitable_timer<std::chrono::steady_clock,
                             asio::wait_traits<std::chrono::steady_clock>, Executor>* waiter_ =
      nullptr;
};

// The response's body on its way down. False when either side broke; what was sent then is cut off.
Task<bool> CopyResponseBody(H1ClientConnection* upstream, ServerExchange* exchange,
                            const ExchangeDeadlines* deadlines);

}  // namespace apk
