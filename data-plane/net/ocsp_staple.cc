// A response may speak of several certificates; the one that is shown is looked for.
#include "data-plane/net/ocsp_staple.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>

#include <memory>

#include "common/strings.h"
#include "common/time_format.h"

namespace apk {
namespace {

using BasicResponse = std::unique_ptr<OCSP_BASICRESP, decltype(&OCSP_BASICRESP_free)>;

constexpr std::chrono::minutes kClockSkew{5};

absl::Status Unfit(std::string what) { return absl::InvalidArgumentError(std::move(what)); }

WallTime TimeOf(const ASN1_GENERALIZEDTIME* time) {
  tm broken{};
  ASN1_TIME_to_tm(time, &broken);
  return std::chrono::system_clock::from_time_t(timegm(&broken));
}

std::string Text(WallTime time) { return Rfc3339(std::chrono::system_clock::to_time_t(time)); }

absl::StatusOr<BasicResponse> Parse(const std::string& der) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(der.data());
  const std::unique_ptr<OCSP_RESPONSE, decltype(&OCSP_RESPONSE_free)> response(
      d2i_OCSP_RESPONSE(nullptr, &bytes, static_cast<long>(der.size())), &OCSP_RESPONSE_free);
  BasicResponse basic(nullptr, &OCSP_BASICRESP_free);
  if (response == nullptr) {
    ERR_clear_error();
    return Unfit("it is no OCSP response in DER");
  }
  const int status = OCSP_response_status(response.get());
  if (status != OCSP_RESPONSE_STATUS_SUCCESSFUL) {
    return Unfit(Concat("the responder answered ", OCSP_response_status_str(status)));
  }
  basic.reset(OCSP_response_get1_basic(response.get()));
  ERR_clear_error();
  if (basic == nullptr) return Unfit("it is of a kind that clients do not know");
  return basic;
}

// By the serial number and the issuer's name, under the hash that the response has it by.
bool IsAbout(OCSP_SINGLERESP* single, X509* certificate) {
  ASN1_OCTET_STRING* issuer = nullptr;
  ASN1_OBJECT* algorithm = nullptr;
  ASN1_INTEGER* serial = nullptr;
  auto* const id = const_cast<OCSP_CERTID*>(OCSP_SINGLERESP_get0_id(single));
  OCSP_id_get0_info(&issuer, &algorithm, nullptr, &serial, id);
  if (ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(certificate)) != 0) return false;
  const EVP_MD* const hash = EVP_get_digestbyobj(algorithm);
  unsigned char name[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  return hash != nullptr &&
         X509_NAME_digest(X509_get_issuer_name(certificate), hash, name, &size) == 1 &&
         ASN1_STRING_length(issuer) == static_cast<int>(size) &&
         std::equal(name, name + size, ASN1_STRING_get0_data(issuer));
}

// True where the chain lacks the issuer: clients will see.
bool IsSignedFor(OCSP_BASICRESP* response, const std::vector<X509Ptr>& chain) {
  X509* const certificate = chain.front().get();
  for (size_t i = 0; i < chain.size(); ++i) {
    X509* const issuer = chain[i].get();
    if (X509_check_issued(issuer, certificate) != X509_V_OK) continue;
    const std::unique_ptr<X509_STORE, decltype(&X509_STORE_free)> store(X509_STORE_new(),
                                                                        &X509_STORE_free);
    X509_STORE_add_cert(store.get(), issuer);
    X509_STORE_set_flags(store.get(), X509_V_FLAG_PARTIAL_CHAIN);
    const std::unique_ptr<STACK_OF(X509), void (*)(STACK_OF(X509)*)> signers(
        sk_X509_new_null(), [](STACK_OF(X509) * stack) { sk_X509_free(stack); });
    sk_X509_push(signers.get(), issuer);
    const bool valid = OCSP_basic_verify(response, signers.get(), store.get(), 0) == 1;
    ERR_clear_error();
    return valid;
  }
  return true;
}

}  // namespace

absl::StatusOr<OcspStaple> ReadOcspStaple(const std::string& response,
                                          const std::vector<X509Ptr>& chain, WallTime now) {
  absl::StatusOr<BasicResponse> parsed = Parse(response);
  if (!parsed.ok()) return parsed.status();
  OCSP_BASICRESP* const basic = parsed->get();
  OCSP_SINGLERESP* single = nullptr;
  for (int i = 0; i < OCSP_resp_count(basic) && single == nullptr; ++i) {
    OCSP_SINGLERESP* const candidate = OCSP_resp_get0(basic, i);
    if (IsAbout(candidate, chain.front().get())) single = candidate;
  }
  if (single == nullptr) return Unfit("it is about another certificate");
  if (!IsSignedFor(basic, chain)) return Unfit("the certificate's issuer has not signed it");
  ASN1_GENERALIZEDTIME* from = nullptr;
  ASN1_GENERALIZEDTIME* until = nullptr;
  const int status = OCSP_single_get0_status(single, nullptr, nullptr, &from, &until);
  if (status != V_OCSP_CERTSTATUS_GOOD) {
    return Unfit(Concat("it says that the certificate is ", OCSP_cert_status_str(status)));
  }
  OcspStaple staple{.response = response, .until = WallTime::max()};
  if (until != nullptr) staple.until = TimeOf(until);
  if (TimeOf(from) > now + kClockSkew) {
    return Unfit(Concat("it is not valid before ", Text(TimeOf(from))));
  }
  if (staple.until <= now) return Unfit(Concat("it was valid until ", Text(staple.until)));
  return staple;
}

}  // namespace apk
