// The SNI table lives in the context's ex_data and dies with it.
#include "data-plane/net/tls_context.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include "common/status_macros.h"
#include "common/strings.h"

namespace apk {
namespace {

using BioPtr = std::unique_ptr<BIO, decltype(&BIO_free)>;
using X509Ptr = std::unique_ptr<X509, decltype(&X509_free)>;
using KeyPtr = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

constexpr char kSuites[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

absl::Status OpenSslError(std::string_view what) {
  char text[256] = "unknown error";
  if (const unsigned long code = ERR_get_error(); code != 0)
    ERR_error_string_n(code, text, sizeof text);
  ERR_clear_error();
  return absl::InvalidArgumentError(Concat(what, ": ", text).c_str());
}

SslContext Own(SSL_CTX* context) { return SslContext(context, &SSL_CTX_free); }

BioPtr OpenPem(std::string_view pem) {
  return BioPtr(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free);
}

absl::Status LoadCertificate(SSL_CTX* context, const ServerCertificate& certificate) {
  const BioPtr chain = OpenPem(certificate.chain_pem);
  const X509Ptr leaf(PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr), &X509_free);
  if (leaf == nullptr || SSL_CTX_use_certificate(context, leaf.get()) != 1) {
    return OpenSslError("certificate");
  }
  for (;;) {
    X509* const next = PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr);
    if (next == nullptr) break;
    if (SSL_CTX_add0_chain_cert(context, next) != 1) {
      X509_free(next);
      return OpenSslError("certificate chain");
    }
  }
  ERR_clear_error();  // The end of the chain is reported as an error.
  const BioPtr key_pem = OpenPem(certificate.key_pem);
  const KeyPtr key(PEM_read_bio_PrivateKey(key_pem.get(), nullptr, nullptr, nullptr),
                   &EVP_PKEY_free);
  if (key == nullptr || SSL_CTX_use_PrivateKey(context, key.get()) != 1 ||
      SSL_CTX_check_private_key(context) != 1) {
    return OpenSslError("private key");
  }
  return absl::OkStatus();
}

int ChooseAlpn(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
               unsigned int in_size, void*) {
  static constexpr unsigned char kOffered[] = "\x02h2\x08http/1.1";
  unsigned char* selected = nullptr;
  if (SSL_select_next_proto(&selected, out_size, kOffered, sizeof kOffered - 1, in, in_size) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  *out = selected;
  return SSL_TLSEXT_ERR_OK;
}

absl::StatusOr<SslContext> MakeOneServerContext(const ServerCertificate& certificate) {
  SslContext context = Own(SSL_CTX_new(TLS_server_method()));
  if (context == nullptr) return OpenSslError("TLS context");
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                         SSL_OP_CIPHER_SERVER_PREFERENCE |
                                         SSL_OP_PRIORITIZE_CHACHA | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  if (SSL_CTX_set_cipher_list(context.get(), kSuites) != 1) return OpenSslError("cipher suites");
  SSL_CTX_set_alpn_select_cb(context.get(), ChooseAlpn, nullptr);
  RETURN_IF_ERROR(LoadCertificate(context.get(), certificate));
  return context;
}

// What the SNI callback looks names up in.
struct SniTable {
  std::vector<std::pair<std::string, SslContext>> contexts;  // Most specific first.
};

bool NameMatches(std::string_view pattern, std::string_view host) {
  if (pattern.empty() || pattern == host) return true;
  if (!pattern.starts_with("*.")) return false;
  return host.size() > pattern.size() - 1 && host.ends_with(pattern.substr(1));
}

// Exact names before wildcards, longer before shorter, "" last.
bool MoreSpecific(const std::string& a, const std::string& b) {
  const bool a_exact = !a.starts_with("*.");
  const bool b_exact = !b.starts_with("*.");
  if (a.empty() || b.empty()) return b.empty() && !a.empty();
  if (a_exact != b_exact) return a_exact;
  return a.size() > b.size();
}

int ChooseContext(SSL* ssl, int*, void* argument) {
  const auto* const table = static_cast<const SniTable*>(argument);
  const char* const name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (name == nullptr) return SSL_TLSEXT_ERR_OK;
  const std::string host = ToLower(name);
  for (const auto& [pattern, context] : table->contexts) {
    if (!NameMatches(pattern, host)) continue;
    SSL_set_SSL_CTX(ssl, context.get());
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

absl::StatusOr<SslContext> MakeServerContext(const std::vector<ServerCertificate>& certificates) {
  if (certificates.empty()) return absl::InvalidArgumentError("no certificate");
  auto table = std::make_unique<SniTable>();
  for (const ServerCertificate& certificate : certificates) {
    ASSIGN_OR_RETURN(const SslContext context, MakeOneServerContext(certificate));
    for (const std::string& hostname : certificate.hostnames) {
      table->contexts.emplace_back(hostname, context);
    }
  }
  std::stable_sort(table->contexts.begin(), table->contexts.end(),
                   [](const auto& a, const auto& b) { return MoreSpecific(a.first, b.first); });
  ASSIGN_OR_RETURN(const SslContext first, MakeOneServerContext(certificates.front()));
  SSL_CTX_set_tlsext_servername_callback(first.get(), ChooseContext);
  SSL_CTX_set_tlsext_servername_arg(first.get(), table.get());
  SSL_CTX* const raw = first.get();
  return SslContext(raw, [first, owned = std::shared_ptr<SniTable>(std::move(table))](SSL_CTX*) {});
}

absl::StatusOr<SslContext> MakeClientContext(std::string_view ca_pem) {
  SslContext context = Own(SSL_CTX_new(TLS_client_method()));
  if (context == nullptr) return OpenSslError("TLS context");
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  if (ca_pem.empty()) {
    if (SSL_CTX_set_default_verify_paths(context.get()) != 1) return OpenSslError("system roots");
    return context;
  }
  const BioPtr bio = OpenPem(ca_pem);
  int count = 0;
  for (;; ++count) {
    const X509Ptr ca(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), &X509_free);
    if (ca == nullptr) break;
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), ca.get()) != 1) {
      return OpenSslError("CA certificate");
    }
  }
  ERR_clear_error();
  if (count == 0) return absl::InvalidArgumentError("CA certificate: no PEM certificate in it");
  return context;
}

bool SetServerNames(SSL* ssl, const std::string& server_name,
                    const std::vector<std::string>& allowed_names) {
  in6_addr parsed;
  const bool is_address = inet_pton(AF_INET, server_name.c_str(), &parsed) == 1 ||
                          inet_pton(AF_INET6, server_name.c_str(), &parsed) == 1;
  if (!is_address && SSL_set_tlsext_host_name(ssl, server_name.c_str()) != 1) return false;
  X509_VERIFY_PARAM* const parameters = SSL_get0_param(ssl);
  X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (allowed_names.empty()) {
    return is_address ? X509_VERIFY_PARAM_set1_ip_asc(parameters, server_name.c_str()) == 1
                      : SSL_set1_host(ssl, server_name.c_str()) == 1;
  }
  for (const std::string& name : allowed_names) {
    if (SSL_add1_host(ssl, name.c_str()) != 1) return false;
  }
  return true;
}

}  // namespace apk
