// OpenSSL contexts from PEM, made once per snapshot or backend and shared by connections. A
// connection keeps the context it started with. Immutable once made; thread-safe.
#pragma once

#include <absl/status/statusor.h>
#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "data-plane/net/ticket_keys.h"
#include "data-plane/net/tls_records.h"

namespace apk {

using SslContext = std::shared_ptr<SSL_CTX>;

// Who reads and writes the records of a connection that was accepted.
enum class RecordsBy : uint8_t { kOpenSsl, kAgent };

struct ServerCertificate {
  std::string chain_pem;
  std::string key_pem;
  std::string
      ocsp_response;  // DER, stapled where clients ask for it, for as long as it is fit; or "".
};

// What the clients of one listener are shown, and asked for.
struct ServerSettings {
  std::string name;      // Sessions are resumed within the settings of one name only.
  std::string hostname;  // SNI names that are its own: exact, "*.suffix", or "" for any.
  std::vector<ServerCertificate> certificates;  // The first is the default.
  std::vector<std::string> protocols;           // ALPN, best first; none: it isn't negotiated.
  std::string client_ca_pem;                    // "": clients are asked for no certificate.
  bool insecure_fallback = false;  // Clients without a valid one are let in all the same.
  uint64_t client_rules = 0;       // Names the two above, for HandshakeFacts.
};

// For one port. The settings with the most specific hostname win; without SNI, or where nothing
// matches, those for any host do, else the first. Of their certificates, the most specific name of
// each type of key is shown, and the client's offers decide between types. TLS 1.2 with AEAD suites
// and TLS 1.3, no renegotiation. Tickets are sealed with `tickets`: another context with the same
// keys takes them, where it has settings of the same name that validate clients alike. Only with
// records by the agent does it tell secrets (AttachFacts).
absl::StatusOr<SslContext> MakeServerContext(const std::vector<ServerSettings>& settings,
                                             std::shared_ptr<TicketKeys> tickets,
                                             RecordsBy records = RecordsBy::kOpenSsl);

// When the first OCSP response that the context staples ends; nullopt where it staples none.
std::optional<WallTime> FirstStapleEnd(const SslContext& context);

// What the context found out about one connection while it accepted it; see AttachFacts.
struct HandshakeFacts {
  std::string server_name;    // SNI in lower case; "" where there was none.
  uint16_t version = 0;       // Of TLS, as it has it: 0x0304 is 1.3. Once the handshake is over.
  uint64_t client_rules = 0;  // That the client has passed; 0: it was asked for nothing.
};

// Both outlive the handshake; `secrets` may be nullptr, and stay empty where it isn't of TLS 1.3.
void AttachFacts(SSL* ssl, HandshakeFacts* facts, TrafficSecrets* secrets = nullptr);

// How a backend must prove who it is, and what it is shown.
struct ClientSettings {
  std::string ca_pem;           // "": the system's roots.
  std::string certificate_pem;  // Shown to a server that asks; or "".
  std::string key_pem;

  bool operator==(const ClientSettings&) const = default;
};

absl::StatusOr<SslContext> MakeClientContext(const ClientSettings& settings);

// Names of a server: one must be in its certificate.
struct ServerNames {
  std::string server_name;                 // For SNI (unless it is an address), and
  std::vector<std::string> allowed_names;  // instead of it for the certificate: DNS names, where
  std::vector<std::string> allowed_uris;   // "*.suffix" takes one label; and URIs.
};

// The latest session of one kind of connection, to be resumed by the next. Used by one thread.
struct SessionSlot {
  std::unique_ptr<SSL_SESSION, decltype(&SSL_SESSION_free)> session{nullptr, &SSL_SESSION_free};
};

// Prepares a client connection. False when OpenSSL refuses the name. `names` and `slot` outlive the
// connection; `slot` may be nullptr.
bool PrepareClient(SSL* ssl, const ServerNames* names, SessionSlot* slot);

}  // namespace apk
