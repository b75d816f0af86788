// The certificate that the servers show, which is renewed while they run: each new connection gets
// the present one, those that stand keep theirs. Thread-safe.
#pragma once

#include <absl/status/statusor.h>

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "control-plane/identity/certificate_authority.h"

namespace apk {

class ServedCertificate {
 public:
  // Another one where it is due; nullopt where the present one is good still. By one thread at a
  // time; what it says is wrong is logged, and the present one stays.
  using Renew = std::function<absl::StatusOr<std::optional<KeyPair>>(const KeyPair& present)>;

  ServedCertificate(KeyPair first, Renew renew)
      : renew_(std::move(renew)), present_(std::make_shared<const KeyPair>(std::move(first))) {}

  // Asks for another one, but not at each connection. Two that differ are two pointers.
  std::shared_ptr<const KeyPair> Current();
  // The next time it is asked for in any case.
  void AskAgain();

 private:
  const Renew renew_;
  std::mutex mutex_;
  std::shared_ptr<const KeyPair> present_;
  std::chrono::steady_clock::time_point asked_ = std::chrono::steady_clock::now();
  bool failing_ = false;
};

}  // namespace apk
