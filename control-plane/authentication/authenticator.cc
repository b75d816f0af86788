// Where tokens are taken a token decides: a good certificate does not make up for a bad one.
#include "control-plane/authentication/authenticator.h"

#include "common/status_macros.h"
#include "common/strings.h"

namespace apk {
namespace {

// RFC 6750, 2.1; "" where it is something else.
std::string_view TokenIn(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  authorization = TrimSpace(authorization);
  if (authorization.size() <= kScheme.size()) return "";
  if (!EqualsIgnoreCase(authorization.substr(0, kScheme.size()), kScheme)) return "";
  return TrimSpace(authorization.substr(kScheme.size()));
}

}  // namespace

void AddAuthorization(std::string_view value, std::optional<std::string>& shown) {
  shown = shown.has_value() ? "" : std::string(value);
}

bool Authenticator::ByToken(const Credentials& credentials) const {
  return tokens_ != nullptr && credentials.authorization.has_value();
}

absl::StatusOr<Principal> Authenticator::Identify(const Credentials& credentials,
                                                  int64_t now_unix) const {
  if (ByToken(credentials)) {
    const std::string_view token = TokenIn(*credentials.authorization);
    if (!token.empty()) return tokens_->Verify(token, now_unix);
    return absl::UnauthenticatedError("the field authorization must be \"Bearer TOKEN\", once");
  }
  if (credentials.certificate.IsUser()) {
    return Principal{.name = credentials.certificate.uri, .groups = {}};
  }
  if (!credentials.certificate.uri.empty()) {
    return absl::PermissionDeniedError(
        Concat("this API needs a user's certificate (spiffe://apk/user/…)",
               tokens_ == nullptr ? "" : " or a bearer token"));
  }
  if (credentials.authorization.has_value()) {
    return absl::UnauthenticatedError(
        "bearer tokens are not taken here (--oidc-issuer): a user's certificate is needed "
        "(spiffe://apk/user/…)");
  }
  return tokens_ == nullptr
             ? absl::PermissionDeniedError(
                   "this API needs a user's certificate (spiffe://apk/user/…)")
             : absl::UnauthenticatedError(
                   "this API needs a user's certificate (spiffe://apk/user/…) or a bearer token");
}

absl::StatusOr<Principal> Authenticator::User(const Credentials& credentials,
                                              int64_t now_unix) const {
  ASSIGN_OR_RETURN(Principal principal, Identify(credentials, now_unix));
  RETURN_IF_ERROR(ByToken(credentials) ? ledger_.CheckUserName(principal.name)
                                       : ledger_.Check(credentials.certificate, now_unix));
  return principal;
}

bool Authenticator::WaitForKeys(const absl::Status& refused, const std::string& asker,
                                std::function<void()> then) const {
  return tokens_ != nullptr && BearerTokens::WantsKeys(refused) &&
         tokens_->FetchSoon(asker, std::move(then));
}

}  // namespace apk
