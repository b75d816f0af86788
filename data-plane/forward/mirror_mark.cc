// SipHash-2-4 with 128 bits: a MAC that takes a tenth of HMAC's time for something that short.
#include "data-plane/forward/mirror_mark.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>

#include "common/strings.h"

namespace apk {

void MirrorMarks::Free::operator()(evp_mac_ctx_st* context) const { EVP_MAC_CTX_free(context); }

MirrorMarks::MirrorMarks() {
  EVP_MAC* const algorithm = EVP_MAC_fetch(nullptr, "SIPHASH", nullptr);
  siphash_.reset(EVP_MAC_CTX_new(algorithm));
  EVP_MAC_free(algorithm);
}

MirrorMarks::~MirrorMarks() = default;

std::string_view MirrorMarks::For(std::string_view key, const RequestHead& request) {
  const std::string_view id = request.headers.Get(HeaderId::kXRequestId).value_or("");
  unsigned char mac[kMacBytes] = {};
  size_t size = 0;
  const bool made =
      siphash_ != nullptr &&
      EVP_MAC_init(siphash_.get(), reinterpret_cast<const unsigned char*>(key.data()), key.size(),
                   nullptr) == 1 &&
      EVP_MAC_update(siphash_.get(), reinterpret_cast<const unsigned char*>(id.data()),
                     id.size()) == 1 &&
      EVP_MAC_final(siphash_.get(), mac, &size, sizeof mac) == 1 && size == kMacBytes;
  if (!made) return "";
  char* out = std::copy(kPrefix.begin(), kPrefix.end(), mark_.begin());
  out = WriteHex(std::string_view(reinterpret_cast<const char*>(mac), kMacBytes), out);
  *out = ')';
  return std::string_view(mark_.data(), mark_.size());
}

bool MirrorMarks::IsOn(std::string_view key, const RequestHead& request) {
  std::string_view ours;  // Made once something looks like it.
  const HeaderMap& headers = request.headers;
  if (!headers.Has(HeaderId::kVia)) return false;
  for (size_t i = 0; i < headers.size(); ++i) {
    if (headers.id(i) != HeaderId::kVia) continue;
    const std::string_view via = headers.value(i);
    for (size_t at = via.find(kPrefix); at != std::string_view::npos;
         at = via.find(kPrefix, at + kPrefix.size())) {
      if (ours.empty()) ours = For(key, request);
      const std::string_view mark = via.substr(at, ours.size());
      if (!ours.empty() && mark.size() == ours.size() &&
          CRYPTO_memcmp(mark.data(), ours.data(), ours.size()) == 0) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace apk
