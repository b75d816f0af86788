// Versions decide between what a write, a watch and a reading say of the same record.
#include "control-plane/identity/identity_ledger.h"

#include <algorithm>

#include "apk/v1/store.pb.h"
#include "common/join_token.h"
#include "common/log.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "common/time_format.h"
#include "control-plane/identity/spiffe.h"

namespace apk {
namespace {

constexpr int kAttempts = 10;
constexpr size_t kReasonBytesMax = 1000;
constexpr char kRevokedPrefix[] = "revoked/";

std::string RoleOf(const v1::Subject& subject) {
  return subject.role() == v1::Subject::AGENT ? "agent" : "user";
}

std::string NameOf(const v1::Subject& subject) {
  return Concat(RoleOf(subject), " ", subject.name());
}

absl::Status CheckSubject(const v1::Subject& subject) {
  if (subject.role() != v1::Subject::AGENT && subject.role() != v1::Subject::USER) {
    return absl::InvalidArgumentError("subject.role: must be AGENT or USER");
  }
  if (IsIdentityName(subject.name())) return absl::OkStatus();
  return absl::InvalidArgumentError(
      Concat("the name \"", subject.name(), "\": letters, digits, - _ . only"));
}

std::string Date(int64_t unix_time) { return Rfc3339(static_cast<std::time_t>(unix_time)); }

absl::Status Revoked(const std::string& whom, const v1::StoredRevocation& revocation) {
  return absl::PermissionDeniedError(
      Concat("the certificate of ", whom, " was revoked on ", Date(revocation.revoked_unix()),
             revocation.reason().empty() ? "" : ": ", revocation.reason()));
}

// "agent/node-1", and "agent node-1" for people.
std::string PathOf(const std::string& uri) { return uri.substr(kTrustDomain.size()); }
std::string WhomOf(const std::string& uri) {
  std::string whom = PathOf(uri);
  if (const size_t slash = whom.find('/'); slash != std::string::npos) whom[slash] = ' ';
  return whom;
}

}  // namespace

std::string TokenKey(const std::string& id) { return "token/" + id; }
std::string EnrollmentKey(const std::string& agent) { return "enrolled/" + agent; }
std::string RevocationKey(const v1::Subject& subject) {
  return Concat(kRevokedPrefix, RoleOf(subject), "/", subject.name());
}

v1::Subject AgentSubject(const std::string& name) {
  v1::Subject subject;
  subject.set_role(v1::Subject::AGENT);
  subject.set_name(name);
  return subject;
}

int64_t RecordView::VersionOf(const std::string& key) const {
  const auto found = records_.find(key);
  return found == records_.end() || found->second.gone ? 0 : found->second.version;
}

template <class T>
std::optional<T> IdentityLedger::Find(const std::string& key) const {
  T value;
  const std::lock_guard lock(mutex_);
  const auto found = known_.find(key);
  if (found == known_.end() || found->second.gone) return std::nullopt;
  if (!value.ParseFromString(found->second.value)) return std::nullopt;
  return value;
}

RecordView IdentityLedger::Known() const {
  const std::lock_guard lock(mutex_);
  return RecordView(known_);
}

absl::Status IdentityLedger::Load() {
  ASSIGN_OR_RETURN(const AllRecords all, records_.ReadAll());
  {
    const std::lock_guard lock(mutex_);
    // What was told of later than it was read stays.
    std::erase_if(known_, [&](const auto& entry) { return entry.second.version <= all.version; });
    for (const Record& record : all.records) Keep(record);
  }
  Changed();
  return absl::OkStatus();
}

// False where something newer is known. REQUIRES: mutex_ is held.
bool IdentityLedger::Keep(const Record& record) {
  Record& known = known_[record.key];
  if (known.version > record.version) return false;
  known = record;
  return true;
}

void IdentityLedger::Take(const Record& record) {
  {
    const std::lock_guard lock(mutex_);
    if (!Keep(record)) return;
  }
  Changed();
}

void IdentityLedger::OnChange(std::function<void()> changed) {
  const std::lock_guard lock(listener_mutex_);
  changed_ = std::move(changed);
}

void IdentityLedger::Changed() {
  const std::lock_guard lock(listener_mutex_);
  if (changed_) changed_();
}

absl::StatusOr<RecordView> IdentityLedger::Refresh(const std::vector<std::string>& keys) {
  ASSIGN_OR_RETURN(const std::vector<Record> records, records_.Read(keys));
  std::map<std::string, Record> view;
  for (const Record& record : records) {
    Take(record);
    view[record.key] = record;
  }
  return RecordView(std::move(view));
}

absl::Status IdentityLedger::Change(const std::vector<std::string>& keys, const Decide& decide) {
  const std::lock_guard changing(changing_);
  absl::Status written;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    ASSIGN_OR_RETURN(const RecordView view, Refresh(keys));
    ASSIGN_OR_RETURN(std::vector<RecordWrite> writes, decide(view));
    if (writes.empty()) return absl::OkStatus();
    for (RecordWrite& write : writes) write.expected_version = view.VersionOf(write.key);
    written = records_.Write(writes);
    if (written.ok()) return Refresh(keys).status();
    if (!absl::IsAborted(written)) return written;
  }
  return written;
}

absl::Status IdentityLedger::Check(const PeerCertificate& peer, int64_t now_unix) const {
  if (!peer.uri.starts_with(kTrustDomain)) return absl::OkStatus();  // There is no such identity.
  const auto revocation = Find<v1::StoredRevocation>(kRevokedPrefix + PathOf(peer.uri));
  const bool excepted =
      revocation.has_value() && !peer.key_hash.empty() && revocation->except_key() == peer.key_hash;
  if (revocation.has_value() && !excepted) return Revoked(WhomOf(peer.uri), *revocation);
  std::optional<v1::StoredEnrollment> enrollment;
  if (peer.IsAgent()) enrollment = Find<v1::StoredEnrollment>(EnrollmentKey(peer.AgentName()));
  if (enrollment.has_value() && enrollment->key_hash() != peer.key_hash) {
    return absl::PermissionDeniedError(
        Concat(WhomOf(peer.uri), " joined with another key on ", Date(enrollment->enrolled_unix()),
               ", so that this certificate counts no longer: use the one that it has by then, or "
               "have it join again: apkctl agents token create --agent ",
               peer.AgentName()));
  }
  // A connection outlives the certificate that it began with where that was renewed for the key.
  const int64_t expires = std::max(peer.expires_unix, enrollment ? enrollment->expires_unix() : 0);
  if (now_unix < expires) return absl::OkStatus();
  return absl::UnauthenticatedError(
      Concat("the certificate of ", WhomOf(peer.uri), " expired on ", Date(expires)));
}

absl::Status IdentityLedger::CheckAgentName(const std::string& name) const {
  const auto revocation = Find<v1::StoredRevocation>(RevocationKey(AgentSubject(name)));
  if (revocation.has_value()) return Revoked("agent " + name, *revocation);
  if (!Find<v1::StoredEnrollment>(EnrollmentKey(name)).has_value()) return absl::OkStatus();
  return absl::PermissionDeniedError(
      Concat("agent ", name,
             " joined with a certificate of its own: under one that agents share "
             "nobody is called so"));
}

Labels IdentityLedger::LabelsOf(const PeerCertificate& peer) const {
  const auto enrollment = Find<v1::StoredEnrollment>(EnrollmentKey(peer.AgentName()));
  if (!enrollment.has_value()) return peer.labels;
  return {enrollment->labels().begin(), enrollment->labels().end()};
}

absl::Status IdentityLedger::Revoke(const v1::Subject& subject, const std::string& reason,
                                    const std::string& author, int64_t now_unix) {
  RETURN_IF_ERROR(CheckSubject(subject));
  if (reason.size() > kReasonBytesMax) {
    return absl::InvalidArgumentError("the reason is longer than 1000 bytes");
  }
  const std::string key = RevocationKey(subject);
  RETURN_IF_ERROR(
      Change({key}, [&](const RecordView& view) -> absl::StatusOr<std::vector<RecordWrite>> {
        const auto before = view.Get<v1::StoredRevocation>(key);
        // One that joined again is shut out again.
        if (before.has_value() && before->except_key().empty()) {
          return absl::AlreadyExistsError(
              Concat(NameOf(subject), " is revoked already, since ", Date(before->revoked_unix())));
        }
        v1::StoredRevocation revocation;
        revocation.set_revoked_unix(now_unix);
        revocation.set_author(author);
        revocation.set_reason(reason);
        return std::vector<RecordWrite>{PutRecord(key, revocation)};
      }));
  LogInfo("revoked", {{"subject", NameOf(subject)}, {"by", author}, {"reason", reason}});
  return absl::OkStatus();
}

absl::Status IdentityLedger::Unrevoke(const v1::Subject& subject, const std::string& author) {
  RETURN_IF_ERROR(CheckSubject(subject));
  const std::string key = RevocationKey(subject);
  RETURN_IF_ERROR(
      Change({key}, [&](const RecordView& view) -> absl::StatusOr<std::vector<RecordWrite>> {
        if (view.VersionOf(key) == 0) {
          return absl::NotFoundError(Concat(NameOf(subject), " is not revoked"));
        }
        return std::vector<RecordWrite>{{.key = key, .value = "", .remove = true}};
      }));
  LogInfo("no longer revoked", {{"subject", NameOf(subject)}, {"by", author}});
  return absl::OkStatus();
}

std::vector<v1::Revocation> IdentityLedger::Revocations() const {
  std::vector<v1::Revocation> list;
  for (const auto& [path, stored] : Known().Under<v1::StoredRevocation>(kRevokedPrefix)) {
    v1::Revocation& revocation = list.emplace_back();
    const size_t slash = path.find('/');
    const bool agent = path.substr(0, slash) == "agent";
    revocation.mutable_subject()->set_role(agent ? v1::Subject::AGENT : v1::Subject::USER);
    revocation.mutable_subject()->set_name(path.substr(slash + 1));
    revocation.set_revoked(Date(stored.revoked_unix()));
    revocation.set_author(stored.author());
    revocation.set_reason(stored.reason());
    revocation.set_joined_again(!stored.except_key().empty());
  }
  return list;
}

}  // namespace apk
