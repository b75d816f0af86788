// Who calls the admin API or the Kubernetes API: by a bearer token where there is one, else by the
// certificate of the connection; and whether they are shut out. Thread-safe.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "control-plane/access/principal.h"
#include "control-plane/authentication/bearer_tokens.h"
#include "control-plane/identity/identity_ledger.h"
#include "control-plane/identity/peer_certificate.h"

namespace apk {

// What a call shows.
struct Credentials {
  PeerCertificate certificate;
  std::optional<std::string> authorization;  // The value of that field.
};

// A call has one more field "authorization". Two could be read as one token here and as the other
// one elsewhere: they are none, and a call that shows none is refused where tokens are taken.
void AddAuthorization(std::string_view value, std::optional<std::string>& shown);

class Authenticator {
 public:
  // `tokens` is nullptr where none are taken. Both outlive it.
  explicit Authenticator(const IdentityLedger& ledger, BearerTokens* tokens = nullptr)
      : ledger_(ledger), tokens_(tokens) {}

  // Who it is, revoked or not. UNAUTHENTICATED where there is nothing that says so or the token is
  // not good, PERMISSION_DENIED where the certificate is no user's.
  absl::StatusOr<Principal> Identify(const Credentials& credentials, int64_t now_unix) const;
  // The same, and they are let in: PERMISSION_DENIED where they are revoked, UNAUTHENTICATED where
  // the certificate has expired since the connection began.
  absl::StatusOr<Principal> User(const Credentials& credentials, int64_t now_unix) const;

  bool takes_tokens() const { return tokens_ != nullptr; }
  // Where User was refused for a key that is not known: true where it is worth asking again once
  // `then` is called, as it will be, on any thread. `asker`: as ProviderKeys::FetchSoon.
  bool WaitForKeys(const absl::Status& refused, const std::string& asker,
                   std::function<void()> then) const;
  const IdentityLedger& ledger() const { return ledger_; }

 private:
  bool ByToken(const Credentials& credentials) const;

  const IdentityLedger& ledger_;
  BearerTokens* const tokens_;
};

}  // namespace apk
