// Versions decide between what a write, a watch and a reading say of the same record.
#include "control-plane/identity/identity_ledger.h"

#include <algorithm>

#include "apk/v1/store.pb.h"
#include "common/join_token.h"
#include "common/log.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "common/time_format.h"
#include "common/uuid.h"
#include "control-plane/identity/spiffe.h"

namespace apk {
namespace {

constexpr int kAttempts = 10;
constexpr size_t kReasonBytesMax = 1000;
constexpr char kRevokedPrefix[] = "revoked/";
constexpr size_t kTokenUserBytesMax = 300;

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
  const bool by_token =
      subject.role() == v1::Subject::USER && subject.name().starts_with(kTokenPrefix) &&
      subject.name().size() > kTokenPrefix.size() && subject.name().size() <= kTokenUserBytesMax;
  if (by_token) return absl::OkStatus();
  return absl::InvalidArgumentError(
      Concat("the name \"", subject.name(), "\": letters, digits, - _ . only",
             subject.role() == v1::Subject::USER ? ", or oidc:NAME for a user by token" : ""));
}

std::string Date(int64_t unix_time) { return Rfc3339(static_cast<std::time_t>(unix_time)); }

absl::Status RefuseRevoked(const std::string& what, const v1::StoredRevocation& revocation) {
  return absl::PermissionDeniedError(Concat(what, " revoked on ", Date(revocation.revoked_unix()),
                                            revocation.reason().empty() ? "" : ": ",
                                            revocation.reason()));
}

absl::Status Revoked(const std::string& whom, const v1::StoredRevocation& revocation) {
  return RefuseRevoked(Concat("the certificate of ", whom, " was"), revocation);
}

// "agent/node-1", and "agent node-1" for people.
std::string PathOf(const std::string& uri) { return uri.substr(kTrustDomain.size()); }
std::string WhomOf(const std::string& uri) {
  std::string whom = PathOf(uri);
  if (const size_t slash = whom.find('/'); slash != std::string::npos) whom[slash] = ' ';
  return whom;
}

// Join tokens are not: they live for minutes.
bool IsOfIdentities(const std::string& key) {
  return key.starts_with(kRevokedPrefix) || key.starts_with(EnrollmentKey("")) ||
         key.starts_with(NamedKey(""));
}

}  // namespace

absl::Status ImportIdentities(Records& store,
                              const std::vector<std::pair<std::string, std::string>>& records) {
  constexpr size_t kAtOnce = 50;
  for (size_t begin = 0; begin < records.size(); begin += kAtOnce) {
    const size_t end = std::min(records.size(), begin + kAtOnce);
    std::vector<std::string> keys;
    for (size_t i = begin; i < end; ++i) keys.push_back(records[i].first);
    ASSIGN_OR_RETURN(const std::vector<Record> present, store.Read(keys));
    std::vector<RecordWrite> writes;
    for (size_t i = begin; i < end; ++i) {
      const bool is_there = present[i - begin].version != 0 && !present[i - begin].gone;
      if (is_there || !IsOfIdentities(records[i].first)) continue;
      writes.push_back({.key = records[i].first, .value = records[i].second});
    }
    if (!writes.empty()) RETURN_IF_ERROR(store.Write(writes));
  }
  return absl::OkStatus();
}

std::string TokenKey(const std::string& id) { return "token/" + id; }
std::string EnrollmentKey(const std::string& agent) { return "enrolled/" + agent; }
std::string NamedKey(const std::string& agent) { return "named/" + agent; }
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

std::string IdentityLedger::ValueOf(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = known_.find(key);
  return found == known_.end() || found->second.gone ? "" : found->second.value;
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

void IdentityLedger::OnSeen(std::function<void(const PeerCertificate&)> seen) {
  const std::lock_guard lock(listener_mutex_);
  seen_ = std::move(seen);
}

void IdentityLedger::Saw(const PeerCertificate& peer) const {
  const std::lock_guard lock(listener_mutex_);
  if (seen_) seen_(peer);
}

bool IdentityLedger::IsNoted(const PeerCertificate& agent) const {
  if (Find<v1::StoredEnrollment>(EnrollmentKey(agent.AgentName())).has_value()) return true;
  const auto named = Find<v1::StoredNamedAgent>(NamedKey(agent.AgentName()));
  return named.has_value() && named->expires_unix() >= agent.expires_unix;
}

std::vector<std::pair<std::string, std::string>> IdentityLedger::Export() const {
  std::vector<std::pair<std::string, std::string>> records;
  const std::lock_guard lock(mutex_);
  for (const auto& [key, record] : known_) {
    if (!record.gone && IsOfIdentities(key)) records.emplace_back(key, record.value);
  }
  return records;
}

absl::Status IdentityLedger::Import(
    const std::vector<std::pair<std::string, std::string>>& records) {
  RETURN_IF_ERROR(ImportIdentities(records_, records));
  return Load();
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

absl::Status IdentityLedger::CheckUserName(const std::string& name) const {
  v1::Subject subject;
  subject.set_role(v1::Subject::USER);
  subject.set_name(name);
  const auto revocation = Find<v1::StoredRevocation>(RevocationKey(subject));
  if (!revocation.has_value()) return absl::OkStatus();
  return RefuseRevoked(Concat("user ", name, " was"), *revocation);
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
        revocation.set_id(NewUuid());
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
