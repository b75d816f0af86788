// A walk over all fields that are set.
#include "data-plane/agent/redact.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "common/strings.h"

namespace apk {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr std::string_view kRedacted = "[redacted]";

// SnapshotResource.hash is of the whole resource: with it a short password could be found by trying.
constexpr std::array<std::string_view, 6> kSecrets = {
    "apk.v1.BackendTlsConfig.client_key_pem",    "apk.v1.CertificateConfig.private_key_pem",
    "apk.v1.HeaderValueConfig.value",            "apk.v1.InstallationConfig.mirror_loop_key",
    "apk.v1.SessionPersistenceConfig.key",       "apk.v1.SnapshotResource.hash"};

// "https://user:password@host/path" without what stands before '@'.
std::string WithoutUserInfo(const std::string& url) {
  const size_t scheme_end = url.find("://");
  if (scheme_end == std::string::npos) return url;
  const size_t begin = scheme_end + 3;
  const size_t at = url.substr(0, url.find_first_of("/?#", begin)).rfind('@');
  if (at == std::string::npos || at < begin) return url;
  return Concat(url.substr(0, begin), kRedacted, url.substr(at));
}

// Bytes are dropped, since text would show as something else in JSON.
void RedactField(Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  if (field.type() == FieldDescriptor::TYPE_BYTES || field.is_repeated()) {
    reflection.ClearField(&message, &field);
  } else {
    reflection.SetString(&message, &field, std::string(kRedacted));
  }
}

}  // namespace

bool IsSecret(std::string_view field) {
  return std::find(kSecrets.begin(), kSecrets.end(), field) != kSecrets.end();
}

void RedactSecrets(Message& message) {
  const Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* const field : fields) {
    if (IsSecret(field->full_name())) {
      RedactField(message, *field);
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING && !field->is_repeated()) {
      const std::string text = reflection.GetString(message, field);
      if (text.find("PRIVATE KEY-----") != std::string::npos) {  // Beside a certificate, in one file.
        RedactField(message, *field);
      } else if (field->type() == FieldDescriptor::TYPE_STRING) {
        reflection.SetString(&message, field, WithoutUserInfo(text));
      }
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && field->is_repeated()) {
      for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
        RedactSecrets(*reflection.MutableRepeatedMessage(&message, field, i));
      }
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      RedactSecrets(*reflection.MutableMessage(&message, field));
    }
  }
}

}  // namespace apk
