// Records in etcd: a key each, where control planes watch. A version is a revision of etcd.
// Thread-safe.
#pragma once

#include <string>
#include <vector>

#include "control-plane/store/etcd_client.h"
#include "control-plane/store/etcd_keys.h"
#include "control-plane/store/records.h"

namespace apk {

class EtcdRecords final : public Records {
 public:
  // `prefix` as in EtcdUrl. The client outlives it.
  EtcdRecords(EtcdClient& client, const std::string& prefix) : client_(client), keys_(prefix) {}

  absl::StatusOr<AllRecords> ReadAll() override;
  absl::StatusOr<std::vector<Record>> Read(const std::vector<std::string>& keys) override;
  absl::Status Write(const std::vector<RecordWrite>& writes) override;

 private:
  Record ToRecord(const EtcdKeyValue& pair) const;

  EtcdClient& client_;
  const EtcdKeys keys_;
};

}  // namespace apk
