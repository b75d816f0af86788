// Signs tokens with keys made on the spot.
#pragma once

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <memory>
#include <string>
#include <string_view>

#include "common/jwt/jwks.h"

namespace apk {

inline std::string EncodeBase64Url(std::string_view bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  text.resize(static_cast<size_t>(size));
  while (text.ends_with('=')) text.pop_back();
  for (char& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return text;
}

// RS256 with an RSA key of 2048 bits.
class TokenSigner {
 public:
  TokenSigner() : key_(EVP_RSA_gen(2048), EVP_PKEY_free) {}

  std::string Sign(const std::string& claims,
                   const std::string& header = R"({"alg":"RS256"})") const {
    const std::string text = EncodeBase64Url(header) + "." + EncodeBase64Url(claims);
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                          EVP_MD_CTX_free);
    std::string signature(256, '\0');
    size_t size = signature.size();
    EXPECT_EQ(EVP_DigestSignInit_ex(context.get(), nullptr, "SHA256", nullptr, nullptr, key_.get(),
                                    nullptr),
              1);
    EXPECT_EQ(
        EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                       reinterpret_cast<const unsigned char*>(text.data()), text.size()),
        1);
    return text + "." + EncodeBase64Url(signature);
  }

  KeySet Keys(const std::string& id = "") const {
    KeySet set;
    set.keys.push_back({id, "", PublicKey::Kind::kRsa, key_});
    return set;
  }

 private:
  std::shared_ptr<EVP_PKEY> key_;
};

}  // namespace apk
