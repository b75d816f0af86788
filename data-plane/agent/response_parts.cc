// Resources are collected; the last part has the rest.
#include "data-plane/agent/response_parts.h"

#include <utility>

#include "common/compressed.h"

namespace apk {
namespace {

// What one takes in memory beside its bytes.
constexpr size_t kPartBytes = 512;
constexpr size_t kResourceBytes = 256;

absl::Status Damaged() {
  return absl::DataLossError("a part of a response is damaged, or there is too much of it");
}

void Append(google::protobuf::RepeatedPtrField<v1::SnapshotResource>& from,
            google::protobuf::RepeatedPtrField<v1::SnapshotResource>& to) {
  to.Reserve(to.size() + from.size());
  for (v1::SnapshotResource& resource : from) *to.Add() = std::move(resource);
  from.Clear();
}

}  // namespace

absl::StatusOr<std::optional<v1::DiscoveryResponse>> ResponseParts::Add(
    v1::DiscoveryResponse part) {
  bytes_ += kPartBytes + part.ByteSizeLong() - part.resources_zlib().size() +
            static_cast<size_t>(part.resources_size()) * kResourceBytes;
  if (bytes_ > bytes_max_) return Damaged();
  Append(*part.mutable_resources(), resources_);
  if (!part.resources_zlib().empty()) {
    const std::optional<std::string> bytes = Decompress(part.resources_zlib(), bytes_max_ - bytes_);
    v1::SnapshotResources unpacked;
    if (!bytes.has_value() || !unpacked.ParseFromString(*bytes)) return Damaged();
    bytes_ += bytes->size() + static_cast<size_t>(unpacked.resources_size()) * kResourceBytes;
    if (bytes_ > bytes_max_) return Damaged();
    Append(*unpacked.mutable_resources(), resources_);
    part.clear_resources_zlib();
  }
  if (part.more_follows()) return std::nullopt;
  part.mutable_resources()->Swap(&resources_);
  resources_.Clear();
  bytes_ = 0;
  return part;
}

}  // namespace apk
