// Records are the unit of cost: pieces are joined before they are sealed.
#include "data-plane/net/tls_stream.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "common/strings.h"

namespace apk {
namespace {

constexpr size_t kRecordBytesMax = RecordCipher::kPlainBytesMax;
// Answers to a peer that wants new keys all the time and reads nothing.
constexpr size_t kUnsentBytesMax = 64 * 1024;

long ControlWire(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

int CreateWire(BIO* bio) {
  BIO_set_init(bio, 1);
  return 1;
}

// As recv; -1 with EAGAIN where nothing is there.
ssize_t Receive(PolledSocket& socket, char* data, size_t size) {
  for (;;) {
    if (!socket.readable) {
      errno = EAGAIN;
      return -1;
    }
    const ssize_t received = recv(socket.descriptor, data, size, 0);
    // A read that fell short took everything; what comes next is an event of its own.
    if (received > 0 && static_cast<size_t>(received) < size) socket.readable = socket.ended;
    if (received >= 0) return received;
    if (errno == EWOULDBLOCK) errno = EAGAIN;
    if (errno == EAGAIN) socket.readable = false;
    if (errno != EINTR) return -1;
  }
}

}  // namespace

int TlsStream::ReadWire(BIO* bio, char* data, int size) {
  BIO_clear_retry_flags(bio);
  Wire& wire = *static_cast<Wire*>(BIO_get_data(bio));
  if (wire.socket.descriptor < 0) return -1;
  const auto wanted = static_cast<size_t>(size);
  if (wire.taken < wire.received.size()) {
    const size_t given = wire.received.copy(data, wanted, wire.taken);
    wire.taken += given;
    if (wire.taken == wire.received.size()) {
      wire.received = {};
      wire.taken = 0;
    }
    return static_cast<int>(given);
  }
  char ahead[TlsRecords::kReceivedMax];
  const bool by_pieces = wire.by_pieces && wanted < sizeof ahead;
  const ssize_t received =
      by_pieces ? Receive(wire.socket, ahead, sizeof ahead) : Receive(wire.socket, data, wanted);
  if (received < 0 && errno == EAGAIN) BIO_set_retry_read(bio);
  if (received <= 0 || !by_pieces) return static_cast<int>(received);
  const size_t given = std::min(static_cast<size_t>(received), wanted);
  std::memcpy(data, ahead, given);
  wire.received.assign(ahead + given, static_cast<size_t>(received) - given);
  return static_cast<int>(given);
}

int TlsStream::WriteWire(BIO* bio, const char* data, int size) {
  BIO_clear_retry_flags(bio);
  PolledSocket& socket = static_cast<Wire*>(BIO_get_data(bio))->socket;
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

BIO_METHOD* TlsStream::WireMethod() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* const made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "polled");
    BIO_meth_set_read(made, ReadWire);
    BIO_meth_set_write(made, WriteWire);
    BIO_meth_set_ctrl(made, ControlWire);
    BIO_meth_set_create(made, CreateWire);
    return made;
  }();
  return method;
}

TlsStream::TlsStream(std::unique_ptr<TcpStream> transport, SslContext context,
                     DeadlineList& deadlines)
    : ByteStream(deadlines),
      transport_(std::move(transport)),
      socket_(transport_->socket()),
      engine_(new Engine{.context = std::move(context),
                         .names = {},
                         .slot = nullptr,
                         .secrets = {},
                         .wire = {.socket = socket_},
                         .ssl = {nullptr, &SSL_free}}) {
  engine_->ssl.reset(SSL_new(engine_->context.get()));
  transport_->SetDeadline(kNoDeadline);  // From here on the one of this stream counts.
  BIO* const bio = BIO_new(WireMethod());
  BIO_set_data(bio, &engine_->wire);
  SSL_set_bio(engine_->ssl.get(), bio, bio);
}

TlsStream::~TlsStream() {
  // Without a goodbye of its own OpenSSL would forget the session, which may be resumed all the
  // same.
  if (!failed_ && engine_ != nullptr) {
    SSL_set_shutdown(engine_->ssl.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  }
  Close();
}

TlsStream::Outcome TlsStream::OutcomeOf(int result) {
  if (result == 1) return Outcome::kDone;
  switch (SSL_get_error(engine_->ssl.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return socket_.descriptor < 0 ? Outcome::kFailed : Outcome::kWantRead;
    case SSL_ERROR_WANT_WRITE:
      return socket_.descriptor < 0 ? Outcome::kFailed : Outcome::kWantWrite;
    case SSL_ERROR_ZERO_RETURN:
      return Outcome::kEnded;
    default:
      failed_ = true;  // OpenSSL must not be asked to say goodbye after this.
      error_ = ERR_peek_error();
      plain_http_ = ERR_GET_REASON(error_) == SSL_R_HTTP_REQUEST;
      ERR_clear_error();
      return Outcome::kFailed;
  }
}

Task<bool> TlsStream::Handshake() {
  for (;;) {
    ERR_clear_error();
    socket_.poller->SendHeld();  // The others do not wait for a signature.
    const Outcome outcome = OutcomeOf(SSL_do_handshake(engine_->ssl.get()));
    if (outcome == Outcome::kDone) break;
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
  SSL* const ssl = engine_->ssl.get();
  const unsigned char* chosen = nullptr;
  unsigned int size = 0;
  SSL_get0_alpn_selected(ssl, &chosen, &size);
  http2_ = std::string_view(reinterpret_cast<const char*>(chosen), size) == "h2";
  resumed_ = SSL_session_reused(ssl) == 1;
  co_return true;
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

Task<bool> TlsStream::AcceptHandshake(RecordsBy records) {
  SSL* const ssl = engine_->ssl.get();
  const bool lean = records == RecordsBy::kAgent;
  SSL_set_accept_state(ssl);
  AttachFacts(ssl, &facts_, lean ? &engine_->secrets : nullptr);
  engine_->wire.by_pieces = lean;
  const bool secured = co_await Handshake();
  facts_.version = static_cast<uint16_t>(SSL_version(ssl));
  if (secured && lean) TakeOverRecords();
  co_return secured;
}

void TlsStream::TakeOverRecords() {
  SSL* const ssl = engine_->ssl.get();
  Wire& wire = engine_->wire;
  const TrafficSecrets& secrets = engine_->secrets;
  const RecordSuite* const suite =
      FindRecordSuite(SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(ssl)));
  if (facts_.version != TLS1_3_VERSION || suite == nullptr || SSL_has_pending(ssl) == 1 ||
      SSL_SESSION_get_max_fragment_length(SSL_get_session(ssl)) != 0 ||
      secrets.client.size() != suite->secret_bytes ||
      secrets.server.size() != suite->secret_bytes) {
    engine_->secrets.Clear();
    wire.by_pieces = false;
    SSL_set_read_ahead(ssl, 1);
    return;
  }
  const std::string_view received = std::string_view(wire.received).substr(wire.taken);
  records_ = std::make_unique<TlsRecords>(*suite, secrets, received);
  // As in the destructor.
  SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  engine_.reset();
}

Task<bool> TlsStream::ConnectHandshake(ServerNames names, std::shared_ptr<SessionSlot> slot) {
  engine_->names = std::move(names);
  engine_->slot = std::move(slot);
  SSL* const ssl = engine_->ssl.get();
  SSL_set_connect_state(ssl);
  if (!PrepareClient(ssl, &engine_->names, engine_->slot.get())) {
    failed_ = true;
    Close();
    co_return false;
  }
  co_return co_await Handshake();
}

void TlsStream::OfferHttp2() {
  static constexpr unsigned char kOffered[] = "\x02h2\x08http/1.1";
  SSL_set_alpn_protos(engine_->ssl.get(), kOffered, sizeof kOffered - 1);
}

std::string TlsStream::failure() const {
  if (timed_out()) return "it takes too long";
  const long verified = SSL_get_verify_result(engine_->ssl.get());
  if (verified != X509_V_OK) {
    return Concat("its certificate is not accepted: ", X509_verify_cert_error_string(verified));
  }
  const char* const reason = error_ == 0 ? nullptr : ERR_reason_error_string(error_);
  return reason == nullptr ? "the peer closed the connection" : reason;
}

ReadResult TlsStream::TryRead(char* data, size_t size) {
  if (socket_.descriptor < 0) return ReadResult{};
  size_t bytes = 0;
  Outcome outcome;
  if (records_ != nullptr) {
    outcome = AdvanceRecords();
    if (outcome == Outcome::kDone) {
      bytes = records_->data().copy(data, size);
      records_->Consume(bytes);
    }
  } else {
    ERR_clear_error();
    outcome = OutcomeOf(SSL_read_ex(engine_->ssl.get(), data, size, &bytes));
  }
  switch (outcome) {
    case Outcome::kDone:
    case Outcome::kEnded:
      return ReadResult{.bytes = bytes, .ok = true};
    case Outcome::kFailed:
      return ReadResult{};
    case Outcome::kWantRead:
    case Outcome::kWantWrite:
      break;  // An answer to a key update, which the next call of OpenSSL will write.
  }
  return ReadResult{.wait = true};
}

TlsStream::Outcome TlsStream::AdvanceRecords() {
  while (!failed_) {
    const TlsRecords::State state = records_->Advance();
    if (state == TlsRecords::State::kData) return Outcome::kDone;
    std::string reply;
    records_->TakeReply(reply);
    failed_ = !SendRecords(reply) || state == TlsRecords::State::kFailed;
    if (failed_) break;
    if (state == TlsRecords::State::kEnded) return Outcome::kEnded;
    if (!socket_.readable) return Outcome::kWantRead;
    const TlsRecords::Space space = records_->Prepare();
    const ssize_t received = Receive(socket_, space.data, space.size);
    if (received == 0) return Outcome::kFailed;  // Without a goodbye: it may be a stranger's doing.
    if (received > 0) {
      records_->Commit(static_cast<size_t>(received));
    } else if (errno != EAGAIN) {
      failed_ = true;
    }
  }
  return Outcome::kFailed;
}

bool TlsStream::SendRecords(std::string_view bytes) {
  if (bytes.empty()) return true;
  if (socket_.poller->ReadyToSend(socket_)) return socket_.poller->Send(socket_, bytes);
  if (socket_.unsent.size() + bytes.size() > kUnsentBytesMax) return false;
  socket_.unsent.append(bytes);
  return true;
}

// What a record has counts as written when all of it is sent: until then the caller keeps it, and
// waits.
WriteStatus TlsStream::TryWriteRecords(WriteBuffers& buffers) {
  static thread_local std::string record;  // Idle connections hold none.
  while (buffers.count > 0) {
    if (socket_.descriptor < 0 || failed_) return WriteStatus::kFailed;
    if (!socket_.poller->ReadyToSend(socket_)) return WriteStatus::kAgain;
    buffers.Consume(std::exchange(sealed_, 0));
    if (buffers.count == 0) break;
    record.clear();
    sealed_ = records_->Seal(buffers, record);
    failed_ = sealed_ == 0 || !SendRecords(record);
    if (!failed_ && socket_.unsent.empty()) buffers.Consume(std::exchange(sealed_, 0));
  }
  return failed_ ? WriteStatus::kFailed : WriteStatus::kDone;
}

// What goes into one record: small pieces are joined. Called again with buffers that begin with the
// same bytes, it gives the same: OpenSSL has sealed them already when it asks for them again. The
// view is valid until the next call for any stream of this thread: idle connections hold no copy.
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

WriteStatus TlsStream::TryWriteEngine(WriteBuffers& buffers) {
  while (buffers.count > 0) {
    if (socket_.descriptor < 0) return WriteStatus::kFailed;
    const std::string_view record = NextRecord(buffers);
    ERR_clear_error();
    size_t written = 0;
    const Outcome outcome =
        OutcomeOf(SSL_write_ex(engine_->ssl.get(), record.data(), record.size(), &written));
    if (outcome == Outcome::kWantWrite) return WriteStatus::kAgain;
    if (outcome != Outcome::kDone) return WriteStatus::kFailed;
    buffers.Consume(written);
  }
  return WriteStatus::kDone;
}

WriteStatus TlsStream::TryWrite(WriteBuffers& buffers) {
  return records_ != nullptr ? TryWriteRecords(buffers) : TryWriteEngine(buffers);
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

Task<> TlsStream::SayGoodbyeEngine() {
  SSL* const ssl = engine_->ssl.get();
  while (socket_.descriptor >= 0 && !failed_ && SSL_is_init_finished(ssl) == 1) {
    ERR_clear_error();
    const int result = SSL_shutdown(ssl);
    if (result >= 0 || OutcomeOf(result) != Outcome::kWantWrite) co_return;
    const auto [error] = co_await WaitFor(&socket_.write_waiter);
    if (error) co_return;
  }
}

Task<> TlsStream::ShutdownWrite() {
  if (records_ == nullptr) {
    co_await SayGoodbyeEngine();
  } else if (socket_.descriptor >= 0 && !failed_) {
    std::string goodbye;
    records_->SealGoodbye(goodbye);
    SendRecords(goodbye);
  }
  co_await transport_->ShutdownWrite();
}

// What has arrived may be for TLS alone: new keys, say.
bool TlsStream::IsQuiet(bool certain) {
  if (socket_.descriptor < 0 || failed_) return false;
  if (certain && !SocketIsQuiet(socket_.descriptor)) socket_.readable = true;
  if (records_ != nullptr) {
    if (!socket_.readable && records_->empty()) return true;
    return AdvanceRecords() == Outcome::kWantRead;
  }
  if (!socket_.readable && SSL_has_pending(engine_->ssl.get()) == 0) return true;
  ERR_clear_error();
  char byte;
  size_t bytes = 0;
  return OutcomeOf(SSL_peek_ex(engine_->ssl.get(), &byte, 1, &bytes)) == Outcome::kWantRead;
}

void TlsStream::Rest() {
  if (records_ != nullptr) records_->Rest();
}

}  // namespace apk
