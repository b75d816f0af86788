// The handshake alone. Whether the server is the one that this authority means is checked by the
// connection that follows.
#include "data-plane/identity/trust_anchor.h"

#include <fcntl.h>
#include <netdb.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "common/status_macros.h"
#include "common/strings.h"

namespace apk {
namespace {

using BioPtr = std::unique_ptr<BIO, decltype(&BIO_free_all)>;
using ContextPtr = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;

absl::Status Unreachable(const std::string& address) {
  char text[256] = "no answer";
  if (const unsigned long code = ERR_get_error(); code != 0) {
    ERR_error_string_n(code, text, sizeof text);
  }
  ERR_clear_error();
  return absl::UnavailableError(Concat("can't connect to ", address, ": ", text));
}

std::string HashOf(const X509* certificate) {
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (X509_digest(certificate, EVP_sha256(), hash, &size) != 1) return "";
  return Hex(std::string_view(reinterpret_cast<const char*>(hash), size));
}

std::string PemOf(X509* certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()), &BIO_free_all);
  PEM_write_bio_X509(bio.get(), certificate);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<size_t>(size));
}

class Socket {
 public:
  explicit Socket(int file) : file_(file) {}
  Socket(Socket&& other) noexcept : file_(std::exchange(other.file_, -1)) {}
  ~Socket() {
    if (file_ >= 0) close(file_);
  }
  int file() const { return file_; }

 private:
  int file_;
};

// The error number where it can't be connected to; ETIMEDOUT where there was no answer in time.
int ConnectTo(const addrinfo& to, int socket, std::chrono::seconds patience) {
  if (connect(socket, to.ai_addr, to.ai_addrlen) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  pollfd connected{.fd = socket, .events = POLLOUT, .revents = 0};
  const int timeout = static_cast<int>(std::chrono::milliseconds(patience).count());
  if (poll(&connected, 1, timeout) != 1) return ETIMEDOUT;
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size);
  return error;
}

std::string WhyNot(int error) {
  if (error == ECONNREFUSED) {
    return "nothing listens there; is the control plane started with --enrollment-listen, and is "
           "this its address (--enrollment)?";
  }
  if (error == ETIMEDOUT) return "no answer; does a firewall let the connection through?";
  return std::strerror(error);
}

// `address` is host:port or [host]:port.
absl::StatusOr<Socket> Connect(const std::string& address, std::chrono::seconds patience) {
  const size_t colon = address.rfind(':');
  std::string host = address.substr(0, colon);
  const std::string port = colon == std::string::npos ? "" : address.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const std::string subject = Concat("can't connect to ", address, ": ");
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int resolved = getaddrinfo(host.c_str(), port.c_str(), &wanted, &found);
  if (resolved != 0) return absl::UnavailableError(Concat(subject, gai_strerror(resolved)));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> addresses(found, &freeaddrinfo);
  int error = EADDRNOTAVAIL;
  for (const addrinfo* to = found; to != nullptr; to = to->ai_next) {
    Socket made(socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    error = made.file() < 0 ? errno : ConnectTo(*to, made.file(), patience);
    if (error == 0) return made;
  }
  return absl::UnavailableError(Concat(subject, WhyNot(error)));
}

// The connection was made without blocking; from here on it blocks, but not for longer.
void LimitWaits(int socket, std::chrono::seconds patience) {
  fcntl(socket, F_SETFL, fcntl(socket, F_GETFL) & ~O_NONBLOCK);
  const timeval limit{.tv_sec = static_cast<time_t>(patience.count()), .tv_usec = 0};
  setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

}  // namespace

absl::StatusOr<std::string> FetchTrustAnchor(const std::string& address, const std::string& hash,
                                             std::chrono::seconds patience) {
  const ContextPtr context(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free);
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
  ASSIGN_OR_RETURN(const Socket connection, Connect(address, patience));
  LimitWaits(connection.file(), patience);
  const std::unique_ptr<SSL, decltype(&SSL_free)> tls(SSL_new(context.get()), &SSL_free);
  constexpr unsigned char kHttp2[] = {2, 'h', '2'};  // gRPC takes nobody else.
  SSL_set_alpn_protos(tls.get(), kHttp2, sizeof kHttp2);
  SSL_set_fd(tls.get(), connection.file());
  if (SSL_connect(tls.get()) != 1) return Unreachable(address);
  const STACK_OF(X509)* const chain = SSL_get_peer_cert_chain(tls.get());
  for (int i = 0; i < sk_X509_num(chain); ++i) {
    X509* const certificate = sk_X509_value(chain, i);
    if (HashOf(certificate) == hash) return PemOf(certificate);
  }
  return absl::PermissionDeniedError(
      Concat("who answers at ", address,
             " is of another authority than the join token: is the address right, and the token of "
             "this installation?"));
}

}  // namespace apk
