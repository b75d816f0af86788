// Objects in the form that a client asked for: JSON of one of the versions that their kind has.
// Pure.
#pragma once

#include <absl/status/statusor.h>
#include <google/protobuf/message.h>

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "control-plane/kubernetes_api/request.h"

namespace apk {

// "dp.wso2.com/v1alpha1", or "v1" for core kinds.
std::string ApiVersionOf(const Kind& kind, const std::string& version);

// `object` is in its stored version. What only newer versions have is left out, what was renamed
// has the name it had. Without managedFields.
nlohmann::ordered_json ToVersion(const google::protobuf::Message& object,
                                 const std::string& version);

// The object in a body of JSON or YAML, of the kind and version that `path` names. Its namespace is
// the path's. 422 where a field is unknown or has the wrong type, 400 where it is not what the path
// names.
absl::StatusOr<std::unique_ptr<google::protobuf::Message>> ReadObject(const std::string& body,
                                                                      const ResourcePath& path);

}  // namespace apk
