// A blob is a StoredOperations message.
#include "control-plane/store/etcd_blobs.h"

#include <functional>
#include <utility>

#include "common/sealed.h"
#include "common/status_macros.h"
#include "common/strings.h"

namespace apk {
namespace {

constexpr size_t kBytesMax = 1'000'000;
constexpr size_t kBytesLeast = 32'768;  // Before a name may end a blob.
constexpr unsigned kNamesPerCut = 16;   // Of that many names one does.
constexpr size_t kObjectBytesMax = 1'400'000;

// The same on every machine, which std::hash does not promise.
bool EndsBlob(const v1::StoredOperation& operation) {
  const std::string hash =
      Sha256(Concat(operation.kind(), "/", operation.namespace_(), "/", operation.name()));
  return static_cast<unsigned char>(hash[0]) % kNamesPerCut == 0;
}

EtcdBlob Seal(const v1::StoredOperations& operations) {
  EtcdBlob blob;
  blob.bytes = operations.SerializeAsString();
  blob.hash = Sha256(blob.bytes);
  return blob;
}

absl::StatusOr<std::vector<EtcdBlob>> Cut(
    std::vector<v1::StoredOperation> operations,
    const std::function<bool(const v1::StoredOperation&, size_t bytes)>& ends) {
  std::vector<EtcdBlob> blobs;
  v1::StoredOperations piece;
  size_t bytes = 0;
  for (v1::StoredOperation& operation : operations) {
    const size_t size = operation.ByteSizeLong();
    if (size > kObjectBytesMax) {
      return absl::ResourceExhaustedError(Concat(operation.kind(), " ", operation.namespace_(), "/",
                                                 operation.name(), " has ", std::to_string(size),
                                                 " bytes: a store in etcd takes objects of up to ",
                                                 std::to_string(kObjectBytesMax)));
    }
    if (bytes > 0 && bytes + size > kBytesMax) {
      blobs.push_back(Seal(std::exchange(piece, {})));
      bytes = 0;
    }
    *piece.add_operations() = std::move(operation);
    bytes += size;
    if (ends(*piece.operations().rbegin(), bytes)) {
      blobs.push_back(Seal(std::exchange(piece, {})));
      bytes = 0;
    }
  }
  if (bytes > 0) blobs.push_back(Seal(piece));
  return blobs;
}

}  // namespace

absl::StatusOr<std::vector<EtcdBlob>> CutBySize(std::vector<v1::StoredOperation> operations) {
  return Cut(std::move(operations), [](const v1::StoredOperation&, size_t) { return false; });
}

absl::StatusOr<std::vector<EtcdBlob>> CutByName(std::vector<v1::StoredOperation> operations) {
  return Cut(std::move(operations), [](const v1::StoredOperation& operation, size_t bytes) {
    return bytes >= kBytesLeast && EndsBlob(operation);
  });
}

absl::Status WriteBlobs(Etcd& client, const EtcdKeys& keys, const std::vector<EtcdBlob>& blobs,
                        const std::set<std::string>& present) {
  EtcdTransaction transaction;
  size_t bytes = 0;
  for (const EtcdBlob& blob : blobs) {
    if (present.contains(blob.hash)) continue;
    const bool full =
        transaction.writes.size() == Etcd::kOperationsMax || bytes + blob.bytes.size() > kBytesMax;
    if (full && !transaction.writes.empty()) {
      RETURN_IF_ERROR(client.Commit(transaction).status());
      transaction.writes.clear();
      bytes = 0;
    }
    transaction.writes.push_back({.what = EtcdWrite::What::kPut,
                                  .key = keys.Blob(blob.hash),
                                  .value = blob.bytes,
                                  .range_end = ""});
    bytes += blob.bytes.size() + transaction.writes.back().key.size();
  }
  return transaction.writes.empty() ? absl::OkStatus() : client.Commit(transaction).status();
}

absl::Status ReadBlob(Etcd& client, const std::string& key,
                      std::vector<v1::StoredOperation>& operations) {
  EtcdRange range;
  range.key = key;
  ASSIGN_OR_RETURN(std::vector<EtcdKeyValue> found, client.Read(range));
  if (found.empty()) return absl::NotFoundError(Concat("etcd: ", key, " is missing"));
  v1::StoredOperations piece;
  if (!piece.ParseFromString(found.front().value)) {
    return absl::DataLossError(Concat("etcd: ", key, " can't be read"));
  }
  for (v1::StoredOperation& operation : *piece.mutable_operations()) {
    operations.push_back(std::move(operation));
  }
  return absl::OkStatus();
}

}  // namespace apk
