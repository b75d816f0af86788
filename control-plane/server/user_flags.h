// The flags about users: whose bearer tokens are taken, and how much one may ask.
#pragma once

#include <absl/status/statusor.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "control-plane/access/limits.h"
#include "control-plane/admin/quota.h"
#include "control-plane/authentication/bearer_tokens.h"
#include "control-plane/authentication/provider_keys.h"
#include "control-plane/server/connection_acceptor.h"

namespace apk {

struct UserFlags {
  OidcOptions oidc;
  std::string oidc_keys_kept = "24h";
  LimitOptions limits;
  QuotaOptions quota;
  size_t connections_per_address = 0;  // 0: half of what there may be.
};
void AddUserFlags(CLI::App& app, UserFlags& flags);

// Whose bearer tokens are taken; empty where none are.
struct TokenUsers {
  std::unique_ptr<ProviderKeys> keys;
  std::unique_ptr<BearerTokens> tokens;
};
// INVALID_ARGUMENT names the flag.
absl::StatusOr<TokenUsers> OpenTokenUsers(const UserFlags& flags, bool has_roles);

ConnectionLimits ConnectionsOf(const UserFlags& flags);

}  // namespace apk
