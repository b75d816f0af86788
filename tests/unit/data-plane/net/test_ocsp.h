// OCSP responses made on the spot.
#pragma once

#include <openssl/ocsp.h>

#include <memory>
#include <string>

#include "tests/unit/data-plane/net/test_certificates.h"

namespace apk {

struct OcspAnswer {
  const TestCertificate* about = nullptr;
  const TestCertificate* issuer = nullptr;
  const TestCertificate* signer = nullptr;  // nullptr: the issuer.
  int status = V_OCSP_CERTSTATUS_GOOD;
  long from = -60;    // Seconds from now,
  long until = 3600;  // 0: it does not say.
};

// In DER.
inline std::string OcspResponse(const OcspAnswer& answer) {
  const std::unique_ptr<OCSP_BASICRESP, decltype(&OCSP_BASICRESP_free)> basic(OCSP_BASICRESP_new(),
                                                                              &OCSP_BASICRESP_free);
  ASN1_TIME* const from = X509_gmtime_adj(nullptr, answer.from);
  ASN1_TIME* const until = answer.until == 0 ? nullptr : X509_gmtime_adj(nullptr, answer.until);
  OCSP_CERTID* const id =
      OCSP_cert_to_id(EVP_sha256(), answer.about->x509(), answer.issuer->x509());
  const bool revoked = answer.status == V_OCSP_CERTSTATUS_REVOKED;
  OCSP_basic_add1_status(basic.get(), id, answer.status, OCSP_REVOKED_STATUS_UNSPECIFIED,
                         revoked ? from : nullptr, from, until);
  const TestCertificate& signer = answer.signer == nullptr ? *answer.issuer : *answer.signer;
  OCSP_basic_sign(basic.get(), signer.x509(), signer.key(), EVP_sha256(), nullptr, 0);
  OCSP_RESPONSE* const response =
      OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic.get());
  unsigned char* bytes = nullptr;
  const int size = i2d_OCSP_RESPONSE(response, &bytes);
  std::string der(reinterpret_cast<char*>(bytes), static_cast<size_t>(size));
  OPENSSL_free(bytes);
  OCSP_RESPONSE_free(response);
  OCSP_CERTID_free(id);
  ASN1_TIME_free(from);
  ASN1_TIME_free(until);
  return der;
}

}  // namespace apk
