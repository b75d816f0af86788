// Keeps protobuf from telling of each string that is no UTF-8.
#pragma once

#include <google/protobuf/stubs/logging.h>

namespace apk {

[[maybe_unused]] inline google::protobuf::LogHandler* const kLogBefore =
    google::protobuf::SetLogHandler(nullptr);

}  // namespace apk
