// What the gRPC services ask before they change something, and what they note then.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include <string>
#include <vector>

#include "control-plane/access/gate.h"
#include "control-plane/authentication/authenticator.h"
#include "control-plane/resources/resource_set.h"

namespace apk {

// What a service needs for both: who asks, and whether they may. A value; what it has outlives it.
struct Guard {
  const Gate& gate;
  const Authenticator& authenticator;

  // Who calls; without a name where that can't be told.
  Principal UserOf(const grpc::ServerContext& context) const;
};

// Whether the user may do it to an object. OK for kinds that don't exist: they are refused anyway.
absl::Status CheckObject(const Gate& gate, const Principal& user, const std::string& verb,
                         const ResourceKey& key);

// The keys of the objects of a request. What can't be read is left out: it is refused anyway.
std::vector<ResourceKey> KeysOf(const v1::ApplyRequest& request);

// One request to change something. A dry run, which changes nothing, is noted only where it is
// forbidden.
class GuardedRequest {
 public:
  using Results = google::protobuf::RepeatedPtrField<v1::ObjectResult>;

  GuardedRequest(const Guard& guard, const grpc::ServerContext& context, std::string verb,
                 bool dry_run);

  const Principal& user() const { return user_; }
  // It is about these objects, and the roles let the user do that to all of them: what Begin says
  // otherwise.
  void About(const std::vector<ResourceKey>& keys);
  // It is about no objects of its own.
  void Needs(const AccessRequest& request);

  // As CheckUser of caller.h; PERMISSION_DENIED where the roles don't allow it, UNAVAILABLE where
  // it could not be noted.
  grpc::Status Begin();
  // Notes what became of it, and gives `status` back. Without results its own objects are noted.
  grpc::Status End(const grpc::Status& status, uint64_t revision, const Results& results);
  // Notes that it was refused for what is in it.
  void Refuse(const std::string& result, const std::string& message);

 private:
  const Gate& gate_;
  const bool dry_run_;
  const grpc::Status let_in_;
  const Principal user_;
  absl::Status verdict_;
  AuditEntry entry_;
};

}  // namespace apk
