// A certificate and a key that are replaced one after the other don't belong together for a moment.
#include "data-plane/identity/file_identity.h"

#include "common/log.h"
#include "common/private_file.h"
#include "common/status_macros.h"
#include "data-plane/identity/node_key.h"

namespace apk {
namespace {

absl::Status ReadInto(const std::string& path, std::string& text) {
  if (path.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(text, ReadFile(path));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TlsIdentity> FileIdentity::Read() const {
  TlsIdentity identity;
  RETURN_IF_ERROR(ReadInto(paths_.ca, identity.ca_pem));
  RETURN_IF_ERROR(ReadInto(paths_.certificate, identity.certificate_pem));
  RETURN_IF_ERROR(ReadInto(paths_.key, identity.key_pem));
  return identity;
}

absl::Status FileIdentity::Load() {
  ASSIGN_OR_RETURN(TlsIdentity identity, Read());
  Take(std::move(identity));
  return absl::OkStatus();
}

void FileIdentity::Take(TlsIdentity identity) {
  const absl::StatusOr<Validity> validity = ValidityOf(identity.certificate_pem);
  expires_.store(validity.ok() ? validity->ends : SystemTime());
  last_ = std::move(identity);
}

std::optional<SystemTime> FileIdentity::expires() const {
  const SystemTime ends = expires_.load();
  if (ends == SystemTime()) return std::nullopt;
  return ends;
}

TlsIdentity FileIdentity::Current() {
  absl::StatusOr<TlsIdentity> now = Read();
  absl::Status usable = now.status();
  if (usable.ok() && !paths_.certificate.empty()) {
    usable = CheckKeyPair(now->certificate_pem, now->key_pem);
  }
  if (usable.ok()) {
    Take(*std::move(now));
  } else {
    LogWarning("the certificate's files can't be used, those before are",
               {{"certificate", paths_.certificate}, {"reason", std::string(usable.message())}});
  }
  return last_;
}

}  // namespace apk
