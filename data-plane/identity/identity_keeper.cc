// Join, then renew and renew: each tried until it goes well.
#include "data-plane/identity/identity_keeper.h"

#include <algorithm>
#include <ctime>

#include "common/log.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "common/time_format.h"
#include "data-plane/identity/renewal.h"

namespace apk {
namespace {

constexpr std::chrono::seconds kJoinLife{1200};  // As far as pauses go: up to a minute.
constexpr std::chrono::seconds kLookAgain{60};   // The clock may be set, the machine may sleep.

// It is of no use to try again, unless somebody does something about it.
bool IsRefusal(const absl::Status& status) {
  return absl::IsUnauthenticated(status) || absl::IsPermissionDenied(status) ||
         absl::IsAlreadyExists(status) || absl::IsInvalidArgument(status) ||
         absl::IsFailedPrecondition(status);
}

std::string Text(SystemTime time) { return Rfc3339(std::chrono::system_clock::to_time_t(time)); }

std::string Reason(const absl::Status& status) { return std::string(status.message()); }

}  // namespace

IdentityKeeper::IdentityKeeper(IdentityOptions options)
    : options_(std::move(options)),
      files_(options_.directory),
      client_(options_.enrollment, options_.agent) {
  if (!files_.Exist()) return;
  absl::StatusOr<TlsIdentity> identity = files_.Load();
  if (identity.ok()) {
    Take(*std::move(identity));
  } else {
    LogError("the agent's identity can't be used", {{"reason", Reason(identity.status())}});
  }
}

void IdentityKeeper::Start() {
  stopping_ = false;  // There is no thread.
  thread_ = Thread("identity", 0, [this] { Run(); });
}

void IdentityKeeper::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stop_requested_.notify_all();
  thread_.Join();
}

std::optional<TlsIdentity> IdentityKeeper::Current() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

std::optional<SystemTime> IdentityKeeper::expires() const {
  const std::lock_guard lock(mutex_);
  if (!validity_.has_value()) return std::nullopt;
  return validity_->ends;
}

void IdentityKeeper::Take(TlsIdentity identity) {
  const absl::StatusOr<Validity> validity = ValidityOf(identity.certificate_pem);
  if (!validity.ok()) return;  // CheckKeyPair has read it before.
  const std::lock_guard lock(mutex_);
  current_ = std::move(identity);
  validity_ = *validity;
}

bool IdentityKeeper::WaitUntil(SystemTime time) {
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto left = time - std::chrono::system_clock::now();
    if (stopping_ || left <= SystemTime::duration::zero()) return !stopping_;
    stop_requested_.wait_for(lock, std::min<SystemTime::duration>(left, kLookAgain),
                             [this] { return stopping_; });
  }
}

bool IdentityKeeper::PauseAfter(int failures, std::chrono::seconds life) {
  return WaitUntil(std::chrono::system_clock::now() + RetryPause(failures, life, Random()));
}

void IdentityKeeper::Run() {
  if (options_.token.has_value() && !files_.JoinedBy(options_.token->id) && !Join()) return;
  while (expires().has_value() && RenewInTime()) {
  }
}

// False when stopped before.
bool IdentityKeeper::Join() {
  for (int failures = 1;; ++failures) {
    const absl::Status joined = TryJoin();
    if (joined.ok()) {
      LogInfo("joined", {{"agent", options_.agent}, {"expires", Text(*expires())}});
      return true;
    }
    // One that is somebody already does not wait for what will not be.
    if (IsRefusal(joined) && Current().has_value()) {
      LogError("the join token is refused, the identity from before is used on",
               {{"reason", Reason(joined)}});
      return true;
    }
    LogWarning("not joined yet", {{"reason", Reason(joined)}});
    if (IsRefusal(joined) && options_.on_refused) options_.on_refused(joined);
    if (!PauseAfter(failures, kJoinLife)) return false;
  }
}

absl::Status IdentityKeeper::TryJoin() {
  const JoinToken& token = *options_.token;
  TlsIdentity identity;
  ASSIGN_OR_RETURN(identity.key_pem, files_.KeyToJoin(token.id));
  ASSIGN_OR_RETURN(GivenCertificate given, client_.Enroll(token, identity.key_pem));
  RETURN_IF_ERROR(CheckKeyPair(given.certificate_pem, identity.key_pem));
  identity.certificate_pem = std::move(given.certificate_pem);
  identity.ca_pem = std::move(given.ca_pem);
  RETURN_IF_ERROR(files_.Joined(token.id, identity));
  Take(std::move(identity));
  return absl::OkStatus();
}

// False when stopped before.
bool IdentityKeeper::RenewInTime() {
  Validity validity;
  {
    const std::lock_guard lock(mutex_);
    validity = *validity_;
  }
  if (!WaitUntil(RenewalTime(validity, Random()))) return false;
  const auto life =
      std::chrono::duration_cast<std::chrono::seconds>(validity.ends - validity.begins);
  for (int failures = 1;; ++failures) {
    const absl::Status renewed = TryRenew();
    if (renewed.ok()) {
      LogInfo("certificate renewed", {{"expires", Text(*expires())}});
      return true;
    }
    LogWarning("certificate not renewed, serving on",
               {{"expires", Text(validity.ends)}, {"reason", Reason(renewed)}});
    if (!PauseAfter(failures, life)) return false;
  }
}

absl::Status IdentityKeeper::TryRenew() {
  TlsIdentity identity = *Current();
  ASSIGN_OR_RETURN(GivenCertificate given, client_.Renew(identity.ca_pem, identity.key_pem));
  RETURN_IF_ERROR(CheckKeyPair(given.certificate_pem, identity.key_pem));
  identity.certificate_pem = std::move(given.certificate_pem);
  if (!given.ca_pem.empty()) identity.ca_pem = std::move(given.ca_pem);
  RETURN_IF_ERROR(files_.Save(identity));
  Take(std::move(identity));
  return absl::OkStatus();
}

}  // namespace apk
