// What an apply is let in by: objects decoded, validated and normalised on their own, then looked
// at beside what is there. Pure.
#pragma once

#include <absl/status/status.h>
#include <google/protobuf/message.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apk/v1/admin.pb.h"
#include "control-plane/resources/resource_set.h"

namespace apk {

using MessagePtr = std::unique_ptr<google::protobuf::Message>;

// An object of a request; nullptr where it is none of ours. Whoever asks what a request is about
// must decode it as what takes it does: by this.
MessagePtr Decode(const google::protobuf::Any& any);

// Decoded, validated and normalised objects in the order of the request. False where there is an
// error among the violations.
bool Admit(const v1::ApplyRequest& request, std::vector<MessagePtr>& objects,
           v1::ApplyResponse& response);

// Against what is there: preconditions (uid, resourceVersion), fields that may not change, and
// namespaces, which exist or come in the same batch. With `create_only` none of the objects may be
// there. `objects` were admitted. False where there is an error among the violations.
bool AdmitBeside(const ResourceSet& resources, const std::vector<MessagePtr>& objects,
                 bool create_only, v1::ApplyResponse& response);

// An object that was taken once may be refused by now: FAILED_PRECONDITION says why.
absl::Status CheckStillValid(const ResourceKey& key, const google::protobuf::Message& object);

// Why the object must stay; nullopt where it may be deleted.
std::optional<std::string> ReasonToKeep(const ResourceKey& key);

v1::ObjectKey ToProto(const ResourceKey& key);
ResourceKey FromProto(const v1::ObjectKey& key);
// "httproutes.gateway.networking.k8s.io \"a\"", as Kubernetes names an object in an error.
std::string NameInErrors(const ResourceKey& key);

}  // namespace apk
