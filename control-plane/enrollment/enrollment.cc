// Checks what is asked, has admission.cc decide, writes, and only then signs.
#include "control-plane/enrollment/enrollment.h"

#include <openssl/rand.h>

#include <algorithm>

#include "apk/v1/store.pb.h"
#include "common/join_token.h"
#include "common/labels.h"
#include "common/log.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "common/time_format.h"
#include "control-plane/enrollment/admission.h"
#include "control-plane/identity/spiffe.h"

namespace apk {
namespace {

constexpr int64_t kTokenLife = 15 * 60;
constexpr int64_t kTokenLifeMax = 30 * 86'400;
constexpr uint32_t kUsesMax = 1000;
constexpr size_t kTokensMax = 1000;

std::string Date(int64_t unix_time) { return Rfc3339(static_cast<std::time_t>(unix_time)); }

// `size` letters, each by one random byte: for 64 letters each of them is as likely.
absl::StatusOr<std::string> RandomLetters(size_t size, std::string_view letters) {
  std::string bytes(size, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(size)) != 1) {
    return absl::InternalError("there are no random numbers");
  }
  for (char& byte : bytes) byte = letters[static_cast<unsigned char>(byte) % letters.size()];
  return bytes;
}

absl::StatusOr<JoinToken> NewToken(const std::string& anchor_pem) {
  constexpr size_t kIdSize = 10;
  constexpr size_t kSecretSize = 43;  // 258 bits.
  constexpr std::string_view kLower = "abcdefghijklmnopqrstuvwxyz234567";
  constexpr std::string_view kBase64Url =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  JoinToken token;
  ASSIGN_OR_RETURN(token.id, RandomLetters(kIdSize, kLower));
  ASSIGN_OR_RETURN(token.secret, RandomLetters(kSecretSize, kBase64Url));
  token.authority = CertificateHash(anchor_pem);
  return token;
}

absl::Status CheckRequest(const v1::CreateJoinTokenRequest& request) {
  if (request.life_seconds() < 0 || request.life_seconds() > kTokenLifeMax) {
    return absl::InvalidArgumentError("the token's life: 1 s to 720 h");
  }
  if (request.uses() > kUsesMax) {
    return absl::InvalidArgumentError(Concat("the uses: 1 to ", std::to_string(kUsesMax)));
  }
  RETURN_IF_ERROR(CheckLabels({request.labels().begin(), request.labels().end()}));
  if (request.agent().empty()) return absl::OkStatus();
  if (!IsIdentityName(request.agent())) {
    return absl::InvalidArgumentError(
        Concat("agent \"", request.agent(), "\": letters, digits, - _ . only"));
  }
  if (request.uses() > 1) {
    return absl::InvalidArgumentError("a token that is for one agent has one use");
  }
  return absl::OkStatus();
}

// Of a stored message that has some.
template <class Stored>
Labels LabelsIn(const Stored& stored) {
  return {stored.labels().begin(), stored.labels().end()};
}

absl::Status NotJoined(const std::string& agent) {
  return absl::NotFoundError(
      Concat("agent ", agent,
             " has not joined by a token: the labels of others stand in their certificates; issue "
             "it another one: apk-control-plane issue-certificate --agent ",
             agent, " --label key=value"));
}

std::vector<std::string> KeysOf(const std::vector<RecordWrite>& writes) {
  std::vector<std::string> keys;
  for (const RecordWrite& write : writes) keys.push_back(write.key);
  return keys;
}

}  // namespace

absl::Status Enrollment::CheckOn() const {
  if (options_.off.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(Concat("enrolment is off: ", options_.off));
}

absl::StatusOr<v1::CreateJoinTokenResponse> Enrollment::CreateToken(
    const v1::CreateJoinTokenRequest& request, const std::string& author, int64_t now_unix) {
  RETURN_IF_ERROR(CheckOn());
  RETURN_IF_ERROR(CheckRequest(request));
  RETURN_IF_ERROR(ledger_.Load());
  const RecordView known = ledger_.Known();
  const std::vector<RecordWrite> outdated = Outdated(known, now_unix);
  if (known.Under<v1::StoredJoinToken>(TokenKey("")).size() -
          std::min(outdated.size(), kTokensMax) >=
      kTokensMax) {
    return absl::ResourceExhaustedError(
        "there are 1000 join tokens: delete some (apkctl agents token delete ID)");
  }
  ASSIGN_OR_RETURN(const JoinToken token, NewToken(options_.trust->Current()->anchor_pem));
  v1::StoredJoinToken stored;
  stored.set_secret_hash(HashOfSecret(token.secret));
  stored.set_agent(request.agent());
  stored.set_uses_max(std::max(request.uses(), 1u));
  stored.set_created_unix(now_unix);
  stored.set_expires_unix(now_unix +
                          (request.life_seconds() == 0 ? kTokenLife : request.life_seconds()));
  stored.set_author(author);
  *stored.mutable_labels() = request.labels();
  std::vector<std::string> keys = KeysOf(outdated);
  keys.push_back(TokenKey(token.id));
  const std::string revocation_key = RevocationKey(AgentSubject(request.agent()));
  keys.push_back(revocation_key);
  RETURN_IF_ERROR(ledger_.Change(keys, [&](const RecordView& view) {
    std::vector<RecordWrite> writes = Outdated(view, now_unix);
    const auto revocation = view.Get<v1::StoredRevocation>(revocation_key);
    stored.set_lifts(revocation.has_value() ? revocation->id() : "");
    writes.push_back(PutRecord(TokenKey(token.id), stored));
    return writes;
  }));
  LogInfo("join token made", {{"token", token.id}, {"agent", request.agent()}, {"by", author}});
  v1::CreateJoinTokenResponse response;
  response.set_token(token.ToString());
  response.set_id(token.id);
  response.set_expires(Date(stored.expires_unix()));
  return response;
}

absl::StatusOr<v1::ListJoinTokensResponse> Enrollment::ListTokens(int64_t now_unix) {
  RETURN_IF_ERROR(ledger_.Load());
  v1::ListJoinTokensResponse response;
  for (const auto& [id, stored] : ledger_.Known().Under<v1::StoredJoinToken>(TokenKey(""))) {
    v1::JoinTokenStatus* const token = response.add_tokens();
    token->set_id(id);
    token->set_agent(stored.agent());
    token->set_uses(static_cast<uint32_t>(stored.uses_size()));
    token->set_uses_max(stored.uses_max());
    token->set_created(Date(stored.created_unix()));
    token->set_expires(Date(stored.expires_unix()));
    token->set_expired(now_unix >= stored.expires_unix());
    token->set_author(stored.author());
    for (std::string& text : TextsOf(LabelsIn(stored))) token->add_labels(std::move(text));
    for (const v1::StoredJoinToken::Use& use : stored.uses()) token->add_agents(use.agent());
  }
  return response;
}

absl::Status Enrollment::DeleteToken(const std::string& id, const std::string& author) {
  const std::string key = TokenKey(id);
  RETURN_IF_ERROR(ledger_.Change(
      {key}, [&](const RecordView& view) -> absl::StatusOr<std::vector<RecordWrite>> {
        if (view.VersionOf(key) == 0) {
          return absl::NotFoundError(
              Concat("there is no join token with the id ", id, ": see apkctl agents token list"));
        }
        return std::vector<RecordWrite>{{.key = key, .value = "", .remove = true}};
      }));
  LogInfo("join token deleted", {{"token", id}, {"by", author}});
  return absl::OkStatus();
}

bool Enrollment::Knows(const std::string& agent) const {
  const RecordView known = ledger_.Known();
  return agent == kSharedAgent || known.VersionOf(EnrollmentKey(agent)) != 0 ||
         known.VersionOf(NamedKey(agent)) != 0 ||
         (options_.is_connected && options_.is_connected(agent));
}

absl::StatusOr<v1::LabelAgentResponse> Enrollment::LabelAgent(const v1::LabelAgentRequest& request,
                                                              const std::string& author) {
  const std::string key = EnrollmentKey(request.agent());
  Labels labels;
  const auto decide = [&](const RecordView& view) -> absl::StatusOr<std::vector<RecordWrite>> {
    auto enrollment = view.Get<v1::StoredEnrollment>(key);
    if (!enrollment.has_value()) return NotJoined(request.agent());
    labels = LabelsIn(*enrollment);
    for (const std::string& gone : request.remove()) labels.erase(gone);
    for (const auto& [name, value] : request.set()) labels[name] = value;
    RETURN_IF_ERROR(CheckLabels(labels));
    enrollment->mutable_labels()->clear();
    enrollment->mutable_labels()->insert(labels.begin(), labels.end());
    return std::vector<RecordWrite>{PutRecord(key, *enrollment)};
  };
  RETURN_IF_ERROR(ledger_.Change({key}, decide));
  v1::LabelAgentResponse response;
  for (std::string& text : TextsOf(labels)) response.add_labels(std::move(text));
  LogInfo("agent labelled",
          {{"agent", request.agent()}, {"labels", Join(TextsOf(labels), ",")}, {"by", author}});
  return response;
}

absl::StatusOr<v1::IssuedCertificate> Enrollment::Enroll(const v1::EnrollRequest& request,
                                                         int64_t now_unix) {
  RETURN_IF_ERROR(CheckOn());
  Candidate candidate;
  ASSIGN_OR_RETURN(candidate.token, ParseJoinToken(request.token()));
  ASSIGN_OR_RETURN(const SigningRequest key, ParseSigningRequest(request.certificate_request()));
  candidate.agent = request.agent();
  candidate.key_hash = key.key_hash;
  candidate.connected = options_.is_connected && options_.is_connected(candidate.agent);
  const std::shared_ptr<const Trust> trust = options_.trust->Current();
  const std::string authority = CertificateHash(trust->signer->certificate_pem());
  const int64_t expires = now_unix + options_.certificate_life.count();
  RETURN_IF_ERROR(
      ledger_.Change({TokenKey(candidate.token.id), EnrollmentKey(candidate.agent),
                      RevocationKey(AgentSubject(candidate.agent)), NamedKey(candidate.agent)},
                     [&](const RecordView& view) {
                       return AdmitByToken(view, candidate, now_unix, expires, authority);
                     }));
  LogInfo("agent joined", {{"agent", candidate.agent}, {"token", candidate.token.id}});
  return Issue(*trust, key, candidate.agent);
}

absl::StatusOr<v1::IssuedCertificate> Enrollment::Renew(const v1::RenewRequest& request,
                                                        int64_t now_unix) {
  RETURN_IF_ERROR(CheckOn());
  if (!IsIdentityName(request.agent())) return absl::InvalidArgumentError("agent: not a name");
  ASSIGN_OR_RETURN(const SigningRequest key, ParseSigningRequest(request.certificate_request()));
  const std::shared_ptr<const Trust> trust = options_.trust->Current();
  const std::string authority = CertificateHash(trust->signer->certificate_pem());
  const int64_t expires = now_unix + options_.certificate_life.count();
  RETURN_IF_ERROR(ledger_.Change(
      {EnrollmentKey(request.agent()), RevocationKey(AgentSubject(request.agent()))},
      [&](const RecordView& view) {
        return AdmitByKey(view, request.agent(), key.key_hash, now_unix, expires, authority);
      }));
  LogDebug("certificate renewed", {{"agent", request.agent()}});
  return Issue(*trust, key, request.agent());
}

absl::StatusOr<v1::IssuedCertificate> Enrollment::Issue(const Trust& trust,
                                                        const SigningRequest& key,
                                                        const std::string& agent) const {
  CertificateRequest wanted;
  wanted.common_name = agent.substr(0, 64);  // RFC 5280, ub-common-name; the URI is what counts.
  wanted.client = true;
  wanted.uri = Concat(kScheme, trust.signer->trust_domain(), "/agent/", agent);
  wanted.life = options_.certificate_life;
  v1::IssuedCertificate issued;
  ASSIGN_OR_RETURN(*issued.mutable_certificate_pem(), trust.signer->IssueFor(key, wanted));
  issued.set_trust_bundle_pem(trust.bundle_pem);
  return issued;
}

}  // namespace apk
