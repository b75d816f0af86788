// Readiness of sockets, edge-triggered and remembered. Asio tries every read at once and mostly in vain;
// here a socket that was read empty is read again only after the kernel said that there is more, which
// saves a system call a read and answers "has anything come on this idle connection?" without one.
//
// Short messages that are sent while events are given out go out together when all events of the round are
// dealt with: a peer that sleeps is woken once and finds many messages, instead of being woken for each. To wake
// another processor is the dearest part of sending on one machine, and dear in a virtual one.
//
// One per io_context, as a service of it: an epoll of its own, whose descriptor Asio watches.
#pragma once

#include <boost/asio/async_result.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/post.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "data-plane/net/send_ring.h"
#include "data-plane/net/task.h"

struct epoll_event;

namespace apk {

// Holds the handler of one wait in place, without allocating.
class Waiter {
 public:
  Waiter() = default;
  ~Waiter() { Drop(); }
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  bool armed() const { return operations_ != nullptr; }

  // REQUIRES: not armed.
  template <class Handler>
  void Arm(Handler&& handler) {
    using Stored = std::decay_t<Handler>;
    static_assert(sizeof(Stored) <= kBytes);
    new (bytes_.data()) Stored(std::forward<Handler>(handler));
    operations_ = &kOperations<Stored>;
  }

  // Runs the handler at once; it may destroy this object. REQUIRES: armed.
  void Complete() { Take()->complete(bytes_.data()); }
  // The same with operation_aborted, later, from the loop. Nothing where it is not armed.
  void Cancel(const Executor& executor) {
    if (armed()) Take()->cancel(bytes_.data(), executor);
  }
  // Destroys the handler, and with it the coroutine that waits.
  void Drop() {
    if (armed()) Take()->drop(bytes_.data());
  }

 private:
  static constexpr size_t kBytes = 64;

  struct Operations {
    void (*complete)(void* bytes);
    void (*cancel)(void* bytes, const Executor& executor);
    void (*drop)(void* bytes);
  };

  template <class Stored>
  static Stored MoveOut(void* bytes) {
    Stored* const stored = std::launder(static_cast<Stored*>(bytes));
    Stored moved(std::move(*stored));
    stored->~Stored();
    return moved;
  }

  template <class Stored>
  static constexpr Operations kOperations = {
      [](void* bytes) { MoveOut<Stored>(bytes)(boost::system::error_code()); },
      [](void* bytes, const Executor& executor) {
        asio::post(executor, [handler = MoveOut<Stored>(bytes)]() mutable {
          std::move(handler)(make_error_code(asio::error::operation_aborted));
        });
      },
      [](void* bytes) { MoveOut<Stored>(bytes); }};

  const Operations* Take() { return std::exchange(operations_, nullptr); }

  alignas(std::max_align_t) std::array<std::byte, kBytes> bytes_;
  const Operations* operations_ = nullptr;
};

class Poller;

// A socket as the poller knows it. Owned by its stream.
struct PolledSocket {
  int descriptor = -1;
  bool readable = false;  // Something came that was not read yet.
  bool writable = true;   // Until the kernel refuses.
  bool ended = false;     // The peer closed or the connection broke: readable for good.
  Poller* poller = nullptr;
  bool held = false;   // The poller has bytes to send for it,
  std::string unsent;  // and these the kernel would not take yet.
  size_t index = 0;       // In the poller's list.
  Waiter read_waiter;
  Waiter write_waiter;
};

class Poller final : public asio::execution_context::service {
 public:
  using key_type = Poller;
  static inline asio::execution_context::id id;

  explicit Poller(asio::execution_context& context);
  ~Poller() override;

  static Poller& Of(const Executor& executor) {
    return asio::use_service<Poller>(executor.context());
  }

  // The socket is non-blocking and stays where it is in memory until Remove.
  void Add(PolledSocket& socket);
  void Remove(PolledSocket& socket);

  // Call before anything is sent: what was held goes first. False: the kernel has not taken all of it yet, wait
  // for write_waiter.
  bool ReadyToSend(PolledSocket& socket);
  // Takes a copy of a message, to be sent when the round ends; false where it must be sent now. That it fails is
  // seen by the next read or write. REQUIRES: ReadyToSend.
  bool Hold(PolledSocket& socket, std::string_view message);
  // Takes all of a message, and sends now or later what Hold and the kernel don't take at once; false where the
  // connection is broken. REQUIRES: ReadyToSend.
  bool Send(PolledSocket& socket, std::string_view message);
  // Sends what is held: call before work that takes long.
  void SendHeld();

  // While one lives, short messages are held; they go out as it ends. Events are given out in one; other
  // work that sends to many at once may make its own. REQUIRES: there is none yet.
  class Round {
   public:
    explicit Round(Poller& poller) : poller_(poller) { poller_.in_round_ = true; }
    ~Round() {
      poller_.in_round_ = false;
      poller_.SendHeld();
    }
    Round(const Round&) = delete;
    Round& operator=(const Round&) = delete;

   private:
    Poller& poller_;
  };

 private:
  void shutdown() override;
  void Arm();
  void Dispatch();

  asio::io_context& io_;
  int epoll_;
  std::vector<PolledSocket*> sockets_;
  epoll_event* batch_ = nullptr;  // While events are given out: those that are left.
  int batch_size_ = 0;
  bool armed_ = false;

  struct Held {
    PolledSocket* socket;
    size_t offset;  // Into held_bytes_.
    size_t size;
  };
  bool in_round_ = false;
  std::string held_bytes_;
  std::vector<Held> held_;
  std::unique_ptr<SendRing> ring_;  // nullptr: not needed yet, or there is none.
  bool ring_tried_ = false;
  asio::posix::basic_stream_descriptor<Executor> watch_;
};

// Awaits an event: `const auto [error] = co_await WaitFor(&socket.write_waiter);`
inline auto WaitFor(Waiter* waiter) {
  return asio::async_initiate<decltype(kTuple), void(boost::system::error_code)>(
      [](auto&& handler, Waiter* target) {
        target->Arm(std::forward<decltype(handler)>(handler));
      },
      kTuple, waiter);
}

// The same until there is something to read; where there is already, until the others had their turn.
inline auto WaitForReading(PolledSocket* socket) {
  return asio::async_initiate<decltype(kTuple), void(boost::system::error_code)>(
      [](auto&& handler, PolledSocket* target) {
        if (!target->readable) {
          target->read_waiter.Arm(std::forward<decltype(handler)>(handler));
          return;
        }
        const auto executor = asio::get_associated_executor(handler);
        asio::post(executor, [kept = std::forward<decltype(handler)>(handler)]() mutable {
          std::move(kept)(boost::system::error_code());
        });
      },
      kTuple, socket);
}

}  // namespace apk
