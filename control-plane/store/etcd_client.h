// The calls of etcd's v3 API that the store makes, over gRPC, which stays behind this header. Each
// call goes to one member and, when that is gone or has no leader, to the next. Thread-safe,
// blocking.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace apk {

struct EtcdOptions {
  std::vector<std::string> endpoints;  // host:port
  std::string ca_pem;                  // "": no TLS.
  std::string certificate_pem;         // Of this client; "": none is shown.
  std::string key_pem;
};

struct EtcdKeyValue {
  std::string key;
  std::string value;
  int64_t create_revision = 0;  // Revisions of etcd.
  int64_t mod_revision = 0;
};

// Keys from `key` up to `end`, which is not among them; "" is the key alone.
struct EtcdRange {
  std::string key;
  std::string end;
  int64_t limit = 0;  // 0: none.
  bool keys_only = false;

  // All keys that begin with `prefix`.
  static EtcdRange Under(const std::string& prefix);
};

// What must hold for a transaction to be carried out.
struct EtcdCompare {
  enum class What { kModRevision, kCreateRevision, kExists };
  What what;
  std::string key;
  int64_t revision = 0;  // 0: there is no such key.
};

struct EtcdWrite {
  enum class What { kPut, kDelete };
  What what;
  std::string key;
  std::string value;      // Of a put.
  int64_t lease = 0;      // Of a put; 0: none.
  std::string range_end;  // Of a delete, as in EtcdRange.
};

// At most 128 of each, and 1.5 MiB. Reads see the same state: that after the writes, or that which
// the compares failed in.
struct EtcdTransaction {
  std::vector<EtcdCompare> compares;
  std::vector<EtcdWrite> writes;
  std::vector<EtcdRange> reads;          // Where the compares hold.
  std::vector<EtcdRange> reads_instead;  // Where they do not.
};

struct EtcdOutcome {
  bool succeeded = false;
  int64_t revision = 0;                           // Of etcd, after it.
  std::vector<std::vector<EtcdKeyValue>> ranges;  // One for each read.
};

struct EtcdEvent {
  bool deleted = false;
  EtcdKeyValue pair;  // Of a deleted one: key and mod_revision.
};

// What the log needs of etcd.
class Etcd {
 public:
  static constexpr size_t kOperationsMax = 128;
  static constexpr size_t kRequestBytesMax = 1'500'000;

  virtual ~Etcd() = default;

  // Linearizable. UNAVAILABLE when no member answered in a few seconds: it may have been carried
  // out or not, and may still be, so only what is safe to repeat is given here.
  virtual absl::StatusOr<EtcdOutcome> Commit(const EtcdTransaction& transaction) = 0;
  // All of a range, at one revision, page by page.
  virtual absl::StatusOr<std::vector<EtcdKeyValue>> Read(const EtcdRange& range) = 0;
  // Forgets what keys were before `revision` of etcd.
  virtual absl::Status Compact(int64_t revision) = 0;
  // Of the cluster; 0 before its first answer. Another one after a restore from a back-up.
  virtual uint64_t cluster_id() const = 0;
};

class EtcdClient final : public Etcd {
 public:
  explicit EtcdClient(EtcdOptions options);
  ~EtcdClient() override;

  absl::StatusOr<EtcdOutcome> Commit(const EtcdTransaction& transaction) override;
  absl::StatusOr<std::vector<EtcdKeyValue>> Read(const EtcdRange& range) override;
  absl::Status Compact(int64_t revision) override;
  uint64_t cluster_id() const override;

  absl::StatusOr<int64_t> GrantLease(int64_t seconds);
  // NOT_FOUND where it has expired.
  absl::Status KeepAlive(int64_t lease);
  absl::Status Revoke(int64_t lease);

  // Tells of changes under `prefix` until the stream ends, and returns why. `created` is called
  // when what happens from now on will be told. Ends when the member loses the cluster's leader.
  absl::Status Watch(const std::string& prefix, const std::function<void()>& created,
                     const std::function<void(const std::vector<EtcdEvent>&)>& changed);

  // Ends all calls, now and later, with CANCELLED.
  void Shutdown();

 private:
  struct Connections;
  const std::unique_ptr<Connections> connections_;
};

}  // namespace apk
