// Objects as a Kubernetes API server prints them. Pure.
#pragma once

#include <google/protobuf/message.h>

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace apk {

// Only fields that are set, and supportedKinds of a listener's status, which may be empty; in the
// order of the schema; int64 as numbers, bytes as base64.
nlohmann::ordered_json ToJson(const google::protobuf::Message& message);

// The same as YAML, quoted where a reader would take a string for something else.
std::string ToYaml(const google::protobuf::Message& message);
std::string ToYaml(const nlohmann::ordered_json& value);

}  // namespace apk
