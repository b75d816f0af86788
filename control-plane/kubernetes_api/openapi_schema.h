// A message's fields and their rules as an OpenAPI schema. Pure.
#pragma once

#include <google/protobuf/descriptor.h>

#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>

namespace apk {

// As in "#/components/schemas/apk.v1.HTTPRouteSpec".
std::string SchemaNameOf(const google::protobuf::Descriptor& message);
// With the fields that there are in `version`. Messages that it refers to are added to `used`.
nlohmann::ordered_json SchemaOf(const google::protobuf::Descriptor& message,
                                const std::string& version,
                                std::set<const google::protobuf::Descriptor*>& used);

}  // namespace apk
