// What the certificate of the other end of a connection says of it, once its chain is verified.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/labels.h"

typedef struct x509_st X509;

namespace apk {

// A value.
struct PeerCertificate {
  // spiffe://apk/…, whatever the trust domain is called; "" where it names nobody, or there is
  // none.
  std::string uri;
  std::string key_hash;      // As HashOfKey has it.
  int64_t expires_unix = 0;  // When it ends.
  Labels labels = {};        // Of an agent; they stand in it as apk-label:key=value, each a URI.

  bool IsUser() const;            // May use the admin API.
  bool IsAgent() const;           // May stream snapshots.
  std::string AgentName() const;  // "" for anybody else.
};

// Of `certificate`, which may be nullptr. `trust_domain`: of the URIs that its authority writes.
PeerCertificate PeerOf(const X509* certificate, std::string_view trust_domain);
PeerCertificate PeerOfPem(const std::string& pem, std::string_view trust_domain);

}  // namespace apk
