// The store before the certificates: a crash of the first start then leaves nothing that looks as
// if something were lost.
#include "control-plane/server/open_store.h"

#include "common/private_file.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "common/uuid.h"
#include "control-plane/identity/authority_rotation.h"

namespace apk {
namespace {

constexpr char kEmbedded[] = "embedded";
constexpr char kAuthority[] = "certificate-authority";

absl::Status Prefixed(std::string_view what, const absl::Status& status) {
  if (status.ok()) return status;
  return absl::Status(status.code(), Concat(what, ": ", std::string(status.message())));
}

absl::Status ReadPem(const char* flag, const std::string& path, std::string& pem) {
  if (path.empty()) return absl::OkStatus();
  const absl::StatusOr<std::string> read = ReadFile(path);
  if (!read.ok()) return Prefixed(flag, read.status());
  if (read->find("-----BEGIN ") == std::string::npos) {
    return absl::InvalidArgumentError(Concat(flag, " ", path, ": it is no PEM file"));
  }
  pem = *read;
  return absl::OkStatus();
}

absl::StatusOr<EtcdOptions> EtcdOptionsOf(const StoreFlags& flags, const EtcdUrl& url) {
  EtcdOptions options;
  options.endpoints = url.endpoints;
  RETURN_IF_ERROR(ReadPem("--store-ca", flags.ca, options.ca_pem));
  RETURN_IF_ERROR(ReadPem("--store-cert", flags.certificate, options.certificate_pem));
  RETURN_IF_ERROR(ReadPem("--store-key", flags.key, options.key_pem));
  if (options.certificate_pem.empty() != options.key_pem.empty()) {
    return absl::InvalidArgumentError(
        "--store-cert and --store-key belong together: give both or none");
  }
  if (options.ca_pem.empty() && !options.key_pem.empty()) {
    return absl::InvalidArgumentError(
        "--store-cert needs --store-ca: who signed the certificate of etcd");
  }
  return options;
}

absl::Status CheckEmbedded(const StoreFlags& flags) {
  if (flags.ca.empty() && flags.certificate.empty() && flags.key.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "--store-ca, --store-cert and --store-key are for a store in etcd: give --store "
      "etcd://host:port, too");
}

}  // namespace

absl::StatusOr<Store> Store::Open(const StoreFlags& flags, const std::string& data_dir) {
  return OpenAny(
      flags, data_dir,
      HasIdentity(data_dir) ? SqliteLog::Expect::kExisting : SqliteLog::Expect::kAnything);
}

absl::StatusOr<Store> Store::OpenNew(const StoreFlags& flags, const std::string& data_dir) {
  ASSIGN_OR_RETURN(Store store, OpenAny(flags, data_dir, SqliteLog::Expect::kAnything));
  if (store.head_ == 0) return store;
  return absl::FailedPreconditionError(
      Concat("the store is not empty: it is at revision ", std::to_string(store.head_),
             "; move it away, or restore into the control plane that runs on it: apkctl restore "
             "--force"));
}

absl::StatusOr<Store> Store::OpenAny(const StoreFlags& flags, const std::string& data_dir,
                                     SqliteLog::Expect expect) {
  Store store;
  store.data_dir_ = data_dir;
  if (flags.store == kEmbedded) {
    RETURN_IF_ERROR(CheckEmbedded(flags));
    RETURN_IF_ERROR(store.OpenEmbedded(expect));
  } else {
    RETURN_IF_ERROR(store.OpenEtcd(flags));
  }
  return store;
}

absl::Status Store::OpenEmbedded(SqliteLog::Expect expect) {
  ASSIGN_OR_RETURN(std::unique_ptr<SqliteLog> log,
                   SqliteLog::Open(data_dir_ + "/store.db", expect));
  ASSIGN_OR_RETURN(head_, log->Head());
  embedded_ = std::move(log);
  return absl::OkStatus();
}

absl::Status Store::OpenEtcd(const StoreFlags& flags) {
  ASSIGN_OR_RETURN(url_, ParseEtcdUrl(flags.store));
  ASSIGN_OR_RETURN(EtcdOptions options, EtcdOptionsOf(flags, url_));
  const bool uses_tls = !options.ca_pem.empty();
  etcd_ = std::make_unique<EtcdClient>(std::move(options));
  secrets_ = std::make_unique<SharedSecrets>(*etcd_, url_.prefix);
  const std::string what = Concat("--store ", flags.store);
  absl::StatusOr<std::unique_ptr<EtcdLog>> log = EtcdLog::Open(*etcd_, url_.prefix);
  if (absl::IsUnavailable(log.status())) {
    return absl::UnavailableError(
        Concat(what, ": ", std::string(log.status().message()),
               uses_tls ? "; are the addresses and the certificates right?"
                        : "; are the addresses right, and does it want TLS (--store-ca)?"));
  }
  if (!log.ok()) return Prefixed(what, log.status());
  etcd_log_ = *std::move(log);
  etcd_records_ = std::make_unique<EtcdRecords>(*etcd_, url_.prefix,
                                                [of = etcd_log_.get()] { return of->fence(); });
  head_ = etcd_log_->Head();
  const absl::StatusOr<std::string> name =
      secrets_->GetOrMake("store-id", [] { return NewUuid(); });
  if (!name.ok()) return Prefixed(what, name.status());
  // A cluster that was restored from a back-up is another one, and its revisions are others.
  id_ = Concat(*name, "/", std::to_string(etcd_->cluster_id()));
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<CertificateAuthority>> Store::Authority() {
  ASSIGN_OR_RETURN(const auto rotated, ReadAuthorities(records()));
  if (rotated.has_value()) {
    const std::string directory = data_dir_ + "/pki";
    RETURN_IF_ERROR(MakeDirectory(directory, 0700));
    RETURN_IF_ERROR(CheckOwnDirectory(directory));
    return SigningAuthority(*rotated);
  }
  if (etcd_ == nullptr) return OpenAuthority(data_dir_, head_ == 0);
  ASSIGN_OR_RETURN(std::unique_ptr<CertificateAuthority> authority, SharedAuthority());
  RETURN_IF_ERROR(KeepForeignAuthority(data_dir_, *authority));
  return authority;
}

absl::StatusOr<std::unique_ptr<CertificateAuthority>> Store::SharedAuthority() {
  // One that the data directory has moves to a new store: its certificates stay good.
  const absl::StatusOr<std::string> pem =
      secrets_->GetOrMake(kAuthority, [this]() -> absl::StatusOr<std::string> {
        if (head_ != 0) {
          return absl::DataLossError(
              Concat("the store is there, but its certificate authority is lost: restore the keys "
                     "under ",
                     url_.prefix, "/shared/ from a back-up of etcd"));
        }
        absl::StatusOr<std::unique_ptr<CertificateAuthority>> authority =
            CertificateAuthority::Open(data_dir_ + "/pki");
        if (absl::IsNotFound(authority.status())) authority = CertificateAuthority::MakeUnsaved();
        if (!authority.ok()) return authority.status();
        return (*authority)->ToPem();
      });
  if (!pem.ok()) return pem.status();
  absl::StatusOr<std::unique_ptr<CertificateAuthority>> authority =
      CertificateAuthority::FromPem(*pem);
  if (authority.ok()) return authority;
  return absl::DataLossError(Concat("etcd: ", url_.prefix, "/shared/", kAuthority, ": ",
                                    std::string(authority.status().message()),
                                    ": restore it from a back-up of etcd"));
}

absl::StatusOr<std::unique_ptr<TokenIssuer>> Store::Issuer() {
  if (etcd_ == nullptr) return TokenIssuer::Open(data_dir_ + "/pki/token-issuer.key");
  ASSIGN_OR_RETURN(const std::string key,
                   secrets_->GetOrMake("token-issuer-key", [] { return TokenIssuer::NewKey(); }));
  return TokenIssuer::FromKey(key);
}

absl::StatusOr<std::unique_ptr<CertificateAuthority>> FindAuthority(const StoreFlags& flags,
                                                                    const std::string& data_dir) {
  if (flags.store == kEmbedded) {
    RETURN_IF_ERROR(CheckEmbedded(flags));
    return CertificateAuthority::Open(data_dir + "/pki");
  }
  ASSIGN_OR_RETURN(const EtcdUrl url, ParseEtcdUrl(flags.store));
  ASSIGN_OR_RETURN(EtcdOptions options, EtcdOptionsOf(flags, url));
  EtcdClient client(std::move(options));
  EtcdRecords records(client, url.prefix);
  ASSIGN_OR_RETURN(const auto rotated, ReadAuthorities(records));
  if (rotated.has_value()) return SigningAuthority(*rotated);
  ASSIGN_OR_RETURN(const std::string pem, SharedSecrets(client, url.prefix).Get(kAuthority));
  return CertificateAuthority::FromPem(pem);
}

}  // namespace apk
