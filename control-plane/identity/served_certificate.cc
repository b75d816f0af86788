// One line for the first of several failures alike.
#include "control-plane/identity/served_certificate.h"

#include "common/log.h"

namespace apk {
namespace {

constexpr std::chrono::seconds kPause{1};

}  // namespace

std::shared_ptr<const KeyPair> ServedCertificate::Current() {
  const std::lock_guard lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  if (now - asked_ < kPause) return present_;
  asked_ = now;
  absl::StatusOr<std::optional<KeyPair>> next = renew_(*present_);
  if (!next.ok() && !failing_) {
    LogWarning("the server's certificate is not renewed",
               {{"reason", std::string(next.status().message())}});
  }
  failing_ = !next.ok();
  if (next.ok() && next->has_value()) {
    present_ = std::make_shared<const KeyPair>(*std::move(*next));
    LogInfo("the server's certificate is another one now");
  }
  return present_;
}

void ServedCertificate::AskAgain() {
  const std::lock_guard lock(mutex_);
  asked_ = {};
}

}  // namespace apk
