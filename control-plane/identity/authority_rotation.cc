// One record has all of it, so that each step is one write.
#include "control-plane/identity/authority_rotation.h"

#include <algorithm>

#include "common/log.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "common/time_format.h"

namespace apk {
namespace {

using Request = v1::RotateAuthorityRequest;

constexpr char kRecord[] = "authorities";
constexpr int64_t kDay = 86'400;
// As issue-certificate has it: what ends later was issued later.
constexpr int64_t kNamedLife = 365 * kDay;
constexpr int64_t kRenewableFor = 30 * kDay;
constexpr size_t kNamedInErrors = 5;

absl::StatusOr<std::unique_ptr<CertificateAuthority>> Parse(const std::string& pem) {
  return CertificateAuthority::FromPem(pem);
}

absl::Status NotNow(const std::string& why) { return absl::FailedPreconditionError(why); }

absl::StatusOr<v1::StoredAuthorities> Add(v1::StoredAuthorities stored) {
  if (!stored.next_pem().empty()) {
    return NotNow("there is a new authority already: use it (apkctl authority use)");
  }
  if (!stored.previous_pem().empty()) {
    return NotNow(
        "the last rotation is not over: retire the previous authority first (apkctl "
        "authority retire)");
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<CertificateAuthority> next,
                   CertificateAuthority::MakeUnsaved());
  stored.set_next_pem(next->ToPem());
  return stored;
}

absl::StatusOr<v1::StoredAuthorities> Use(v1::StoredAuthorities stored, int64_t now_unix) {
  if (stored.next_pem().empty()) {
    return NotNow("there is no new authority to use: add one first (apkctl authority add)");
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<CertificateAuthority> signer, Parse(stored.signer_pem()));
  ASSIGN_OR_RETURN(const std::unique_ptr<CertificateAuthority> next, Parse(stored.next_pem()));
  ASSIGN_OR_RETURN(*stored.mutable_cross_pem(), signer->CrossSign(*next));
  stored.set_previous_pem(signer->certificate_pem());
  stored.set_signer_pem(next->ToPem());
  stored.clear_next_pem();
  stored.set_signs_since_unix(now_unix);
  return stored;
}

absl::StatusOr<v1::StoredAuthorities> Retire(v1::StoredAuthorities stored) {
  if (stored.previous_pem().empty()) {
    return NotNow("there is no previous authority to retire: it is the turn of apkctl authority " +
                  std::string(stored.next_pem().empty() ? "add" : "use"));
  }
  stored.clear_previous_pem();
  stored.clear_cross_pem();
  return stored;
}

void Tell(const char* state, const std::string& certificate_pem, v1::Authorities& told) {
  v1::Authorities::Authority& authority = *told.add_authorities();
  authority.set_state(state);
  authority.set_fingerprint(CertificateHash(certificate_pem));
  authority.set_expires(Rfc3339(static_cast<std::time_t>(CertificateEnd(certificate_pem))));
}

}  // namespace

absl::StatusOr<std::optional<v1::StoredAuthorities>> ReadAuthorities(Records& records) {
  ASSIGN_OR_RETURN(const std::vector<Record> read, records.Read({kRecord}));
  if (read.at(0).gone || read[0].version == 0) return std::nullopt;
  v1::StoredAuthorities stored;
  if (stored.ParseFromString(read[0].value) && Parse(stored.signer_pem()).ok()) return stored;
  return absl::DataLossError(
      "the store's record of the certificate authority is damaged: restore the store from a "
      "back-up");
}

absl::StatusOr<std::unique_ptr<CertificateAuthority>> SigningAuthority(
    const v1::StoredAuthorities& stored) {
  ASSIGN_OR_RETURN(std::unique_ptr<CertificateAuthority> authority, Parse(stored.signer_pem()));
  std::string beside = stored.previous_pem();
  if (!stored.next_pem().empty()) {
    ASSIGN_OR_RETURN(const std::unique_ptr<CertificateAuthority> next, Parse(stored.next_pem()));
    beside += next->certificate_pem();
  }
  authority->SetOthers(beside, stored.cross_pem());
  return authority;
}

absl::StatusOr<v1::StoredAuthorities> NextStep(const v1::StoredAuthorities& now, Request::Step step,
                                               int64_t now_unix) {
  switch (step) {
    case Request::ADD:
      return Add(now);
    case Request::USE:
      return Use(now, now_unix);
    case Request::RETIRE:
      return Retire(now);
    default:
      return absl::InvalidArgumentError("step: must be ADD, USE or RETIRE");
  }
}

std::vector<std::string> AgentsOfPrevious(const RecordView& records,
                                          const v1::StoredAuthorities& now, int64_t now_unix) {
  std::vector<std::string> agents;
  if (now.previous_pem().empty()) return agents;
  const std::string signer = CertificateHash(now.signer_pem());
  for (const auto& [agent, enrolled] : records.Under<v1::StoredEnrollment>(EnrollmentKey(""))) {
    const bool comes = now_unix < enrolled.expires_unix() + kRenewableFor;
    if (comes && enrolled.authority() != signer) agents.push_back(agent);
  }
  for (const auto& [agent, named] : records.Under<v1::StoredNamedAgent>(NamedKey(""))) {
    const bool older = named.expires_unix() < now.signs_since_unix() + kNamedLife;
    if (now_unix < named.expires_unix() && older) agents.push_back(agent);
  }
  std::sort(agents.begin(), agents.end());
  return agents;
}

AuthorityRotation::AuthorityRotation(IdentityLedger& ledger, Identity& identity)
    : ledger_(ledger), identity_(identity) {
  Follow();
}

absl::Status AuthorityRotation::CheckBuiltIn() const {
  if (!identity_.external) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "certificates are another authority's (--ca-cert), which is rotated where it is run");
}

v1::StoredAuthorities AuthorityRotation::StoredIn(const RecordView& records) const {
  if (auto stored = records.Get<v1::StoredAuthorities>(kRecord)) return *std::move(stored);
  v1::StoredAuthorities first;
  first.set_signer_pem(identity_.authority->ToPem());
  return first;
}

absl::StatusOr<v1::Authorities> AuthorityRotation::Rotate(const Request& request,
                                                          const std::string& author,
                                                          int64_t now_unix) {
  RETURN_IF_ERROR(CheckBuiltIn());
  RETURN_IF_ERROR(ledger_.Load());
  const auto decide = [&](const RecordView& view) -> absl::StatusOr<std::vector<RecordWrite>> {
    const v1::StoredAuthorities now = StoredIn(view);
    ASSIGN_OR_RETURN(const v1::StoredAuthorities next, NextStep(now, request.step(), now_unix));
    std::vector<std::string> waiting = AgentsOfPrevious(ledger_.Known(), now, now_unix);
    if (request.step() == Request::RETIRE && !waiting.empty() && !request.force()) {
      const size_t all = waiting.size();
      waiting.resize(std::min(all, kNamedInErrors));
      return absl::FailedPreconditionError(Concat(
          "without the previous authority ", std::to_string(all), all == 1 ? " agent" : " agents",
          " would be shut out (", Join(waiting, ", "), all > waiting.size() ? ", …" : "",
          "): wait until they have renewed their certificates, give those by file new ones, "
          "or force it"));
    }
    return std::vector<RecordWrite>{PutRecord(kRecord, next)};
  };
  RETURN_IF_ERROR(ledger_.Change({kRecord}, decide));
  LogInfo("certificate authority rotated",
          {{"step", ToLower(Request::Step_Name(request.step()))}, {"by", author}});
  Follow();
  return Status(now_unix);
}

absl::StatusOr<v1::Authorities> AuthorityRotation::Status(int64_t now_unix) const {
  RETURN_IF_ERROR(CheckBuiltIn());
  const RecordView known = ledger_.Known();
  const v1::StoredAuthorities stored = StoredIn(known);
  v1::Authorities told;
  Tell("Signing", stored.signer_pem(), told);
  if (!stored.next_pem().empty()) Tell("Next", stored.next_pem(), told);
  if (!stored.previous_pem().empty()) Tell("Previous", stored.previous_pem(), told);
  for (std::string& agent : AgentsOfPrevious(known, stored, now_unix)) {
    told.add_waiting(std::move(agent));
  }
  return told;
}

void AuthorityRotation::Follow() {
  if (identity_.external) return;
  const std::lock_guard lock(following_);
  const std::string record = ledger_.ValueOf(kRecord);
  v1::StoredAuthorities stored;
  if (record == followed_ || !stored.ParseFromString(record)) return;
  absl::StatusOr<std::unique_ptr<CertificateAuthority>> authority = SigningAuthority(stored);
  if (!authority.ok()) {
    LogError("the certificate authority of the store can't be used",
             {{"reason", std::string(authority.status().message())}});
    return;
  }
  followed_ = record;
  const std::shared_ptr<const CertificateAuthority> signer = *std::move(authority);
  identity_.trust->Set(TrustIn(signer));
  identity_.server->AskAgain();
  const absl::Status written = WriteAuthorityFiles(identity_.directory, *signer);
  if (!written.ok()) {
    LogWarning("files of the certificate authority not written",
               {{"reason", std::string(written.message())}});
  }
}

}  // namespace apk
