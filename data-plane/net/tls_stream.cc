// Records are the unit of cost: pieces are joined before they are sealed.
#include "data-plane/net/tls_stream.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace apk {
namespace {

constexpr size_t kRecordBytesMax = 16 * 1024;

PolledSocket& SocketOf(BIO* bio) { return *static_cast<PolledSocket*>(BIO_get_data(bio)); }

int ReadSocket(BIO* bio, char* data, int size) {
  BIO_clear_retry_flags(bio);
  PolledSocket& socket = SocketOf(bio);
  while (socket.descriptor >= 0) {
    if (!socket.readable) {
      BIO_set_retry_read(bio);
      return -1;
    }
    const ssize_t received = recv(socket.descriptor, data, static_cast<size_t>(size), 0);
    // A read that fell short took everything; what comes next is an event of its own.
    if (received > 0 && received < size) socket.readable = socket.ended;
    if (received >= 0) return static_cast<int>(received);
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      socket.readable = false;
    } else if (errno != EINTR) {
      return -1;
    }
  }
  return -1;
}

int WriteSocket(BIO* bio, const char* data, int size) {
  BIO_clear_retry_flags(bio);
  PolledSocket& socket = SocketOf(bio);
  if (socket.descriptor >= 0 && !socket.poller->ReadyToSend(socket)) {
    BIO_set_retry_write(bio);
    return -1;
  }
  const std::string_view message(data, static_cast<size_t>(size));
  if (socket.descriptor >= 0 && socket.poller->Hold(socket, message)) return size;
  while (socket.descriptor >= 0) {
    const ssize_t sent = send(socket.descriptor, data, static_cast<size_t>(size), MSG_NOSIGNAL);
    if (sent >= 0) return static_cast<int>(sent);
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      socket.writable = false;
      BIO_set_retry_write(bio);
      return -1;
    }
    if (errno != EINTR) return -1;
  }
  return -1;
}

long ControlSocket(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

int CreateSocketBio(BIO* bio) {
  BIO_set_init(bio, 1);
  return 1;
}

BIO_METHOD* SocketMethod() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* const made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "polled");
    BIO_meth_set_read(made, ReadSocket);
    BIO_meth_set_write(made, WriteSocket);
    BIO_meth_set_ctrl(made, ControlSocket);
    BIO_meth_set_create(made, CreateSocketBio);
    return made;
  }();
  return method;
}

}  // namespace

TlsStream::TlsStream(std::unique_ptr<TcpStream> transport, SslContext context,
                     DeadlineList& deadlines)
    : ByteStream(deadlines),
      context_(std::move(context)),
      transport_(std::move(transport)),
      socket_(transport_->socket()),
      ssl_(SSL_new(context_.get()), &SSL_free) {
  transport_->SetDeadline(kNoDeadline);  // From here on the one of this stream counts.
  BIO* const bio = BIO_new(SocketMethod());
  BIO_set_data(bio, &socket_);
  SSL_set_bio(ssl_.get(), bio, bio);
}

TlsStream::~TlsStream() {
  // Without a goodbye of its own OpenSSL would forget the session, which may be resumed all the
  // same.
  if (!failed_) SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  Close();
}

TlsStream::Outcome TlsStream::OutcomeOf(int result) {
  if (result == 1) return Outcome::kDone;
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return socket_.descriptor < 0 ? Outcome::kFailed : Outcome::kWantRead;
    case SSL_ERROR_WANT_WRITE:
      return socket_.descriptor < 0 ? Outcome::kFailed : Outcome::kWantWrite;
    case SSL_ERROR_ZERO_RETURN:
      return Outcome::kEnded;
    default:
      failed_ = true;  // OpenSSL must not be asked to say goodbye after this.
      plain_http_ = ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST;
      ERR_clear_error();
      return Outcome::kFailed;
  }
}

Task<bool> TlsStream::Handshake() {
  for (;;) {
    ERR_clear_error();
    socket_.poller->SendHeld();  // The others do not wait for a signature.
    const Outcome outcome = OutcomeOf(SSL_do_handshake(ssl_.get()));
    if (outcome == Outcome::kDone) co_return true;
    if (outcome == Outcome::kWantRead) {
      const auto [error] = co_await WaitFor(&socket_.read_waiter);
      if (!error) continue;
    } else if (outcome == Outcome::kWantWrite) {
      const auto [error] = co_await WaitFor(&socket_.write_waiter);
      if (!error) continue;
    }
    failed_ = true;
    if (plain_http_) AnswerPlainHttp();
    Close();
    co_return false;
  }
}

// What came of the request is read away, since closing with something unread would reset the
// connection and could cost the client the answer.
void TlsStream::AnswerPlainHttp() {
  WriteBuffers answer;
  answer.Add(
      "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 53\r\n"
      "Connection: close\r\n\r\nThis port speaks HTTPS: send the request to https://\n");
  transport_->TryWrite(answer);
  char rest[4096];
  ReadResult read;
  do {
    read = transport_->TryRead(rest, sizeof rest);
  } while (read.bytes > 0);
}

Task<bool> TlsStream::AcceptHandshake() {
  SSL_set_accept_state(ssl_.get());
  AttachFacts(ssl_.get(), &facts_);
  const bool secured = co_await Handshake();
  facts_.version = static_cast<uint16_t>(SSL_version(ssl_.get()));
  co_return secured;
}

Task<bool> TlsStream::ConnectHandshake(ServerNames names, std::shared_ptr<SessionSlot> slot) {
  names_ = std::move(names);
  slot_ = std::move(slot);
  SSL_set_connect_state(ssl_.get());
  if (!PrepareClient(ssl_.get(), &names_, slot_.get())) {
    failed_ = true;
    Close();
    co_return false;
  }
  co_return co_await Handshake();
}

void TlsStream::OfferHttp2() {
  static constexpr unsigned char kOffered[] = "\x02h2\x08http/1.1";
  SSL_set_alpn_protos(ssl_.get(), kOffered, sizeof kOffered - 1);
}

bool TlsStream::http2() const {
  const unsigned char* chosen = nullptr;
  unsigned int size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &chosen, &size);
  return std::string_view(reinterpret_cast<const char*>(chosen), size) == "h2";
}

ReadResult TlsStream::TryRead(char* data, size_t size) {
  if (socket_.descriptor < 0) return ReadResult{};
  ERR_clear_error();
  size_t bytes = 0;
  switch (OutcomeOf(SSL_read_ex(ssl_.get(), data, size, &bytes))) {
    case Outcome::kDone:
      return ReadResult{.bytes = bytes, .ok = true};
    case Outcome::kEnded:
      return ReadResult{.bytes = 0, .ok = true};
    case Outcome::kFailed:
      return ReadResult{};
    case Outcome::kWantRead:
    case Outcome::kWantWrite:
      break;  // An answer to a key update, which the next call of OpenSSL will write.
  }
  return ReadResult{.wait = true};
}

// What goes into one record: small pieces are joined. Called again with buffers that begin with the same bytes,
// it gives the same: OpenSSL has sealed them already when it asks for them again. The view is valid until the next
// call for any stream of this thread: idle connections hold no copy.
std::string_view TlsStream::NextRecord(const WriteBuffers& buffers) {
  const std::string_view first = buffers.parts[0];
  if (buffers.count == 1 || first.size() >= kRecordBytesMax) {
    return first.substr(0, kRecordBytesMax);
  }
  static thread_local std::string joined;
  joined.clear();
  for (size_t i = 0; i < buffers.count && joined.size() < kRecordBytesMax; ++i) {
    joined.append(buffers.parts[i].substr(0, kRecordBytesMax - joined.size()));
  }
  return joined;
}

WriteStatus TlsStream::TryWrite(WriteBuffers& buffers) {
  while (buffers.count > 0) {
    if (socket_.descriptor < 0) return WriteStatus::kFailed;
    const std::string_view record = NextRecord(buffers);
    ERR_clear_error();
    size_t written = 0;
    const Outcome outcome =
        OutcomeOf(SSL_write_ex(ssl_.get(), record.data(), record.size(), &written));
    if (outcome == Outcome::kWantWrite) return WriteStatus::kAgain;
    if (outcome != Outcome::kDone) return WriteStatus::kFailed;
    buffers.Consume(written);
  }
  return WriteStatus::kDone;
}

Task<bool> TlsStream::Write(WriteBuffers buffers) {
  for (;;) {
    const WriteStatus status = TryWrite(buffers);
    if (status != WriteStatus::kAgain) co_return status == WriteStatus::kDone;
    if (socket_.writable) continue;
    const auto [error] = co_await WaitFor(&socket_.write_waiter);
    if (error) co_return false;
  }
}

void TlsStream::Close() { transport_->Close(); }

void TlsStream::CancelRead() { transport_->CancelRead(); }

Task<> TlsStream::ShutdownWrite() {
  while (socket_.descriptor >= 0 && !failed_ && SSL_is_init_finished(ssl_.get()) == 1) {
    ERR_clear_error();
    const int result = SSL_shutdown(ssl_.get());
    if (result >= 0 || OutcomeOf(result) != Outcome::kWantWrite) break;
    const auto [error] = co_await WaitFor(&socket_.write_waiter);
    if (error) break;
  }
  co_await transport_->ShutdownWrite();
}

// What has arrived may be for OpenSSL alone: a session ticket, say.
bool TlsStream::IsQuiet(bool certain) {
  if (socket_.descriptor < 0 || failed_) return false;
  if (certain && !SocketIsQuiet(socket_.descriptor)) socket_.readable = true;
  if (!socket_.readable && SSL_has_pending(ssl_.get()) == 0) return true;
  ERR_clear_error();
  char byte;
  size_t bytes = 0;
  return OutcomeOf(SSL_peek_ex(ssl_.get(), &byte, 1, &bytes)) == Outcome::kWantRead;
}

}  // namespace apk
