// Records in etcd: a key each, where control planes watch. A version is a revision of etcd.
// Thread-safe.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "control-plane/store/etcd_client.h"
#include "control-plane/store/etcd_keys.h"
#include "control-plane/store/records.h"

namespace apk {

class EtcdRecords final : public Records {
 public:
  // `prefix` as in EtcdUrl. `fence` tells the create revision of the leader's key while this process
  // leads, 0 where nobody is to lead. The client outlives it.
  EtcdRecords(Etcd& client, const std::string& prefix,
              std::function<int64_t()> fence = [] { return 0; })
      : client_(client), keys_(prefix), fence_(std::move(fence)) {}

  absl::StatusOr<AllRecords> ReadAll() override;
  absl::StatusOr<std::vector<Record>> Read(const std::vector<std::string>& keys) override;
  absl::Status Write(const std::vector<RecordWrite>& writes) override;

 private:
  Record ToRecord(const EtcdKeyValue& pair) const;

  Etcd& client_;
  const EtcdKeys keys_;
  const std::function<int64_t()> fence_;
};

}  // namespace apk
