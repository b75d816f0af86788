// Handlers run as events are given out, and may close any socket: what is left of the batch forgets it.
#include "data-plane/net/poller.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>

namespace apk {
namespace {

constexpr int kEventsMax = 128;
constexpr size_t kHeldMax = 32;  // Messages: the first one does not wait for a long round.
constexpr size_t kTogetherMin = 4;  // Below, a call for each costs no more.
static_assert(kHeldMax <= SendRing::kMessagesMax);
constexpr size_t kHeldBytesMax = 8 * 1024;

// Sends what the kernel takes off the front of `message`, all of it where the connection is broken: false.
bool SendSome(PolledSocket& socket, std::string_view& message) {
  while (!message.empty()) {
    const ssize_t sent = send(socket.descriptor, message.data(), message.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      message.remove_prefix(static_cast<size_t>(sent));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      socket.writable = false;
      break;
    } else if (errno != EINTR) {
      message = {};
      return false;
    }
  }
  return true;
}

void SendUnsent(PolledSocket& socket) {
  std::string_view rest = socket.unsent;
  SendSome(socket, rest);
  socket.unsent = std::string(rest);  // Which keeps no memory for what has gone.
}

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
  socket.poller = this;
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
  if (socket.held) SendHeld();
  socket.unsent.clear();
  if (sockets_.empty()) return;  // The loop has ended, and forgot it.
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

bool Poller::ReadyToSend(PolledSocket& socket) {
  if (socket.held) SendHeld();
  return socket.unsent.empty();
}

bool Poller::Hold(PolledSocket& socket, std::string_view message) {
  if (!in_round_ || message.size() > kHeldBytesMax) return false;
  held_.push_back(Held{.socket = &socket, .offset = held_bytes_.size(), .size = message.size()});
  held_bytes_.append(message);
  socket.held = true;
  if (held_.size() == kHeldMax) SendHeld();
  return true;
}

bool Poller::Send(PolledSocket& socket, std::string_view message) {
  if (Hold(socket, message)) return true;
  const bool sent = SendSome(socket, message);
  socket.unsent = message;
  return sent;
}

void Poller::SendHeld() {
  std::array<SendRing::Message, kHeldMax> messages;
  for (size_t i = 0; i < held_.size(); ++i) {
    const Held& held = held_[i];
    messages[i].descriptor = held.socket->descriptor;
    messages[i].bytes = std::string_view(held_bytes_).substr(held.offset, held.size);
  }
  if (held_.size() >= kTogetherMin) {
    if (!std::exchange(ring_tried_, true)) ring_ = SendRing::Open();
    if (ring_ != nullptr && !ring_->Send({messages.data(), held_.size()})) ring_ = nullptr;
  }
  for (size_t i = 0; i < held_.size(); ++i) {
    PolledSocket& socket = *held_[i].socket;
    socket.held = false;
    std::string_view message = messages[i].bytes;
    if (messages[i].sent > 0) message.remove_prefix(static_cast<size_t>(messages[i].sent));
    SendSome(socket, message);
    socket.unsent = message;
  }
  held_.clear();
  held_bytes_.clear();
}

void Poller::Dispatch() {
  epoll_event events[kEventsMax];
  const int count = epoll_wait(epoll_, events, kEventsMax, 0);
  const Round round(*this);
  for (int i = 0; i < count; ++i) {
    auto* const socket = static_cast<PolledSocket*>(events[i].data.ptr);
    if (socket == nullptr) continue;
    const uint32_t what = events[i].events;
    batch_ = events + i;  // This one, too: its reader may destroy it before its writer is told.
    batch_size_ = count - i;
    if ((what & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) socket->ended = true;
    if ((what & EPOLLIN) != 0 || socket->ended) socket->readable = true;
    if ((what & EPOLLOUT) != 0 || socket->ended) socket->writable = true;
    if (socket->writable && !socket->unsent.empty()) SendUnsent(*socket);
    if (socket->readable && socket->read_waiter.armed()) socket->read_waiter.Complete();
    if (events[i].data.ptr == nullptr) continue;
    if (socket->writable && socket->write_waiter.armed()) socket->write_waiter.Complete();
  }
  batch_size_ = 0;
}

}  // namespace apk
