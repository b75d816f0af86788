// Checks an object against the (field) options of its message. Pure.
#pragma once

#include <google/protobuf/message.h>

#include <string>
#include <string_view>
#include <vector>

#include "control-plane/validation/validate.h"

namespace apk {

// `version` is the object's: fields that other versions have are errors.
void CheckFields(const google::protobuf::Message& message, const std::string& path,
                 std::string_view version, std::vector<FieldIssue>& issues);

// Fills in what is absent and has a default, in every message that is present.
void FillDefaults(google::protobuf::Message& message);

// Searches `text` for an RE2 expression, which is compiled once and kept.
bool MatchesPattern(const std::string& pattern, std::string_view text);

}  // namespace apk
