// SHA-256 of OpenSSL.
#include "common/snapshot_version.h"

#include <openssl/evp.h>

#include "common/strings.h"
#include "common/words.h"

namespace apk {
namespace {

constexpr size_t kDigestBytes = 16;
constexpr std::string_view kNul("\0", 1);

}  // namespace

ShortDigest::ShortDigest() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
  EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr);
}
ShortDigest::~ShortDigest() = default;

void ShortDigest::Add(std::string_view bytes) {
  EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size());
}

std::string ShortDigest::Finish() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  EVP_DigestFinal_ex(context_.get(), digest, nullptr);
  return std::string(reinterpret_cast<const char*>(digest), kDigestBytes);
}

uint64_t FingerprintOf(std::string_view hash) {
  return hash.size() < sizeof(uint64_t) ? 0 : LoadWord<uint64_t>(hash.data());
}

void SnapshotVersion::Add(std::string_view name, std::string_view hash) {
  digest_.Add(name);
  digest_.Add(kNul);
  digest_.Add(hash);
}

std::string SnapshotVersion::Finish() { return Hex(digest_.Finish()); }

}  // namespace apk
