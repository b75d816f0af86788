// An object in full, as `describe` shows it: kubectl's titles and columns, nothing secret, nothing
// that steers the terminal. Pure.
#pragma once

#include <google/protobuf/message.h>

#include <string>
#include <string_view>

namespace apk {

std::string Describe(const google::protobuf::Message& object);

// "parentRefs" as "Parent Refs", "apiVersion" as "API Version".
std::string TitleOf(std::string_view key);

}  // namespace apk
