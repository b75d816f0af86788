// gRPC has verified the chain; the identity is read off the leaf.
#include "control-plane/identity/peer.h"

#include <string_view>

#include "control-plane/identity/spiffe.h"

namespace apk {

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

bool IsUser(const grpc::AuthContext& context) {
  return PeerIdentity(context).starts_with(kUserUri);
}

bool IsAgent(const grpc::AuthContext& context) {
  return PeerIdentity(context).starts_with(kAgentUri);
}

std::string AgentName(const grpc::AuthContext& context) {
  const std::string identity = PeerIdentity(context);
  return identity.starts_with(kAgentUri) ? identity.substr(kAgentUri.size()) : "";
}

}  // namespace apk
