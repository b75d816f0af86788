// What all control planes of one etcd must have in common and nobody else may have: the certificate
// authority, the token issuer's key, the store's name. It is kept in etcd, in the clear, so that a
// further control plane joins with nothing but --store: whoever can read the prefix can issue
// certificates and tokens. Protect etcd accordingly: TLS, client certificates, nobody else on it.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <functional>
#include <string>

#include "control-plane/store/etcd_client.h"
#include "control-plane/store/etcd_keys.h"

namespace apk {

class SharedSecrets {
 public:
  // `prefix` as in EtcdUrl. The client outlives it.
  SharedSecrets(EtcdClient& client, const std::string& prefix) : client_(client), keys_(prefix) {}

  absl::StatusOr<std::string> Get(const std::string& name) const;  // NOT_FOUND where there is none.
  // Makes it where there is none. Of several that do so at once one wins, and all get its.
  absl::StatusOr<std::string> GetOrMake(
      const std::string& name, const std::function<absl::StatusOr<std::string>()>& make) const;

 private:
  EtcdClient& client_;
  const EtcdKeys keys_;
};

}  // namespace apk
