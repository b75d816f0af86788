// SHA-256 over deterministic bytes.
#include "control-plane/translation/shared_snapshot.h"

#include <openssl/evp.h>

#include "common/strings.h"
#include "control-plane/resources/object_bytes.h"

namespace apk {
namespace {

constexpr size_t kHashBytes = 16;
constexpr std::string_view kNul("\0", 1);

class Hasher {
 public:
  Hasher() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
    EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr);
  }
  void Add(std::string_view bytes) {
    EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size());
  }
  std::string Finish() {
    unsigned char digest[EVP_MAX_MD_SIZE];
    EVP_DigestFinal_ex(context_.get(), digest, nullptr);
    return std::string(reinterpret_cast<const char*>(digest), kHashBytes);
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

std::string HashOf(const v1::SnapshotResource& resource) {
  const auto* const reflection = resource.GetReflection();
  const auto* const oneof = resource.GetDescriptor()->oneof_decl(0);
  const auto* const field = reflection->GetOneofFieldDescriptor(resource, oneof);
  const google::protobuf::Message& body = reflection->GetMessage(resource, field);
  Hasher hasher;
  hasher.Add(body.GetDescriptor()->full_name());
  hasher.Add(kNul);
  hasher.Add(resource.name());
  hasher.Add(kNul);
  hasher.Add(DeterministicBytes(body));
  return hasher.Finish();
}

}  // namespace

v1::Snapshot SharedSnapshot::ToProto() const {
  v1::Snapshot snapshot;
  snapshot.set_version(version);
  snapshot.set_revision(revision);
  for (const SharedResource& resource : resources) *snapshot.add_resources() = *resource;
  return snapshot;
}

SharedResource Seal(v1::SnapshotResource resource) {
  if (resource.body_case() == v1::SnapshotResource::BODY_NOT_SET) return nullptr;
  resource.set_hash(HashOf(resource));
  return std::make_shared<const v1::SnapshotResource>(std::move(resource));
}

std::string VersionOf(const std::vector<SharedResource>& resources) {
  Hasher hasher;
  for (const SharedResource& resource : resources) {
    hasher.Add(resource->name());
    hasher.Add(kNul);
    hasher.Add(resource->hash());
  }
  return Hex(hasher.Finish());
}

}  // namespace apk
