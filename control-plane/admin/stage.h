// What an apply does to one object, as the Kubernetes API server does it: identity, generation and
// resourceVersion. Pure.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "apk/v1/admin.pb.h"
#include "control-plane/resources/resource_set.h"

namespace apk {

struct StagedObject {
  ResourcePtr object;
  v1::ObjectResult::Action action = v1::ObjectResult::UNCHANGED;
};

// `wanted` is validated and normalised. The whole object is replaced, but uid, creationTimestamp
// and status stay; generation rises only with what is outside metadata and status. `uid` is for a
// new one.
StagedObject StageObject(std::unique_ptr<google::protobuf::Message> wanted,
                         const google::protobuf::Message* current, uint64_t revision,
                         const std::string& now, const std::string& uid);

}  // namespace apk
