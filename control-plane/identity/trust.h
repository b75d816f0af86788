// Who signs for agents and users, and who is trusted by them: another one once the authority is
// rotated.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "control-plane/identity/certificate_authority.h"

namespace apk {

// A value.
struct Trust {
  std::shared_ptr<const CertificateAuthority> signer;  // nullptr where its key is not here.
  std::string bundle_pem;           // Who signs the certificates of agents, users and the APIs.
  std::string anchor_pem;           // That one of them by which the APIs' is trusted.
  std::string further_anchors_pem;  // Others that join tokens may name.
};

// Of the built-in authority.
Trust TrustIn(std::shared_ptr<const CertificateAuthority> authority);

// Thread-safe.
class TrustInForce {
 public:
  explicit TrustInForce(Trust trust) : trust_(std::make_shared<const Trust>(std::move(trust))) {}

  std::shared_ptr<const Trust> Current() const {
    const std::lock_guard lock(mutex_);
    return trust_;
  }
  void Set(Trust trust) {
    const std::lock_guard lock(mutex_);
    trust_ = std::make_shared<const Trust>(std::move(trust));
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const Trust> trust_;
};

}  // namespace apk
