// Writes are tried at once; reads when something is known to be there.
#include "data-plane/net/tcp_stream.h"

#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <cerrno>

namespace apk {
namespace {

// A peer that sends as fast as it is read would keep the loop to itself.
constexpr int kReadsInARowMax = 8;

ssize_t Send(int descriptor, const WriteBuffers& buffers) {
  if (buffers.count == 1) {  // The kernel does less for it.
    return send(descriptor, buffers.parts[0].data(), buffers.parts[0].size(), MSG_NOSIGNAL);
  }
  iovec pieces[4];
  for (size_t i = 0; i < buffers.count; ++i) {
    pieces[i].iov_base = const_cast<char*>(buffers.parts[i].data());
    pieces[i].iov_len = buffers.parts[i].size();
  }
  msghdr message{};
  message.msg_iov = pieces;
  message.msg_iovlen = buffers.count;
  return sendmsg(descriptor, &message, MSG_NOSIGNAL);
}

int Release(TcpSocket& socket) {
  boost::system::error_code ignored;
  socket.set_option(asio::ip::tcp::no_delay(true), ignored);
  const int descriptor = socket.release(ignored);
  int on = 1;
  ioctl(descriptor, FIONBIO, &on);
  return descriptor;
}

}  // namespace

size_t WriteBuffers::Size() const {
  size_t size = 0;
  for (size_t i = 0; i < count; ++i) size += parts[i].size();
  return size;
}

void WriteBuffers::Consume(size_t bytes) {
  size_t first = 0;
  while (first < count && bytes >= parts[first].size()) bytes -= parts[first++].size();
  if (first < count) parts[first].remove_prefix(bytes);
  for (size_t i = first; i < count; ++i) parts[i - first] = parts[i];
  count -= first;
}

Task<ReadResult> ByteStream::Read(char* data, size_t size) {
  for (;;) {
    const ReadResult result = TryRead(data, size);
    if (!result.wait) co_return result;
    const auto [error] = co_await WaitToRead();
    if (error) co_return ReadResult{};
  }
}

bool SocketIsQuiet(int descriptor) {
  char byte;
  const ssize_t received = recv(descriptor, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return received < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

TcpStream::TcpStream(int descriptor, Executor executor, DeadlineList& deadlines)
    : ByteStream(deadlines), executor_(executor), poller_(Poller::Of(executor)) {
  socket_.descriptor = descriptor;
  poller_.Add(socket_);
}

TcpStream::TcpStream(TcpSocket socket, DeadlineList& deadlines)
    : TcpStream(Release(socket), socket.get_executor(), deadlines) {}

TcpStream::~TcpStream() { Close(); }

ReadResult TcpStream::TryRead(char* data, size_t size) {
  if (socket_.descriptor < 0) return ReadResult{};
  if (!socket_.readable || ++reads_in_a_row_ > kReadsInARowMax) {
    reads_in_a_row_ = 0;
    return ReadResult{.wait = true};
  }
  for (;;) {
    const ssize_t received = recv(socket_.descriptor, data, size, 0);
    if (received > 0) {
      // A read that fell short took everything; what comes next is an event of its own.
      const auto bytes = static_cast<size_t>(received);
      if (bytes < size) socket_.readable = socket_.ended;
      return ReadResult{.bytes = bytes, .ok = true};
    }
    if (received == 0) return ReadResult{.bytes = 0, .ok = true};
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      socket_.readable = false;
      reads_in_a_row_ = 0;
      return ReadResult{.wait = true};
    }
    if (errno != EINTR) return ReadResult{};
  }
}

WriteStatus TcpStream::TryWrite(WriteBuffers& buffers) {
  if (socket_.descriptor < 0) return WriteStatus::kFailed;
  if (!poller_.ReadyToSend(socket_)) return WriteStatus::kAgain;
  if (buffers.count == 1 && poller_.Hold(socket_, buffers.parts[0])) buffers.count = 0;
  while (buffers.count > 0) {
    const ssize_t sent = Send(socket_.descriptor, buffers);
    if (sent >= 0) {
      buffers.Consume(static_cast<size_t>(sent));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return WriteStatus::kAgain;
    } else if (errno != EINTR) {
      return WriteStatus::kFailed;
    }
  }
  return WriteStatus::kDone;
}

Task<bool> TcpStream::Write(WriteBuffers buffers) {
  for (;;) {
    const WriteStatus status = TryWrite(buffers);
    if (status != WriteStatus::kAgain) co_return status == WriteStatus::kDone;
    socket_.writable = false;
    const auto [error] = co_await WaitFor(&socket_.write_waiter);
    if (error) co_return false;
  }
}

void TcpStream::Close() {
  if (socket_.descriptor < 0) return;
  poller_.Remove(socket_);
  close(socket_.descriptor);
  socket_.descriptor = -1;
  socket_.readable = socket_.ended = true;
  socket_.read_waiter.Cancel(executor_);
  socket_.write_waiter.Cancel(executor_);
}

void TcpStream::CancelRead() { socket_.read_waiter.Cancel(executor_); }

Task<> TcpStream::ShutdownWrite() {
  while (!poller_.ReadyToSend(socket_)) {
    const auto [error] = co_await WaitFor(&socket_.write_waiter);
    if (error) co_return;
  }
  if (socket_.descriptor >= 0) shutdown(socket_.descriptor, SHUT_WR);
}

bool TcpStream::IsQuiet(bool certain) {
  if (socket_.descriptor < 0 || socket_.readable) return false;
  return !certain || SocketIsQuiet(socket_.descriptor);
}

}  // namespace apk
