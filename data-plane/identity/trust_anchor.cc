// The handshake alone. Whether the server is the one that this authority means is checked by the
// connection that follows.
#include "data-plane/identity/trust_anchor.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <memory>

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

// The connection was made without blocking; from here on it blocks, but not for longer.
void LimitWaits(int socket, std::chrono::seconds patience) {
  BIO_socket_nbio(socket, 0);
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
  const BioPtr connection(BIO_new_connect(address.c_str()), &BIO_free_all);
  if (BIO_do_connect_retry(connection.get(), static_cast<int>(patience.count()), -1) != 1) {
    return Unreachable(address);
  }
  int socket = -1;
  BIO_get_fd(connection.get(), &socket);
  LimitWaits(socket, patience);
  const std::unique_ptr<SSL, decltype(&SSL_free)> tls(SSL_new(context.get()), &SSL_free);
  constexpr unsigned char kHttp2[] = {2, 'h', '2'};  // gRPC takes nobody else.
  SSL_set_alpn_protos(tls.get(), kHttp2, sizeof kHttp2);
  SSL_set_fd(tls.get(), socket);
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
