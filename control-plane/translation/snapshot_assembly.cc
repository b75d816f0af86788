// SHA-256 over deterministic bytes.
#include "control-plane/translation/snapshot_assembly.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <openssl/evp.h>

#include "common/strings.h"

namespace apk {
namespace {

constexpr size_t kHashBytes = 16;

std::string Hash(std::string_view bytes) {
  unsigned char digest[32];
  EVP_Digest(bytes.data(), bytes.size(), digest, nullptr, EVP_sha256(), nullptr);
  return std::string(reinterpret_cast<const char*>(digest), kHashBytes);
}

std::string DeterministicBytes(const google::protobuf::Message& message) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&coded);
  }
  return bytes;
}

std::string HashOf(const v1::SnapshotResource& resource) {
  const auto* const reflection = resource.GetReflection();
  const auto* const oneof = resource.GetDescriptor()->oneof_decl(0);
  const auto* const field = reflection->GetOneofFieldDescriptor(resource, oneof);
  const google::protobuf::Message& body = reflection->GetMessage(resource, field);
  const std::string_view nul("\0", 1);
  return Hash(Concat(body.GetDescriptor()->full_name(), nul, resource.name(), nul,
                     DeterministicBytes(body)));
}

std::string Hex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    text += kDigits[static_cast<unsigned char>(c) >> 4];
    text += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return text;
}

}  // namespace

v1::SnapshotResource& SnapshotAssembly::Resource(const std::string& name) {
  v1::SnapshotResource& resource = resources_[name];
  resource.set_name(name);
  return resource;
}

v1::Snapshot SnapshotAssembly::Finish(uint64_t revision) {
  v1::Snapshot snapshot;
  std::string root;
  for (auto& [name, resource] : resources_) {
    if (resource.body_case() == v1::SnapshotResource::BODY_NOT_SET) continue;
    resource.set_hash(HashOf(resource));
    root += Concat(name, std::string_view("\0", 1), resource.hash());
    *snapshot.add_resources() = std::move(resource);
  }
  resources_.clear();
  snapshot.set_version(Hex(Hash(root)));
  snapshot.set_revision(revision);
  return snapshot;
}

}  // namespace apk
