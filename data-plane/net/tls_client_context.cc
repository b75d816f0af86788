// Names are checked with the chain, so that a stranger is neither sent a byte nor shown a
// certificate.
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include "common/status_macros.h"
#include "common/strings.h"
#include "data-plane/net/tls_context.h"
#include "data-plane/net/tls_pem.h"

namespace apk {
namespace {

int NamesIndex() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

int SlotIndex() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

bool IsAddress(const std::string& name) {
  in6_addr parsed;
  return inet_pton(AF_INET, name.c_str(), &parsed) == 1 ||
         inet_pton(AF_INET6, name.c_str(), &parsed) == 1;
}

bool HasName(X509* certificate, const std::string& name) {
  if (IsAddress(name)) return X509_check_ip_asc(certificate, name.c_str(), 0) == 1;
  unsigned int flags = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;
  std::string_view wanted = name;
  if (wanted.starts_with("*.")) {  // OpenSSL writes it ".suffix".
    wanted.remove_prefix(1);
    flags |= X509_CHECK_FLAG_SINGLE_LABEL_SUBDOMAINS;
  }
  return X509_check_host(certificate, wanted.data(), wanted.size(), flags, nullptr) == 1;
}

bool HasUri(const X509* certificate, const std::vector<std::string>& uris) {
  if (uris.empty()) return false;
  using NamesPtr = std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)>;
  const NamesPtr names(static_cast<GENERAL_NAMES*>(
                           X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)),
                       &GENERAL_NAMES_free);
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    const ASN1_STRING* const uri = name->d.uniformResourceIdentifier;
    const std::string_view text(reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)),
                                static_cast<size_t>(ASN1_STRING_length(uri)));
    if (std::find(uris.begin(), uris.end(), text) != uris.end()) return true;
  }
  return false;
}

bool HasAnyName(X509* certificate, const ServerNames& names) {
  if (names.allowed_names.empty() && names.allowed_uris.empty()) {
    return HasName(certificate, names.server_name);
  }
  return std::any_of(
             names.allowed_names.begin(), names.allowed_names.end(),
             [certificate](const std::string& name) { return HasName(certificate, name); }) ||
         HasUri(certificate, names.allowed_uris);
}

int VerifyServer(X509_STORE_CTX* store, void*) {
  if (X509_verify_cert(store) != 1) return 0;
  const auto* const ssl = static_cast<const SSL*>(
      X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  const auto* const names = static_cast<const ServerNames*>(SSL_get_ex_data(ssl, NamesIndex()));
  X509* const certificate = X509_STORE_CTX_get0_cert(store);
  if (names != nullptr && certificate != nullptr && HasAnyName(certificate, *names)) return 1;
  X509_STORE_CTX_set_error(store, X509_V_ERR_HOSTNAME_MISMATCH);
  return 0;
}

// Also comes after the handshake, with what is read first (RFC 8446 4.6.1). 1: the session is ours.
int OnNewSession(SSL* ssl, SSL_SESSION* session) {
  auto* const slot = static_cast<SessionSlot*>(SSL_get_ex_data(ssl, SlotIndex()));
  if (slot == nullptr || SSL_SESSION_is_resumable(session) != 1) return 0;
  slot->session.reset(session);
  return 1;
}

}  // namespace

absl::StatusOr<SslContext> MakeClientContext(const ClientSettings& settings) {
  SslContext context(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free);
  if (context == nullptr) return OpenSslError("TLS context");
  SSL_CTX* const raw = context.get();
  SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
  SSL_CTX_set_options(raw, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                            SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(raw, 1);
  SSL_CTX_set_verify(raw, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_cert_verify_callback(raw, VerifyServer, nullptr);
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(raw, OnNewSession);
  if (!settings.certificate_pem.empty()) {
    RETURN_IF_ERROR(LoadCertificate(raw, settings.certificate_pem, settings.key_pem));
  }
  if (!settings.ca_pem.empty()) {
    RETURN_IF_ERROR(LoadTrust(raw, settings.ca_pem));
  } else if (SSL_CTX_set_default_verify_paths(raw) != 1) {
    return OpenSslError("system roots");
  }
  return context;
}

bool PrepareClient(SSL* ssl, const ServerNames* names, SessionSlot* slot) {
  if (!IsAddress(names->server_name) &&
      SSL_set_tlsext_host_name(ssl, names->server_name.c_str()) != 1) {
    return false;
  }
  SSL_set_ex_data(ssl, NamesIndex(), const_cast<ServerNames*>(names));
  SSL_set_ex_data(ssl, SlotIndex(), slot);
  if (slot != nullptr && slot->session != nullptr) SSL_set_session(ssl, slot->session.get());
  return true;
}

}  // namespace apk
