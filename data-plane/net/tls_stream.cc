// Asio's engine over OpenSSL. Records are the unit of cost: pieces are joined before they are
// sealed.
#include "data-plane/net/tls_stream.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>

#include "common/strings.h"

namespace apk {
namespace {

constexpr size_t kJoinBytesMax = 32 * 1024;

// asio::ssl::context frees what it is given; the reference count keeps ours.
SSL_CTX* AddReference(SSL_CTX* context) {
  SSL_CTX_up_ref(context);
  return context;
}

}  // namespace

TlsStream::TlsStream(TcpSocket socket, SslContext context, DeadlineList& deadlines)
    : ByteStream(deadlines),
      context_(std::move(context)),
      borrowed_(AddReference(context_.get())),
      stream_(std::move(socket), borrowed_) {
  boost::system::error_code ignored;
  stream_.next_layer().set_option(asio::ip::tcp::no_delay(true), ignored);
}

Task<bool> TlsStream::AcceptHandshake() {
  const auto [error] = co_await stream_.async_handshake(asio::ssl::stream_base::server, kTuple);
  if (error) {
    Close();
    co_return false;
  }
  const char* const name = SSL_get_servername(stream_.native_handle(), TLSEXT_NAMETYPE_host_name);
  if (name != nullptr) server_name_ = ToLower(name);
  co_return true;
}

Task<bool> TlsStream::ConnectHandshake(std::string server_name,
                                       std::vector<std::string> allowed_names) {
  if (!SetServerNames(stream_.native_handle(), server_name, allowed_names)) co_return false;
  const auto [error] = co_await stream_.async_handshake(asio::ssl::stream_base::client, kTuple);
  if (error) Close();
  co_return !error;
}

void TlsStream::OfferHttp2() {
  static constexpr unsigned char kOffered[] = "\x02h2\x08http/1.1";
  SSL_set_alpn_protos(stream_.native_handle(), kOffered, sizeof kOffered - 1);
}

bool TlsStream::http2() const {
  const unsigned char* name = nullptr;
  unsigned int size = 0;
  SSL_get0_alpn_selected(stream_.native_handle(), &name, &size);
  return std::string_view(reinterpret_cast<const char*>(name), size) == "h2";
}

Task<ReadResult> TlsStream::Read(char* data, size_t size) {
  const auto [error, bytes] = co_await stream_.async_read_some(asio::buffer(data, size), kTuple);
  if (error == asio::error::eof) co_return ReadResult{.bytes = 0, .ok = true};
  co_return ReadResult{.bytes = bytes, .ok = !error};
}

WriteStatus TlsStream::TryWrite(WriteBuffers& buffers) {
  return buffers.count == 0 ? WriteStatus::kDone : WriteStatus::kAgain;
}

Task<bool> TlsStream::Write(WriteBuffers buffers) {
  if (buffers.count > 1 && buffers.Size() <= kJoinBytesMax) {
    joined_.clear();
    for (size_t i = 0; i < buffers.count; ++i) joined_.append(buffers.parts[i]);
    buffers.parts[0] = joined_;
    buffers.count = 1;
  }
  for (size_t i = 0; i < buffers.count; ++i) {
    const asio::const_buffer piece = asio::buffer(buffers.parts[i]);
    const auto [error, bytes] = co_await asio::async_write(stream_, piece, kTuple);
    if (error) co_return false;
  }
  co_return true;
}

void TlsStream::Close() {
  boost::system::error_code ignored;
  stream_.next_layer().close(ignored);
}

void TlsStream::CancelRead() {
  boost::system::error_code ignored;
  stream_.next_layer().cancel(ignored);
}

Task<> TlsStream::ShutdownWrite() {
  co_await stream_.async_shutdown(kTuple);
  boost::system::error_code ignored;
  stream_.next_layer().shutdown(TcpSocket::shutdown_send, ignored);
}

bool TlsStream::IsQuiet(bool /*certain*/) {
  return stream_.next_layer().is_open() && SSL_pending(stream_.native_handle()) == 0 &&
         SocketIsQuiet(stream_.next_layer().native_handle());
}

}  // namespace apk
