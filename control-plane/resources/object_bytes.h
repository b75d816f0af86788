// Objects as bytes, for the store and for hashes.
#pragma once

#include <absl/status/statusor.h>
#include <google/protobuf/message.h>

#include <string>
#include <string_view>

#include "control-plane/resources/resource_set.h"

namespace apk {

// Equal messages have equal bytes.
std::string DeterministicBytes(const google::protobuf::Message& message);
// Of one type. Compares bytes, which is several times faster than reflection.
bool SameMessage(const google::protobuf::Message& a, const google::protobuf::Message& b);

// An object of a kind from its bytes. FAILED_PRECONDITION where the kind is not known, DATA_LOSS
// where the bytes are none of it.
absl::StatusOr<ResourcePtr> ParseObject(std::string_view group, std::string_view kind,
                                        const std::string& bytes);

}  // namespace apk
