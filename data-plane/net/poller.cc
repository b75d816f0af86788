// Handlers run as events are given out, and may close any socket: what is left of the batch forgets it.
#include "data-plane/net/poller.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <cstdlib>

namespace apk {
namespace {

constexpr int kEventsMax = 128;

}  // namespace

Poller::Poller(asio::execution_context& context)
    : asio::execution_context::service(context),
      io_(static_cast<asio::io_context&>(context)),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      watch_(io_.get_executor()) {
  if (epoll_ < 0) std::abort();  // Out of descriptors before the first connection.
  watch_.assign(epoll_);
}

Poller::~Poller() = default;

// The coroutines that still wait die with the loop.
void Poller::shutdown() {
  while (!sockets_.empty()) {
    const size_t before = sockets_.size();
    PolledSocket& last = *sockets_.back();
    last.write_waiter.Drop();
    if (sockets_.size() == before) last.read_waiter.Drop();
    if (sockets_.size() == before) sockets_.pop_back();  // Owned by someone who does not wait.
  }
  boost::system::error_code ignored;
  watch_.close(ignored);
}

void Poller::Add(PolledSocket& socket) {
  socket.index = sockets_.size();
  sockets_.push_back(&socket);
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = &socket;
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, socket.descriptor, &event) != 0) {
    socket.readable = socket.ended = true;  // The first read will say what is wrong.
  }
  Arm();
}

void Poller::Remove(PolledSocket& socket) {
  sockets_[socket.index] = sockets_.back();
  sockets_[socket.index]->index = socket.index;
  sockets_.pop_back();
  for (int i = 0; i < batch_size_; ++i) {
    if (batch_[i].data.ptr == &socket) batch_[i].data.ptr = nullptr;
  }
  epoll_ctl(epoll_, EPOLL_CTL_DEL, socket.descriptor, nullptr);
  // A loop with nothing else to do ends.
  boost::system::error_code ignored;
  if (sockets_.empty() && armed_) watch_.cancel(ignored);
}

void Poller::Arm() {
  if (armed_ || sockets_.empty()) return;
  armed_ = true;
  watch_.async_wait(asio::posix::descriptor_base::wait_read,
                    [this](const boost::system::error_code& error) {
                      armed_ = false;
                      if (error == asio::error::operation_aborted && sockets_.empty()) return;
                      Dispatch();
                      Arm();
                    });
}

void Poller::Dispatch() {
  epoll_event events[kEventsMax];
  const int count = epoll_wait(epoll_, events, kEventsMax, 0);
  for (int i = 0; i < count; ++i) {
    auto* const socket = static_cast<PolledSocket*>(events[i].data.ptr);
    if (socket == nullptr) continue;
    const uint32_t what = events[i].events;
    batch_ = events + i;  // This one, too: its reader may destroy it before its writer is told.
    batch_size_ = count - i;
    if ((what & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) socket->ended = true;
    if ((what & EPOLLIN) != 0 || socket->ended) socket->readable = true;
    if ((what & EPOLLOUT) != 0 || socket->ended) socket->writable = true;
    if (socket->readable && socket->read_waiter.armed()) socket->read_waiter.Complete();
    if (events[i].data.ptr == nullptr) continue;
    if (socket->writable && socket->write_waiter.armed()) socket->write_waiter.Complete();
  }
  batch_size_ = 0;
}

}  // namespace apk
