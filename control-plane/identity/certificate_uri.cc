// The same rule as for gRPC's peers.
#include "control-plane/identity/certificate_uri.h"

#include <openssl/x509v3.h>

#include <memory>
#include <string_view>

#include "control-plane/identity/spiffe.h"

namespace apk {

std::string UriOf(const X509* certificate) {
  if (certificate == nullptr) return "";
  const std::unique_ptr<GENERAL_NAMES, void (*)(GENERAL_NAMES*)> names(
      static_cast<GENERAL_NAMES*>(
          X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)),
      GENERAL_NAMES_free);
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING* const text = name->d.uniformResourceIdentifier;
    const std::string_view uri(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                               static_cast<size_t>(ASN1_STRING_length(text)));
    if (uri.starts_with(kTrustDomain)) return std::string(uri);
  }
  return "";
}

}  // namespace apk
