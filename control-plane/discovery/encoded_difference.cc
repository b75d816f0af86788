// Field by field: a message with a copy of each resource would be several times as large.
#include "control-plane/discovery/encoded_difference.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/wire_format_lite.h>

#include <utility>

#include "apk/v1/discovery.pb.h"
#include "common/compressed.h"

namespace apk {
namespace {

using google::protobuf::internal::WireFormatLite;

// The resources of a part before they are compressed: a stream that is read slowly holds one part.
constexpr size_t kPartBytesMax = 512 << 10;
constexpr size_t kCompressedFrom = 1 << 10;

void AppendField(int number, const std::string& value, std::string& bytes) {
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream out(&stream);
  WireFormatLite::WriteBytes(number, value, &out);
}

// Resources of one part, serialized.
struct Batch {
  std::vector<std::string> resources;
  size_t bytes = 0;

  void Add(std::string resource) {
    bytes += resource.size();
    resources.push_back(std::move(resource));
  }
  // As fields of that number.
  std::string As(int number) const {
    std::string fields;
    fields.reserve(bytes + resources.size() * 8);
    for (const std::string& resource : resources) AppendField(number, resource, fields);
    return fields;
  }
};

// They are compressed where that pays.
std::string WithResources(std::string part, const Batch& batch, bool may_compress) {
  if (may_compress && batch.bytes >= kCompressedFrom) {
    const std::string compressed = Compress(batch.As(v1::SnapshotResources::kResourcesFieldNumber));
    if (compressed.size() < batch.bytes * 9 / 10) {
      AppendField(v1::DiscoveryResponse::kResourcesZlibFieldNumber, compressed, part);
      return part;
    }
  }
  part += batch.As(v1::DiscoveryResponse::kResourcesFieldNumber);
  return part;
}

}  // namespace

size_t EncodedDifference::size() const {
  size_t size = 0;
  for (const auto& part : parts) size += part->size();
  return size;
}

Difference DifferenceBetween(const SharedSnapshot* before, const SharedSnapshot& after) {
  static const std::vector<SharedResource> nothing;
  const std::vector<SharedResource>& held = before == nullptr ? nothing : before->resources;
  Difference difference;
  auto old = held.begin();
  for (const SharedResource& resource : after.resources) {
    while (old != held.end() && (*old)->name() < resource->name()) {
      difference.removed.push_back((*old++)->name());
    }
    if (old == held.end() || (*old)->name() != resource->name()) {
      difference.resources.push_back(resource);
      continue;
    }
    if (*old != resource && (*old)->hash() != resource->hash()) {
      difference.resources.push_back(resource);
    }
    ++old;
  }
  for (; old != held.end(); ++old) difference.removed.push_back((*old)->name());
  return difference;
}

EncodedDifferencePtr Encode(const Difference& difference, bool parts) {
  auto encoded = std::make_shared<EncodedDifference>();
  Batch batch;
  const auto close = [&](const v1::DiscoveryResponse& rest) {
    encoded->parts.push_back(std::make_shared<const std::string>(
        WithResources(rest.SerializeAsString(), std::exchange(batch, {}), parts)));
  };
  v1::DiscoveryResponse more;
  more.set_more_follows(true);
  for (const SharedResource& resource : difference.resources) {
    std::string bytes = resource->SerializeAsString();
    const bool full = !batch.resources.empty() && batch.bytes + bytes.size() > kPartBytesMax;
    if (parts && full) close(more);
    batch.Add(std::move(bytes));
  }
  v1::DiscoveryResponse last;
  last.mutable_removed()->Assign(difference.removed.begin(), difference.removed.end());
  last.mutable_removed_held()->Assign(difference.removed_held.begin(),
                                      difference.removed_held.end());
  close(last);
  return encoded;
}

}  // namespace apk
