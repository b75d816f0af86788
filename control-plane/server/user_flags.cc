// What would let strangers in does not start.
#include "control-plane/server/user_flags.h"

#include <optional>

#include "common/status_macros.h"
#include "common/strings.h"
#include "control-plane/resources/duration.h"

namespace apk {
namespace {

void AddOidcFlags(CLI::App& app, UserFlags& flags) {
  OidcOptions& oidc = flags.oidc;
  app.add_option("--oidc-issuer", oidc.issuer,
                 "OpenID Connect: the issuer whose bearer tokens users may show instead of a "
                 "certificate, to both APIs (needs --oidc-audience and --roles)");
  app.add_option("--oidc-audience", oidc.audiences,
                 "What a token must be for: one of these in its aud");
  app.add_option("--oidc-jwks", oidc.jwks,
                 "URL (https) or file of the issuer's keys; without it its "
                 "/.well-known/openid-configuration says where they are");
  app.add_option("--oidc-ca", oidc.ca,
                 "PEM file: who signed its certificate, instead of whom the system trusts");
  app.add_option("--oidc-username-claim", oidc.username_claim,
                 "The claim that names the user, who is oidc:NAME in the roles")
      ->capture_default_str();
  app.add_option("--oidc-groups-claim", oidc.groups_claim,
                 "The claim that names the user's groups, which are oidc:NAME in the roles")
      ->capture_default_str();
  app.add_option("--oidc-keys-kept", flags.oidc_keys_kept,
                 "How long keys that were fetched are used while the issuer can't be reached")
      ->capture_default_str();
}

void AddLimitFlags(CLI::App& app, UserFlags& flags) {
  LimitOptions& limits = flags.limits;
  const auto add = [&app](const char* name, auto& value, const char* description) {
    app.add_option(name, value, description)->capture_default_str();
  };
  add("--limit-reads", limits.reads,
      "Calls that read, of one user in a second, ten times as many at once; 0 for no limit, as for "
      "the others");
  add("--limit-changes", limits.changes, "Calls that change something, likewise");
  add("--limit-calls", limits.calls, "Calls of one user at a time, without applies and watches");
  add("--limit-applies", limits.applies,
      "Applies of one user at a time; up to 64 MiB of each are kept in memory");
  add("--limit-watches", limits.watches, "Watches of one user at a time");
  add("--limit-connections-per-address", flags.connections_per_address,
      "Connections to a gRPC port, and to that of the Kubernetes API, from one address; 0 for half "
      "of those that there may be");
  add("--limit-namespace-objects", flags.quota.objects, "Objects in one namespace");
  add("--limit-namespace-bytes", flags.quota.bytes,
      "Bytes of the objects in one namespace, statuses aside");
}

}  // namespace

void AddUserFlags(CLI::App& app, UserFlags& flags) {
  AddOidcFlags(app, flags);
  AddLimitFlags(app, flags);
}

absl::StatusOr<TokenUsers> OpenTokenUsers(const UserFlags& flags, bool has_roles) {
  OidcOptions options = flags.oidc;
  const std::optional<uint32_t> kept = ParseDurationMs(flags.oidc_keys_kept);
  if (!kept.has_value() || *kept < 1000) {
    return absl::InvalidArgumentError(Concat("--oidc-keys-kept ", flags.oidc_keys_kept,
                                             ": must be a duration of at least 1s, such as 24h"));
  }
  options.keys_kept = std::chrono::seconds(*kept / 1000);
  RETURN_IF_ERROR(CheckOidcOptions(options));
  TokenUsers users;
  if (options.issuer.empty()) return users;
  if (!has_roles) {
    return absl::InvalidArgumentError(
        "--oidc-issuer needs --roles: without them whoever has a token might do everything");
  }
  ASSIGN_OR_RETURN(users.keys, ProviderKeys::Open(options));
  users.tokens = std::make_unique<BearerTokens>(options, *users.keys);
  return users;
}

ConnectionLimits ConnectionsOf(const UserFlags& flags) {
  ConnectionLimits limits = AffordableConnections();
  if (flags.connections_per_address != 0) limits.per_address = flags.connections_per_address;
  return limits;
}

}  // namespace apk
