// A port has one context, and a table of others that it hands a connection over to once the client
// has said a name. The table dies with the port's context.
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "common/log.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "data-plane/net/client_hello.h"
#include "data-plane/net/ocsp_staple.h"
#include "data-plane/net/tls_context.h"
#include "data-plane/net/tls_pem.h"

namespace apk {
namespace {

constexpr char kSuites[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr char kGroups[] = "X25519:P-256:P-384";
constexpr size_t kSessionIdContextBytes = 32;

// One context, with at most one certificate for each type of key.
struct CertificateSet {
  SslContext context;
  std::vector<std::pair<const X509*, OcspStaple>> staples;  // By certificate.
  std::string protocols;                                    // ALPN, as it goes over the wire.
};

struct ServedSettings {
  std::string hostname;
  std::string session_id_context;
  int verify_mode = SSL_VERIFY_NONE;
  bool insecure_fallback = false;
  uint64_t client_rules = 0;
  std::map<std::string, const CertificateSet*, std::less<>> by_name;  // Names of certificates.
  const CertificateSet* fallback = nullptr;
};

struct PortTable {
  std::vector<std::unique_ptr<CertificateSet>> sets;
  std::vector<ServedSettings> settings;  // Most specific hostname first.
  std::shared_ptr<TicketKeys> tickets;
  RecordsBy records = RecordsBy::kOpenSsl;

  const ServedSettings& Find(std::string_view server_name) const;
};

int FactsIndex() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

int SecretsIndex() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

int TableIndex() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

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

const ServedSettings& PortTable::Find(std::string_view server_name) const {
  if (!server_name.empty()) {
    for (const ServedSettings& candidate : settings) {
      if (NameMatches(candidate.hostname, server_name)) return candidate;
    }
  }
  return settings.back().hostname.empty() ? settings.back() : settings.front();
}

// "*.example.com" for "a.example.com": wildcards of certificates take one label (RFC 6125 6.4.3).
std::string WildcardOf(std::string_view name) {
  const size_t dot = name.find('.');
  return dot == std::string_view::npos ? "" : Concat("*", name.substr(dot));
}

const CertificateSet& SetFor(const ServedSettings& settings, std::string_view server_name) {
  auto found = settings.by_name.find(server_name);
  if (found == settings.by_name.end()) found = settings.by_name.find(WildcardOf(server_name));
  return found == settings.by_name.end() ? *settings.fallback : *found->second;
}

int AcceptAnything(int /*preverified*/, X509_STORE_CTX* /*store*/) { return 1; }

// Before anything is decided or resumed: what follows runs under the rules of the name's settings.
int OnClientHello(SSL* ssl, int* alert, void* argument) {
  const auto& table = *static_cast<const PortTable*>(argument);
  std::string server_name;
  const unsigned char* extension = nullptr;
  size_t size = 0;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &extension, &size) == 1 &&
      !ReadServerNameExtension({reinterpret_cast<const char*>(extension), size}, server_name)) {
    *alert = SSL_AD_DECODE_ERROR;
    return SSL_CLIENT_HELLO_ERROR;
  }
  const ServedSettings& settings = table.Find(server_name);
  SSL_CTX* const wanted = SetFor(settings, server_name).context.get();
  if (wanted != SSL_get_SSL_CTX(ssl)) SSL_set_SSL_CTX(ssl, wanted);  // Copies all certificates.
  SSL_set_session_id_context(
      ssl, reinterpret_cast<const unsigned char*>(settings.session_id_context.data()),
      static_cast<unsigned>(settings.session_id_context.size()));
  SSL_set_verify(ssl, settings.verify_mode, settings.insecure_fallback ? AcceptAnything : nullptr);
  if (auto* const facts = static_cast<HandshakeFacts*>(SSL_get_ex_data(ssl, FactsIndex()))) {
    facts->server_name = std::move(server_name);
    facts->client_rules = settings.client_rules;
  }
  return SSL_CLIENT_HELLO_SUCCESS;
}

// The name was taken: the server's hello says so (RFC 6066 3).
int AcknowledgeName(SSL* ssl, int*, void*) {
  return SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) == nullptr ? SSL_TLSEXT_ERR_NOACK
                                                                       : SSL_TLSEXT_ERR_OK;
}

int ChooseProtocol(SSL*, const unsigned char** out, unsigned char* out_size,
                   const unsigned char* in, unsigned int in_size, void* argument) {
  const std::string& offered = static_cast<const CertificateSet*>(argument)->protocols;
  unsigned char* selected = nullptr;
  if (SSL_select_next_proto(
          &selected, out_size, reinterpret_cast<const unsigned char*>(offered.data()),
          static_cast<unsigned>(offered.size()), in, in_size) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  *out = selected;
  return SSL_TLSEXT_ERR_OK;
}

int StapleOcsp(SSL* ssl, void* argument) {
  const X509* const shown = SSL_get_certificate(ssl);
  for (const auto& [certificate, staple] : static_cast<CertificateSet*>(argument)->staples) {
    // One that has ended would make clients turn away that would come without any.
    if (certificate != shown || staple.until <= std::chrono::system_clock::now()) continue;
    const std::string& response = staple.response;
    auto* const copy =
        static_cast<unsigned char*>(OPENSSL_memdup(response.data(), response.size()));
    if (copy == nullptr) return SSL_TLSEXT_ERR_NOACK;
    SSL_set_tlsext_status_ocsp_resp(ssl, copy, static_cast<long>(response.size()));
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_NOACK;
}

bool InitMac(EVP_MAC_CTX* mac, TicketKeys::Key& key) {
  char digest[] = "SHA256";
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key.mac_key.data(), key.mac_key.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_end()};
  return EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

// As OpenSSL wants it: 1 for a key, 2 for one whose ticket is to be replaced, 0 for none, -1 for an
// error.
int OnTicket(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
             EVP_MAC_CTX* mac, int sealing) {
  auto& table = *static_cast<PortTable*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), TableIndex()));
  const TimePoint now = std::chrono::steady_clock::now();
  if (sealing != 0) {
    std::optional<TicketKeys::Key> key = table.tickets->Current(now);
    if (!key.has_value() || RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1 ||
        EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key->cipher_key.data(), iv) != 1 ||
        !InitMac(mac, *key)) {
      return -1;
    }
    std::copy(key->name.begin(), key->name.end(), name);
    return 1;
  }
  const std::string_view wanted(reinterpret_cast<const char*>(name), 16);
  std::optional<TicketKeys::Found> found = table.tickets->Find(wanted, now);
  if (!found.has_value()) return 0;
  if (!InitMac(mac, found->key) || EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr,
                                                      found->key.cipher_key.data(), iv) != 1) {
    return -1;
  }
  return found->current ? 1 : 2;
}

// `line`: of a file of keys as browsers write it: what the secret is, the connection's number, the
// secret, in hex. From the moment it tells of the server's, records are sealed with that.
void OnSecret(const SSL* ssl, const char* line) {
  auto* const secrets = static_cast<TrafficSecrets*>(SSL_get_ex_data(ssl, SecretsIndex()));
  if (secrets == nullptr) return;
  const std::string_view words = line;
  const bool client = words.starts_with("CLIENT_TRAFFIC_SECRET_0 ");
  if (!client && !words.starts_with("SERVER_TRAFFIC_SECRET_0 ")) return;
  unsigned char secret[EVP_MAX_MD_SIZE];
  size_t size = 0;
  const char* const hex = line + words.rfind(' ') + 1;
  if (OPENSSL_hexstr2buf_ex(secret, sizeof secret, &size, hex, '\0') == 1) {
    (client ? secrets->client : secrets->server)
        .assign(reinterpret_cast<const char*>(secret), size);
  }
  OPENSSL_cleanse(secret, sizeof secret);
}

void OnRecord(int written, int, int type, const void*, size_t, SSL*, void* secrets) {
  auto& counted = *static_cast<TrafficSecrets*>(secrets);
  if (written == 1 && type == SSL3_RT_HEADER && !counted.server.empty()) ++counted.records_written;
}

absl::StatusOr<SslContext> NewContext(PortTable* table) {
  SslContext context(SSL_CTX_new(TLS_server_method()), &SSL_CTX_free);
  if (context == nullptr) return OpenSslError("TLS context");
  SSL_CTX* const raw = context.get();
  SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
  SSL_CTX_set_options(raw, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                               SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                               SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                            SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  if (table->records == RecordsBy::kAgent) {
    SSL_CTX_set_keylog_callback(raw, OnSecret);
  } else {
    SSL_CTX_set_read_ahead(raw, 1);
  }
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);  // Clients keep it, in a ticket.
  SSL_CTX_set_num_tickets(raw, 1);                          // A resumed session brings the next.
  if (SSL_CTX_set_cipher_list(raw, kSuites) != 1 || SSL_CTX_set1_groups_list(raw, kGroups) != 1) {
    return OpenSslError("cipher suites");
  }
  SSL_CTX_set_ex_data(raw, TableIndex(), table);
  SSL_CTX_set_tlsext_ticket_key_evp_cb(raw, OnTicket);
  SSL_CTX_set_tlsext_servername_callback(raw, AcknowledgeName);
  return context;
}

std::string WireProtocols(const std::vector<std::string>& protocols) {
  std::string wire;
  for (const std::string& protocol : protocols) {
    wire += static_cast<char>(protocol.size());
    wire += protocol;
  }
  return wire;
}

// A certificate as far as the choice needs it.
struct Candidate {
  const ServerCertificate* certificate;
  int key_type;
  std::vector<std::string> names;  // Lower case.
  std::optional<OcspStaple> staple;

  bool Has(const std::string& name) const {
    return std::find(names.begin(), names.end(), name) != names.end();
  }
};

void AddText(const ASN1_STRING* text, std::vector<std::string>& names) {
  if (text == nullptr) return;
  names.push_back(
      ToLower(std::string_view(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                               static_cast<size_t>(ASN1_STRING_length(text)))));
}

std::vector<std::string> NamesOf(X509* certificate) {
  std::vector<std::string> names;
  using NamesPtr = std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)>;
  const NamesPtr alternatives(static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(
                                  certificate, NID_subject_alt_name, nullptr, nullptr)),
                              &GENERAL_NAMES_free);
  for (int i = 0; alternatives != nullptr && i < sk_GENERAL_NAME_num(alternatives.get()); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(alternatives.get(), i);
    if (name->type == GEN_DNS) AddText(name->d.dNSName, names);
  }
  if (!names.empty()) return names;
  X509_NAME* const subject = X509_get_subject_name(certificate);
  const int index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (index >= 0) AddText(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index)), names);
  ERR_clear_error();
  return names;
}

std::optional<OcspStaple> StapleOf(const ServerSettings& settings,
                                   const ServerCertificate& certificate,
                                   const std::vector<X509Ptr>& chain) {
  if (certificate.ocsp_response.empty()) return std::nullopt;
  absl::StatusOr<OcspStaple> staple =
      ReadOcspStaple(certificate.ocsp_response, chain, std::chrono::system_clock::now());
  if (staple.ok()) return *std::move(staple);
  LogWarning("OCSP response not stapled",
             {{"listener", settings.name}, {"reason", std::string(staple.status().message())}});
  return std::nullopt;
}

absl::StatusOr<std::vector<Candidate>> ReadCandidates(const ServerSettings& settings) {
  std::vector<Candidate> candidates;
  for (const ServerCertificate& certificate : settings.certificates) {
    const std::vector<X509Ptr> chain = ReadCertificates(certificate.chain_pem);
    if (chain.empty()) return absl::InvalidArgumentError("certificate: no PEM certificate in it");
    candidates.push_back({.certificate = &certificate,
                          .key_type = EVP_PKEY_get_base_id(X509_get0_pubkey(chain[0].get())),
                          .names = NamesOf(chain[0].get()),
                          .staple = StapleOf(settings, certificate, chain)});
  }
  return candidates;
}

// For each type of key the first certificate with the name itself, or else with its wildcard; for
// name "" the first of each type.
std::vector<const Candidate*> Choose(const std::vector<Candidate>& candidates,
                                     const std::string& name) {
  std::set<int> chosen;  // Types of keys.
  std::vector<const Candidate*> in_order;
  for (const std::string& wanted : {name, WildcardOf(name)}) {
    for (const Candidate& candidate : candidates) {
      if (!name.empty() && !candidate.Has(wanted)) continue;
      if (chosen.insert(candidate.key_type).second) in_order.push_back(&candidate);
    }
  }
  return in_order;
}

absl::StatusOr<std::unique_ptr<CertificateSet>> MakeSet(
    const ServerSettings& settings, const std::vector<const Candidate*>& candidates,
    PortTable* table) {
  auto set = std::make_unique<CertificateSet>();
  ASSIGN_OR_RETURN(set->context, NewContext(table));
  SSL_CTX* const context = set->context.get();
  for (const Candidate* const candidate : candidates) {
    const ServerCertificate& certificate = *candidate->certificate;
    RETURN_IF_ERROR(LoadCertificate(context, certificate.chain_pem, certificate.key_pem));
    if (!candidate->staple.has_value()) continue;
    set->staples.emplace_back(SSL_CTX_get0_certificate(context), *candidate->staple);
  }
  if (!set->staples.empty()) {
    SSL_CTX_set_tlsext_status_cb(context, StapleOcsp);
    SSL_CTX_set_tlsext_status_arg(context, set.get());
  }
  set->protocols = WireProtocols(settings.protocols);
  if (!set->protocols.empty()) SSL_CTX_set_alpn_select_cb(context, ChooseProtocol, set.get());
  if (!settings.client_ca_pem.empty()) {
    RETURN_IF_ERROR(LoadTrust(context, settings.client_ca_pem));
    for (const X509Ptr& ca : ReadCertificates(settings.client_ca_pem)) {
      SSL_CTX_add_client_CA(context, ca.get());
    }
  }
  return set;
}

absl::Status AddSettings(const ServerSettings& settings, PortTable* table) {
  if (settings.certificates.empty()) return absl::InvalidArgumentError("no certificate");
  ASSIGN_OR_RETURN(const std::vector<Candidate> candidates, ReadCandidates(settings));
  ServedSettings served;
  served.hostname = settings.hostname;
  served.client_rules = settings.client_rules;
  served.insecure_fallback = settings.insecure_fallback;
  if (!settings.client_ca_pem.empty()) {
    served.verify_mode = settings.insecure_fallback
                             ? SSL_VERIFY_PEER
                             : SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  }
  served.session_id_context.resize(kSessionIdContextBytes);
  // Whoever was let in by other rules must come in by these.
  const std::string session_rules =
      Concat(settings.name, "\n", settings.hostname, "\n",
             settings.insecure_fallback ? "any" : "valid", "\n", settings.client_ca_pem);
  EVP_Digest(session_rules.data(), session_rules.size(),
             reinterpret_cast<unsigned char*>(served.session_id_context.data()), nullptr,
             EVP_sha256(), nullptr);
  std::set<std::string> names{""};
  for (const Candidate& candidate : candidates) {
    names.insert(candidate.names.begin(), candidate.names.end());
  }
  std::map<std::vector<const Candidate*>, const CertificateSet*> made;
  for (const std::string& name : names) {
    const std::vector<const Candidate*> chosen = Choose(candidates, name);
    const CertificateSet*& set = made[chosen];
    if (set == nullptr) {
      ASSIGN_OR_RETURN(std::unique_ptr<CertificateSet> fresh, MakeSet(settings, chosen, table));
      set = fresh.get();
      table->sets.push_back(std::move(fresh));
    }
    (name.empty() ? served.fallback : served.by_name[name]) = set;
  }
  table->settings.push_back(std::move(served));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SslContext> MakeServerContext(const std::vector<ServerSettings>& settings,
                                             std::shared_ptr<TicketKeys> tickets,
                                             RecordsBy records) {
  if (settings.empty()) return absl::InvalidArgumentError("no certificate");
  auto table = std::make_shared<PortTable>();
  table->tickets = std::move(tickets);
  table->records = records;
  for (const ServerSettings& one : settings) RETURN_IF_ERROR(AddSettings(one, table.get()));
  std::stable_sort(
      table->settings.begin(), table->settings.end(),
      [](const auto& a, const auto& b) { return MoreSpecific(a.hostname, b.hostname); });
  // Connections begin with what most of them stay with.
  SSL_CTX* const first = table->Find("").fallback->context.get();
  SSL_CTX_set_client_hello_cb(first, OnClientHello, table.get());
  return SslContext(first, [table](SSL_CTX*) {});
}

std::optional<WallTime> FirstStapleEnd(const SslContext& context) {
  const auto& table =
      *static_cast<const PortTable*>(SSL_CTX_get_ex_data(context.get(), TableIndex()));
  std::optional<WallTime> first;
  for (const auto& set : table.sets) {
    for (const auto& [certificate, staple] : set->staples) {
      first = std::min(first.value_or(staple.until), staple.until);
    }
  }
  return first;
}

void AttachFacts(SSL* ssl, HandshakeFacts* facts, TrafficSecrets* secrets) {
  SSL_set_ex_data(ssl, FactsIndex(), facts);
  if (secrets == nullptr) return;
  SSL_set_ex_data(ssl, SecretsIndex(), secrets);
  SSL_set_msg_callback(ssl, OnRecord);
  SSL_set_msg_callback_arg(ssl, secrets);
}

}  // namespace apk
