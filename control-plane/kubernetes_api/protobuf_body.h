// `kubectl create namespace`, `create secret` and `create configmap` send protobuf: it is made JSON
// here. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <string>

namespace apk {

// True where a Content-Type is Kubernetes' protobuf.
bool IsProtobuf(const std::string& content_type);
// The object as JSON. 415 for kinds and fields that are not read.
absl::StatusOr<std::string> JsonOfProtobuf(const std::string& body);

}  // namespace apk
