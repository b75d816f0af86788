// One digest over the body.
#include "common/sealed.h"

#include <openssl/evp.h>

#include "common/strings.h"

namespace apk {
namespace {

constexpr size_t kDigestBytes = 32;

}  // namespace

std::string Sha256(std::string_view bytes) {
  std::string digest(kDigestBytes, '\0');
  EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()), nullptr,
             EVP_sha256(), nullptr);
  return digest;
}

std::string Seal(std::string_view magic, std::string_view body) {
  return Concat(magic, Sha256(body), body);
}

std::optional<std::string_view> Unseal(std::string_view magic, std::string_view sealed) {
  const size_t header = magic.size() + kDigestBytes;
  if (sealed.size() < header || !sealed.starts_with(magic)) return std::nullopt;
  const std::string_view body = sealed.substr(header);
  if (sealed.substr(magic.size(), kDigestBytes) != Sha256(body)) return std::nullopt;
  return body;
}

}  // namespace apk
