// The common verifier decides; here its verdicts get words.
#include "control-plane/authentication/bearer_tokens.h"

#include <absl/strings/cord.h>

#include <algorithm>
#include <ctime>

#include "common/jwt/jwt.h"
#include "common/jwt/strict_json.h"
#include "common/sealed.h"
#include "common/status_macros.h"
#include "common/time_format.h"

namespace apk {
namespace {

constexpr std::chrono::seconds kLeeway{30};
constexpr size_t kVerdictsMax = 4096;
constexpr size_t kNameBytesMax = 253;
constexpr size_t kGroupsMax = 1000;
constexpr char kUnknownKeyPayload[] = "authentication/unknown-key";

absl::Status Refuse(const std::string& why) {
  return absl::UnauthenticatedError(Concat("the bearer token ", why));
}

absl::Status WhyNot(const JwtResult& result, const OidcOptions& options,
                    const ProviderKeys::Known& known) {
  switch (result.verdict) {
    case JwtVerdict::kUnsupportedAlgorithm:
      return Refuse(
          "is signed by an algorithm that is not taken here; RS256, RS384, RS512, PS256, ES256 and "
          "ES384 are");
    case JwtVerdict::kWrongIssuer:
      return Refuse(Concat("is not of the issuer ", options.issuer));
    case JwtVerdict::kUnknownKey: {
      absl::Status status = Refuse(Concat("is signed by a key that ", options.issuer,
                                          " does not publish, or has not done so long",
                                          known.trouble.empty() ? ""
                                                                : Concat(" (its keys can't be "
                                                                         "read now: ",
                                                                         known.trouble, ")")));
      status.SetPayload(kUnknownKeyPayload, absl::Cord());
      return status;
    }
    case JwtVerdict::kKeysMissing: {
      absl::Status status = absl::UnavailableError(
          Concat("bearer tokens can't be checked: the keys of ", options.issuer,
                 " are not available", known.trouble.empty() ? "" : ": ", known.trouble));
      status.SetPayload(kUnknownKeyPayload, absl::Cord());
      return status;
    }
    case JwtVerdict::kBadSignature:
      return Refuse("has a signature that does not fit");
    case JwtVerdict::kExpired:
      return Refuse(Concat("expired on ",
                           Rfc3339(std::chrono::system_clock::to_time_t(result.expires)),
                           ": get another one"));
    case JwtVerdict::kNotYetValid:
      return Refuse("is not valid yet (nbf); do the clocks agree?");
    case JwtVerdict::kWrongAudience:
      return Refuse(Concat("is for another audience than ", Join(options.audiences, " or ")));
    default:
      return Refuse("is malformed: it must be a signed JWT of at most 16 KiB with exp");
  }
}

bool IsName(const std::string& text) {
  return !text.empty() && text.size() <= kNameBytesMax &&
         std::none_of(text.begin(), text.end(),
                      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

}  // namespace

absl::StatusOr<Principal> PrincipalOfClaims(const OidcOptions& options, const std::string& claims) {
  const std::optional<nlohmann::json> object = ParseStrictObject(claims);
  if (!object.has_value()) return Refuse("has claims that are no JSON object");
  const std::string& claim = options.username_claim;
  const std::optional<std::string> name = StringMember(*object, claim.c_str());
  if (!name.has_value() || !IsName(*name)) {
    return Refuse(Concat("has no claim \"", claim,
                         "\" that names its user (--oidc-username-claim): a text of at most 253 "
                         "bytes"));
  }
  // An address that nobody has proved to be his own may be another's.
  const auto verified = object->find("email_verified");
  if (claim == "email" && verified != object->end() && *verified != true) {
    return Refuse("names an address that is not verified (email_verified)");
  }
  Principal principal{.name = Concat(kTokenPrefix, *name), .groups = {}};
  const auto groups = object->find(options.groups_claim);
  if (options.groups_claim.empty() || groups == object->end() || groups->is_null()) {
    return principal;
  }
  const nlohmann::json list = groups->is_array() ? *groups : nlohmann::json::array({*groups});
  for (const nlohmann::json& group : list) {
    const bool good = group.is_string() && IsName(group.get_ref<const std::string&>());
    if (!good || principal.groups.size() == kGroupsMax) {
      return Refuse(Concat("has a claim \"", options.groups_claim,
                           "\" (--oidc-groups-claim) that is no list of names"));
    }
    principal.groups.push_back(Concat(kTokenPrefix, group.get_ref<const std::string&>()));
  }
  return principal;
}

absl::StatusOr<BearerTokens::Verdict> BearerTokens::Check(std::string_view token, int64_t now_unix,
                                                          const ProviderKeys::Known& known) const {
  const TrustedIssuer issuer{.issuer = options_.issuer, .keys = known.keys.get()};
  const JwtExpectations expected{
      .issuers = {&issuer, 1}, .audiences = options_.audiences, .leeway = kLeeway};
  const JwtResult result = VerifyJwt(token, expected, WallTime(std::chrono::seconds(now_unix)));
  if (result.verdict != JwtVerdict::kOk) return WhyNot(result, options_, known);
  Verdict verdict;
  ASSIGN_OR_RETURN(verdict.principal, PrincipalOfClaims(options_, result.claims));
  verdict.expires_unix = std::chrono::system_clock::to_time_t(result.expires) + kLeeway.count();
  verdict.keys_version = known.version;
  return verdict;
}

absl::StatusOr<Principal> BearerTokens::Verify(std::string_view token, int64_t now_unix) {
  const ProviderKeys::Known known = keys_.Current();
  const std::string hash = Sha256(token);
  if (known.keys != nullptr) {
    const std::lock_guard lock(mutex_);
    const auto found = verdicts_.find(hash);
    const bool good = found != verdicts_.end() && found->second.keys_version == known.version &&
                      now_unix < found->second.expires_unix;
    if (good) return found->second.principal;
    if (found != verdicts_.end()) verdicts_.erase(found);
  }
  ASSIGN_OR_RETURN(Verdict verdict, Check(token, now_unix, known));
  Principal principal = verdict.principal;
  const std::lock_guard lock(mutex_);
  if (verdicts_.size() >= kVerdictsMax) verdicts_.clear();
  verdicts_.insert_or_assign(hash, std::move(verdict));
  return principal;
}

bool BearerTokens::WantsKeys(const absl::Status& refused) {
  return refused.GetPayload(kUnknownKeyPayload).has_value();
}

}  // namespace apk
