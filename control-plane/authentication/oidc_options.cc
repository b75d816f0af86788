// Whoever can put a key among the issuer's can be anybody: it must come by a way that proves whose
// it is.
#include "control-plane/authentication/oidc_options.h"

#include "common/strings.h"

namespace apk {

bool IsTrustworthyUrl(const std::string& url) {
  constexpr std::string_view kSecure = "https://";
  constexpr std::string_view kPlain = "http://";
  if (url.starts_with(kSecure)) return url.size() > kSecure.size();
  if (!url.starts_with(kPlain)) return false;
  const std::string_view rest = std::string_view(url).substr(kPlain.size());
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  if (authority.find('@') != std::string_view::npos) return false;
  if (authority == "[::1]" || authority.starts_with("[::1]:")) return true;
  const std::string_view host = authority.substr(0, authority.find(':'));
  return host == "localhost" || host == "127.0.0.1";
}

absl::Status CheckOidcOptions(const OidcOptions& options) {
  const auto wrong = [](const std::string& text) { return absl::InvalidArgumentError(text); };
  if (options.issuer.empty()) {
    const bool nothing = options.audiences.empty() && options.jwks.empty() && options.ca.empty();
    if (nothing) return absl::OkStatus();
    return wrong("--oidc-issuer is missing: whose tokens are taken");
  }
  if (options.audiences.empty()) {
    return wrong(
        "--oidc-audience is missing: without it a token that the issuer gave for another program "
        "would be taken here");
  }
  if (options.username_claim.empty()) return wrong("--oidc-username-claim must name a claim");
  if (!options.jwks.starts_with("http://") && !options.jwks.starts_with("https://")) {
    if (!options.jwks.empty() || IsTrustworthyUrl(options.issuer)) return absl::OkStatus();
    return wrong(Concat("--oidc-issuer ", options.issuer,
                        ": must be an https:// URL, to ask it for its keys; or give these by "
                        "--oidc-jwks"));
  }
  if (IsTrustworthyUrl(options.jwks)) return absl::OkStatus();
  return wrong(Concat("--oidc-jwks ", options.jwks, ": must be an https:// URL or a file"));
}

}  // namespace apk
