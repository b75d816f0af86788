// A key that a token has let in once gets the same answer again: the first may have been lost.
#include "control-plane/enrollment/admission.h"

#include <openssl/crypto.h>

#include <algorithm>

#include "apk/v1/store.pb.h"
#include "common/sealed.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "common/time_format.h"

namespace apk {
namespace {

constexpr int64_t kDay = 86'400;
// How long after its end a certificate can be renewed.
constexpr int64_t kGrace = 30 * kDay;
// How long those are valid that are issued to a file, at most.
constexpr int64_t kNamedLife = 366 * kDay;
// How long an expired token still answers those that it let in.
constexpr int64_t kTokenKept = kDay;
constexpr size_t kOutdatedMax = 90;  // At a time.

// Until when it says whose the name is.
int64_t KeptUntil(const v1::StoredEnrollment& enrollment) {
  return std::max(enrollment.expires_unix() + kGrace, enrollment.superseded_until_unix());
}

// Until when there may be certificates of the name that another key's takes the place of.
int64_t SupersededUntil(const RecordView& records, const std::string& agent,
                        const std::string& key_hash, int64_t now_unix) {
  int64_t until = 0;
  if (const auto before = records.Get<v1::StoredEnrollment>(EnrollmentKey(agent))) {
    until = before->superseded_until_unix();
    if (before->key_hash() != key_hash) until = std::max(until, before->expires_unix());
  }
  if (const auto named = records.Get<v1::StoredNamedAgent>(NamedKey(agent))) {
    // There may be a newer one that has not been seen yet.
    until = std::max({until, named->expires_unix(), now_unix + kNamedLife});
  }
  return until;
}

std::string Date(int64_t unix_time) { return Rfc3339(static_cast<std::time_t>(unix_time)); }

bool SameSecret(const std::string& stored_hash, const std::string& secret) {
  const std::string hash = HashOfSecret(secret);
  return stored_hash.size() == hash.size() &&
         CRYPTO_memcmp(stored_hash.data(), hash.data(), hash.size()) == 0;
}

bool HasLetIn(const v1::StoredJoinToken& token, const Candidate& candidate) {
  return std::any_of(
      token.uses().begin(), token.uses().end(), [&](const v1::StoredJoinToken::Use& use) {
        return use.key_hash() == candidate.key_hash && use.agent() == candidate.agent;
      });
}

// Whether the token lets another agent in.
absl::Status CheckToken(const v1::StoredJoinToken& token, const Candidate& candidate,
                        int64_t now_unix) {
  if (now_unix >= token.expires_unix()) {
    return absl::UnauthenticatedError(Concat("the join token expired on ",
                                             Date(token.expires_unix()),
                                             ": make another one: apkctl agents token create"));
  }
  if (!token.agent().empty() && token.agent() != candidate.agent) {
    return absl::PermissionDeniedError(Concat("the join token is for agent ", token.agent(),
                                              ", this one calls itself ", candidate.agent,
                                              ": start it with --id ", token.agent()));
  }
  if (static_cast<uint32_t>(token.uses_size()) >= token.uses_max()) {
    return absl::UnauthenticatedError(
        Concat("the join token is used up: ", std::to_string(token.uses_max()),
               token.uses_max() == 1 ? " agent has" : " agents have",
               " joined by it; make another one: apkctl agents token create"));
  }
  return absl::OkStatus();
}

// A token for any agent does not hand over a name that is in use: only one for this agent does.
absl::Status CheckName(const RecordView& records, const v1::StoredJoinToken& token,
                       const Candidate& candidate, int64_t now_unix) {
  if (token.agent() == candidate.agent) return absl::OkStatus();
  const std::string remedy = Concat(
      ": give this one another --id, or make a token that is for it alone: apkctl agents "
      "token create --agent ",
      candidate.agent);
  if (records.VersionOf(EnrollmentKey(candidate.agent)) != 0) {
    return absl::AlreadyExistsError(
        Concat("an agent called ", candidate.agent, " has joined already", remedy));
  }
  const auto named = records.Get<v1::StoredNamedAgent>(NamedKey(candidate.agent));
  if (named.has_value() && now_unix < named->expires_unix()) {
    return absl::AlreadyExistsError(Concat("an agent called ", candidate.agent,
                                           " has a certificate of its own until ",
                                           Date(named->expires_unix()), remedy));
  }
  if (candidate.connected) {
    return absl::AlreadyExistsError(Concat("an agent called ", candidate.agent,
                                           " is connected by another certificate", remedy));
  }
  return absl::OkStatus();
}

// A token lifts the revocation that its agent had when it was made, and no later one: which came
// first within a second no clock says.
bool Lifts(const v1::StoredJoinToken& token, const v1::StoredRevocation& revocation) {
  if (!revocation.id().empty()) return token.lifts() == revocation.id();
  return token.created_unix() > revocation.revoked_unix();
}

// One that is revoked may join again by a token that was made for it since; with its new key alone.
absl::Status LiftFor(const RecordView& records, const v1::StoredJoinToken& token,
                     const Candidate& candidate, std::vector<RecordWrite>& writes) {
  const std::string key = RevocationKey(AgentSubject(candidate.agent));
  auto revocation = records.Get<v1::StoredRevocation>(key);
  if (!revocation.has_value() || revocation->except_key() == candidate.key_hash) {
    return absl::OkStatus();
  }
  const bool lifts = token.agent() == candidate.agent && Lifts(token, *revocation);
  if (!lifts || HasLetIn(token, candidate)) {
    return absl::PermissionDeniedError(
        Concat("agent ", candidate.agent, " was revoked on ", Date(revocation->revoked_unix()),
               revocation->reason().empty() ? "" : ": ", revocation->reason(),
               "; to let it in again with a new key make a token for it: apkctl agents token "
               "create --agent ",
               candidate.agent));
  }
  revocation->set_except_key(candidate.key_hash);
  writes.push_back(PutRecord(key, *revocation));
  return absl::OkStatus();
}

}  // namespace

std::string HashOfSecret(const std::string& secret) { return Sha256(secret); }

absl::StatusOr<std::vector<RecordWrite>> AdmitByToken(const RecordView& records,
                                                      const Candidate& candidate, int64_t now_unix,
                                                      int64_t expires_unix,
                                                      const std::string& authority) {
  auto token = records.Get<v1::StoredJoinToken>(TokenKey(candidate.token.id));
  if (!token.has_value() || !SameSecret(token->secret_hash(), candidate.token.secret)) {
    return absl::UnauthenticatedError(
        "the join token is not known here: it was deleted, or it is another installation's; make "
        "another one: apkctl agents token create");
  }
  if (!IsIdentityName(candidate.agent) || candidate.agent == kSharedAgent) {
    return absl::InvalidArgumentError(Concat(
        "an agent that joins can't be called \"", candidate.agent,
        "\": give it an --id of letters, digits, - _ . which is not \"", kSharedAgent, "\""));
  }
  std::vector<RecordWrite> writes;
  v1::StoredEnrollment enrollment;
  if (HasLetIn(*token, candidate)) {
    const auto present = records.Get<v1::StoredEnrollment>(EnrollmentKey(candidate.agent));
    if (present.has_value() && present->key_hash() != candidate.key_hash) {
      return absl::AlreadyExistsError(
          Concat("agent ", candidate.agent,
                 " has joined again since, with another key: make another "
                 "token for it: apkctl agents token create --agent ",
                 candidate.agent));
    }
    if (present.has_value()) enrollment = *present;
  } else {
    RETURN_IF_ERROR(CheckToken(*token, candidate, now_unix));
  }
  RETURN_IF_ERROR(LiftFor(records, *token, candidate, writes));
  if (!HasLetIn(*token, candidate)) {
    RETURN_IF_ERROR(CheckName(records, *token, candidate, now_unix));
    v1::StoredJoinToken::Use* const use = token->add_uses();
    use->set_agent(candidate.agent);
    use->set_key_hash(candidate.key_hash);
    writes.push_back(PutRecord(TokenKey(candidate.token.id), *token));
  }
  if (enrollment.key_hash().empty()) {
    enrollment.set_key_hash(candidate.key_hash);
    enrollment.set_enrolled_unix(now_unix);
    enrollment.set_token(candidate.token.id);
    *enrollment.mutable_labels() = token->labels();
  }
  enrollment.set_expires_unix(std::max(expires_unix, enrollment.expires_unix()));
  enrollment.set_authority(authority);
  enrollment.set_superseded_until_unix(
      SupersededUntil(records, candidate.agent, candidate.key_hash, now_unix));
  writes.push_back(PutRecord(EnrollmentKey(candidate.agent), enrollment));
  const std::string named = NamedKey(candidate.agent);  // It is the enrolment's from now on.
  if (records.VersionOf(named) != 0) writes.push_back({.key = named, .value = "", .remove = true});
  return writes;
}

absl::StatusOr<std::vector<RecordWrite>> AdmitByKey(const RecordView& records,
                                                    const std::string& agent,
                                                    const std::string& key_hash, int64_t now_unix,
                                                    int64_t expires_unix,
                                                    const std::string& authority) {
  auto enrollment = records.Get<v1::StoredEnrollment>(EnrollmentKey(agent));
  const std::string remedy =
      Concat(": have it join again: apkctl agents token create --agent ", agent);
  if (!enrollment.has_value() || enrollment->key_hash() != key_hash) {
    return absl::NotFoundError(Concat("agent ", agent, " has not joined with this key", remedy));
  }
  const auto revocation = records.Get<v1::StoredRevocation>(RevocationKey(AgentSubject(agent)));
  if (revocation.has_value() && revocation->except_key() != key_hash) {
    return absl::PermissionDeniedError(
        Concat("agent ", agent, " was revoked on ", Date(revocation->revoked_unix()),
               revocation->reason().empty() ? "" : ": ", revocation->reason()));
  }
  if (now_unix >= enrollment->expires_unix() + kGrace) {
    return absl::PermissionDeniedError(Concat("the certificate of agent ", agent, " expired on ",
                                              Date(enrollment->expires_unix()),
                                              ", longer ago than it can be renewed", remedy));
  }
  enrollment->set_expires_unix(std::max(expires_unix, enrollment->expires_unix()));
  enrollment->set_authority(authority);
  return std::vector<RecordWrite>{PutRecord(EnrollmentKey(agent), *enrollment)};
}

std::vector<RecordWrite> Outdated(const RecordView& records, int64_t now_unix) {
  std::vector<RecordWrite> removals;
  const auto remove = [&](std::string key) {
    if (removals.size() >= kOutdatedMax) return;
    removals.push_back({.key = std::move(key), .value = "", .remove = true});
  };
  for (const auto& [id, token] : records.Under<v1::StoredJoinToken>(TokenKey(""))) {
    if (now_unix >= token.expires_unix() + kTokenKept) remove(TokenKey(id));
  }
  for (const auto& [agent, enrollment] : records.Under<v1::StoredEnrollment>(EnrollmentKey(""))) {
    if (now_unix >= KeptUntil(enrollment)) remove(EnrollmentKey(agent));
  }
  for (const auto& [agent, named] : records.Under<v1::StoredNamedAgent>(NamedKey(""))) {
    if (now_unix >= named.expires_unix()) remove(NamedKey(agent));
  }
  return removals;
}

}  // namespace apk
