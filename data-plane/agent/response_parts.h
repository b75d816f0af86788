// Responses that come in parts (discovery.proto), put together again. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <cstddef>
#include <optional>

#include "apk/v1/discovery.pb.h"

namespace apk {

class ResponseParts {
 public:
  explicit ResponseParts(size_t bytes_max = size_t{1} << 30) : bytes_max_(bytes_max) {}

  // What came next. The response as if it had come in one with its last part,
  // nullopt before. DATA_LOSS where it is damaged or too large: nothing more of
  // it can be taken then.
  absl::StatusOr<std::optional<v1::DiscoveryResponse>> Add(v1::DiscoveryResponse part);

 private:
  const size_t bytes_max_;
  size_t bytes_ = 0;  // Of the parts so far, unpacked, and for each of them and of their resources.
  google::protobuf::RepeatedPtrField<v1::SnapshotResource> resources_;
};

}  // namespace apk
