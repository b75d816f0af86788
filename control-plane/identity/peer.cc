// gRPC has verified the chain; the identity is read off the leaf.
#include "control-plane/identity/peer.h"

#include <string_view>

namespace apk {
namespace {

constexpr std::string_view kTrustDomain = "spiffe://apk/";
constexpr std::string_view kUser = "spiffe://apk/user/";
constexpr std::string_view kAgent = "spiffe://apk/agent/";

}  // namespace

std::string PeerIdentity(const grpc::AuthContext& context) {
  for (const grpc::string_ref& value : context.FindPropertyValues("peer_spiffe_id")) {
    return std::string(value.data(), value.size());
  }
  for (const grpc::string_ref& value :
       context.FindPropertyValues("x509_subject_alternative_name")) {
    const std::string_view name(value.data(), value.size());
    if (name.starts_with(kTrustDomain)) return std::string(name);
  }
  return "";
}

bool IsUser(const grpc::AuthContext& context) { return PeerIdentity(context).starts_with(kUser); }

bool IsAgent(const grpc::AuthContext& context) { return PeerIdentity(context).starts_with(kAgent); }

std::string AgentName(const grpc::AuthContext& context) {
  const std::string identity = PeerIdentity(context);
  return identity.starts_with(kAgent) ? identity.substr(kAgent.size()) : "";
}

}  // namespace apk
