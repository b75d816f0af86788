// PEM as it comes from Secrets and ConfigMaps, looked at with OpenSSL. Pure.
#pragma once

#include <string>
#include <string_view>

namespace apk {

// "" where the chain and the key are PEM and belong together, otherwise what is wrong.
std::string CheckKeyPair(std::string_view chain_pem, std::string_view key_pem);

// True where there is at least one certificate in it.
bool HasCertificate(std::string_view pem);

}  // namespace apk
