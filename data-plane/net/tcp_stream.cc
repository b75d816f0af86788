// Reads go through the reactor, which tries them first; writes are tried here, before it.
#include "data-plane/net/tcp_stream.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <boost/asio/buffer.hpp>
#include <cerrno>

namespace apk {

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

bool SocketIsQuiet(int descriptor) {
  char byte;
  const ssize_t received = recv(descriptor, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return received < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

TcpStream::TcpStream(TcpSocket socket, DeadlineList& deadlines)
    : ByteStream(deadlines), socket_(std::move(socket)) {
  boost::system::error_code ignored;
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  socket_.native_non_blocking(true, ignored);
}

Task<ReadResult> TcpStream::Read(char* data, size_t size) {
  const auto [error, bytes] = co_await socket_.async_read_some(asio::buffer(data, size), kTuple);
  if (error == asio::error::eof) co_return ReadResult{.bytes = 0, .ok = true};
  co_return ReadResult{.bytes = bytes, .ok = !error};
}

WriteStatus TcpStream::TryWrite(WriteBuffers& buffers) {
  if (!socket_.is_open()) return WriteStatus::kFailed;
  while (buffers.count > 0) {
    iovec pieces[4];
    for (size_t i = 0; i < buffers.count; ++i) {
      pieces[i].iov_base = const_cast<char*>(buffers.parts[i].data());
      pieces[i].iov_len = buffers.parts[i].size();
    }
    msghdr message{};
    message.msg_iov = pieces;
    message.msg_iovlen = buffers.count;
    const ssize_t sent = sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL);
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
    const auto [error] = co_await socket_.async_wait(TcpSocket::wait_write, kTuple);
    if (error) co_return false;
  }
}

void TcpStream::Close() {
  boost::system::error_code ignored;
  socket_.close(ignored);
}

Task<> TcpStream::ShutdownWrite() {
  boost::system::error_code ignored;
  socket_.shutdown(TcpSocket::shutdown_send, ignored);
  co_return;
}

bool TcpStream::IsQuiet() { return socket_.is_open() && SocketIsQuiet(socket_.native_handle()); }

}  // namespace apk
