// Where two objects differ. Pure.
#pragma once

#include <google/protobuf/message.h>

#include <string>
#include <vector>

namespace apk {

// "spec.rules[0].backendRefs[1].weight", "metadata.labels.team": paths without values, as they
// stand in JSON, those that are only in one of the two included. Without status and what the
// control plane sets in the metadata. Of more than 20 the last says how many others there are.
// Both are of one kind.
std::vector<std::string> ChangedFields(const google::protobuf::Message& before,
                                       const google::protobuf::Message& after);

}  // namespace apk
