// Maps are sorted; unknown fields stay.
#include "control-plane/resources/object_bytes.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include "common/strings.h"
#include "control-plane/resources/kind_registry.h"

namespace apk {

std::string DeterministicBytes(const google::protobuf::Message& message) {
  std::string bytes(message.ByteSizeLong(), '\0');
  {
    google::protobuf::io::ArrayOutputStream stream(bytes.data(), static_cast<int>(bytes.size()));
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    message.SerializeWithCachedSizes(&coded);
  }
  return bytes;
}

bool SameMessage(const google::protobuf::Message& a, const google::protobuf::Message& b) {
  return a.ByteSizeLong() == b.ByteSizeLong() && DeterministicBytes(a) == DeterministicBytes(b);
}

absl::StatusOr<ResourcePtr> ParseObject(std::string_view group, std::string_view kind_name,
                                        const std::string& bytes) {
  const Kind* const kind = FindKind(group, kind_name);
  if (kind == nullptr) {
    return absl::FailedPreconditionError(
        Concat("the store holds a ", kind_name, ", which this version does not know"));
  }
  std::shared_ptr<google::protobuf::Message> object = kind->New();
  if (!object->ParseFromString(bytes)) {
    return absl::DataLossError(Concat("the store holds a ", kind->name, " that can't be read"));
  }
  return object;
}

}  // namespace apk
