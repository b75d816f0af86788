// What of a snapshot people may see. Pure.
#pragma once

#include <google/protobuf/message.h>

#include <string_view>

namespace apk {

// Whether a field is a secret, by its full name ("apk.v1.CertificateConfig.private_key_pem"): private keys,
// keys that sign, and values that are set in headers, which may be passwords or tokens.
bool IsSecret(std::string_view field);

// Replaces what is secret in the message and in all that it contains; passwords in URLs included.
void RedactSecrets(google::protobuf::Message& message);

}  // namespace apk
