// Operations as blobs that are named by their content: written in any order and again without harm.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <set>
#include <string>
#include <vector>

#include "apk/v1/store.pb.h"
#include "control-plane/store/etcd_client.h"
#include "control-plane/store/etcd_keys.h"

namespace apk {

struct EtcdBlob {
  std::string hash;  // 32 bytes.
  std::string bytes;
};

// As few blobs as it takes. RESOURCE_EXHAUSTED where one object is too large for etcd.
absl::StatusOr<std::vector<EtcdBlob>> CutBySize(std::vector<v1::StoredOperation> operations);
// Cut where the names say so: blobs whose objects did not change are the same as before.
absl::StatusOr<std::vector<EtcdBlob>> CutByName(std::vector<v1::StoredOperation> operations);

// Writes those that are not among `present` (hashes).
absl::Status WriteBlobs(Etcd& client, const EtcdKeys& keys, const std::vector<EtcdBlob>& blobs,
                        const std::set<std::string>& present = {});
// What they hold, in order. NOT_FOUND where one is not there (any more).
template <class Hashes>
absl::StatusOr<std::vector<v1::StoredOperation>> ReadBlobs(Etcd& client, const EtcdKeys& keys,
                                                           const Hashes& hashes);
absl::Status ReadBlob(Etcd& client, const std::string& key,
                      std::vector<v1::StoredOperation>& operations);

template <class Hashes>
absl::StatusOr<std::vector<v1::StoredOperation>> ReadBlobs(Etcd& client, const EtcdKeys& keys,
                                                           const Hashes& hashes) {
  std::vector<v1::StoredOperation> operations;
  for (const std::string& hash : hashes) {
    const absl::Status read = ReadBlob(client, keys.Blob(hash), operations);
    if (!read.ok()) return read;
  }
  return operations;
}

}  // namespace apk
