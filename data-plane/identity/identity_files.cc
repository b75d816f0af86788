// Each file is written beside its place and renamed; the order makes any of them repeatable.
#include "data-plane/identity/identity_files.h"

#include <unistd.h>

#include "common/private_file.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "data-plane/identity/node_key.h"

namespace apk {
namespace {

constexpr char kIdentity[] = "/agent.pem";
constexpr char kAuthority[] = "/ca.crt";
constexpr char kJoinedBy[] = "/joined-by";
constexpr char kBeginCertificate[] = "-----BEGIN CERTIFICATE-----";

absl::Status Damaged(const std::string& path, const absl::Status& why) {
  return absl::FailedPreconditionError(Concat(
      path, " is damaged (", std::string(why.message()),
      "): have the agent join again, by a new token: apkctl agents token create --agent ID"));
}

}  // namespace

bool IdentityFiles::Exist() const { return FileExists(directory_ + kIdentity); }

absl::StatusOr<TlsIdentity> IdentityFiles::Load() const {
  const std::string path = directory_ + kIdentity;
  ASSIGN_OR_RETURN(const std::string pem, ReadPrivateFile(path));
  TlsIdentity identity;
  const size_t certificate = std::min(pem.find(kBeginCertificate), pem.size());
  identity.key_pem = pem.substr(0, certificate);
  identity.certificate_pem = pem.substr(certificate);
  const absl::Status whole = CheckKeyPair(identity.certificate_pem, identity.key_pem);
  if (!whole.ok()) return Damaged(path, whole);
  ASSIGN_OR_RETURN(identity.ca_pem, ReadFile(directory_ + kAuthority));
  const absl::Status authority = ValidityOf(identity.ca_pem).status();
  if (!authority.ok()) return Damaged(directory_ + kAuthority, authority);
  return identity;
}

// The authorities first: whoever signed the certificate before is still among them.
absl::Status IdentityFiles::Save(const TlsIdentity& identity) const {
  RETURN_IF_ERROR(MakeDirectory(directory_, 0700));
  RETURN_IF_ERROR(WriteFile(directory_ + kAuthority, identity.ca_pem, 0644));
  return WriteFile(directory_ + kIdentity, identity.key_pem + identity.certificate_pem, 0600);
}

bool IdentityFiles::JoinedBy(const std::string& token_id) const {
  const absl::StatusOr<std::string> joined_by = ReadFile(directory_ + kJoinedBy);
  return joined_by.ok() && *joined_by == token_id && Load().ok();
}

std::string IdentityFiles::JoinKeyPath(const std::string& token_id) const {
  return Concat(directory_, "/join-", token_id, ".key");
}

absl::StatusOr<std::string> IdentityFiles::KeyToJoin(const std::string& token_id) const {
  const absl::StatusOr<std::string> present = ReadPrivateFile(JoinKeyPath(token_id));
  if (present.ok() && MakeSigningRequest(*present, "").ok()) return present;
  RETURN_IF_ERROR(MakeDirectory(directory_, 0700));
  ASSIGN_OR_RETURN(const std::string key, NewPrivateKey());
  RETURN_IF_ERROR(WriteFile(JoinKeyPath(token_id), key, 0600));
  return key;
}

absl::Status IdentityFiles::Joined(const std::string& token_id, const TlsIdentity& identity) const {
  RETURN_IF_ERROR(Save(identity));
  RETURN_IF_ERROR(WriteFile(directory_ + kJoinedBy, token_id, 0644));
  unlink(JoinKeyPath(token_id).c_str());
  return absl::OkStatus();
}

}  // namespace apk
