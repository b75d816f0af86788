// Who is at the other end of a gRPC connection, by the URI in its client certificate.
#pragma once

#include <grpcpp/security/auth_context.h>

#include <string>

namespace apk {

// spiffe://apk/user/<name> may use the admin API; spiffe://apk/agent/<name> may stream snapshots.
bool IsUser(const grpc::AuthContext& context);
bool IsAgent(const grpc::AuthContext& context);
// The <name> of an agent's certificate, "" for anybody else.
std::string AgentName(const grpc::AuthContext& context);
// The URI, "" where there is none.
std::string PeerIdentity(const grpc::AuthContext& context);

}  // namespace apk
