// The store that --store names, and what is kept where it is: embedded, the log and the certificate
// authority are in the data directory; in etcd, both are, and the token issuer's key too, so that a
// further control plane needs nothing but the flag.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <vector>

#include "control-plane/identity/identity.h"
#include "control-plane/identity/token_issuer.h"
#include "control-plane/store/etcd_log.h"
#include "control-plane/store/etcd_records.h"
#include "control-plane/store/etcd_url.h"
#include "control-plane/store/shared_secrets.h"
#include "control-plane/store/sqlite_log.h"

namespace apk {

struct StoreFlags {
  std::string store = "embedded";  // Or as EtcdUrl has it.
  std::string ca;                  // Paths of PEM files; "": etcd is asked without TLS.
  std::string certificate;
  std::string key;
};

class Store {
 public:
  // A new or an existing one. UNAVAILABLE where etcd does not answer.
  static absl::StatusOr<Store> Open(const StoreFlags& flags, const std::string& data_dir);

  // One that is empty; certificates may be there already. FAILED_PRECONDITION where it is not.
  static absl::StatusOr<Store> OpenNew(const StoreFlags& flags, const std::string& data_dir);

  Log& log() { return etcd_log_ != nullptr ? static_cast<Log&>(*etcd_log_) : *embedded_; }
  Records& records() {
    return etcd_ != nullptr ? static_cast<Records&>(*etcd_records_) : *embedded_;
  }
  // nullptr where the store is embedded.
  EtcdLog* etcd_log() { return etcd_log_.get(); }
  EtcdClient* etcd() { return etcd_.get(); }
  const std::string& etcd_prefix() const { return url_.prefix; }
  // Which history of revisions this is; "" where it is nobody else's.
  const std::string& id() const { return id_; }

  absl::StatusOr<std::unique_ptr<CertificateAuthority>> Authority();
  absl::StatusOr<std::unique_ptr<TokenIssuer>> Issuer();

 private:
  static absl::StatusOr<Store> OpenAny(const StoreFlags& flags, const std::string& data_dir,
                                       SqliteLog::Expect expect);
  absl::Status OpenEmbedded(SqliteLog::Expect expect);
  absl::Status OpenEtcd(const StoreFlags& flags);
  absl::StatusOr<std::unique_ptr<CertificateAuthority>> SharedAuthority();

  std::string data_dir_;
  EtcdUrl url_;
  std::string id_;
  std::unique_ptr<SqliteLog> embedded_;
  uint64_t head_ = 0;  // As it was found.
  std::unique_ptr<EtcdClient> etcd_;
  std::unique_ptr<SharedSecrets> secrets_;
  std::unique_ptr<EtcdLog> etcd_log_;
  std::unique_ptr<EtcdRecords> etcd_records_;
};

// The authority alone, which must be there: for issuing certificates beside a control plane that
// runs. NOT_FOUND where there is none.
absl::StatusOr<std::unique_ptr<CertificateAuthority>> FindAuthority(const StoreFlags& flags,
                                                                    const std::string& data_dir);

}  // namespace apk
