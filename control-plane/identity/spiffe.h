// The URIs by which certificates name whom they are for. In here they are all of the trust domain
// "apk"; an authority that others run may write another one into its certificates.
#pragma once

#include <string_view>

namespace apk {

inline constexpr std::string_view kScheme = "spiffe://";
inline constexpr std::string_view kDefaultTrustDomain = "apk";
inline constexpr std::string_view kTrustDomain = "spiffe://apk/";
inline constexpr std::string_view kUserUri = "spiffe://apk/user/";    // May use the admin API.
inline constexpr std::string_view kAgentUri = "spiffe://apk/agent/";  // May stream snapshots.
// What an agent's labels begin with, each a URI of its own beside that.
inline constexpr std::string_view kLabelScheme = "apk-label:";

}  // namespace apk
