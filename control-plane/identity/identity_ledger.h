// Who has joined and who is shut out, as all control planes of a store know it: the store's
// records, and a copy in memory by which each connection and each call is judged. Thread-safe.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "apk/v1/identity.pb.h"
#include "control-plane/identity/peer_certificate.h"
#include "control-plane/identity/spiffe.h"
#include "control-plane/store/records.h"

namespace apk {

// Records as they were at one moment, by key.
class RecordView {
 public:
  explicit RecordView(std::map<std::string, Record> records) : records_(std::move(records)) {}

  // nullopt where there is none. T is a message of store.proto.
  template <class T>
  std::optional<T> Get(const std::string& key) const {
    const auto found = records_.find(key);
    T value;
    if (found == records_.end() || found->second.gone) return std::nullopt;
    if (!value.ParseFromString(found->second.value)) return std::nullopt;
    return value;
  }
  // Those whose keys begin with `prefix`: what follows it, and the value.
  template <class T>
  std::vector<std::pair<std::string, T>> Under(const std::string& prefix) const {
    std::vector<std::pair<std::string, T>> found;
    for (auto at = records_.lower_bound(prefix);
         at != records_.end() && at->first.starts_with(prefix); ++at) {
      if (std::optional<T> value = Get<T>(at->first); value.has_value()) {
        found.emplace_back(at->first.substr(prefix.size()), *std::move(value));
      }
    }
    return found;
  }
  int64_t VersionOf(const std::string& key) const;  // 0: there is none.

 private:
  std::map<std::string, Record> records_;
};

class IdentityLedger {
 public:
  // `records` outlives it. `trust_domain`: of the URIs in certificates, which are read by it.
  explicit IdentityLedger(Records& records,
                          std::string trust_domain = std::string(kDefaultTrustDomain))
      : records_(records), trust_domain_(std::move(trust_domain)) {}
  const std::string& trust_domain() const { return trust_domain_; }

  // Reads all of it again.
  absl::Status Load();
  // What was written elsewhere. An old one does nothing.
  void Take(const Record& record);
  // Called, on any thread, when who is let in may have changed; it must not wait. nullptr: nobody
  // is told, from the return on.
  void OnChange(std::function<void()> changed);

  // An agent has come by this certificate. `seen` is told on the caller's thread, and must not
  // wait; nullptr: nobody is told, from the return on.
  void Saw(const PeerCertificate& peer) const;
  void OnSeen(std::function<void(const PeerCertificate&)> seen);

  // Whether who shows this certificate is let in now, also while a connection lasts.
  // PERMISSION_DENIED where it is revoked or superseded, UNAUTHENTICATED where it has expired and
  // was not renewed.
  absl::Status Check(const PeerCertificate& peer, int64_t now_unix) const;
  // The same for a user by token, whose name begins with "oidc:".
  absl::Status CheckUserName(const std::string& name) const;
  // The same for an agent that uses the certificate of others, by what it calls itself.
  absl::Status CheckAgentName(const std::string& name) const;

  // Of the agent that shows this certificate, which is let in: what it joined with, or the
  // certificate's own.
  Labels LabelsOf(const PeerCertificate& peer) const;

  absl::Status Revoke(const v1::Subject& subject, const std::string& reason,
                      const std::string& author, int64_t now_unix);
  absl::Status Unrevoke(const v1::Subject& subject, const std::string& author);
  std::vector<v1::Revocation> Revocations() const;

  // One change, decided on records that are read for it, and decided anew where others were faster.
  // `keys` are those that `decide` looks at or writes; no writes are no change. It runs without a
  // lock.
  using Decide = std::function<absl::StatusOr<std::vector<RecordWrite>>(const RecordView&)>;
  absl::Status Change(const std::vector<std::string>& keys, const Decide& decide);
  // What is known here, all of it, and the value of one; "" where there is none.
  RecordView Known() const;
  std::string ValueOf(const std::string& key) const;

  // The name of this agent is known to be its own for as long as its certificate is valid.
  bool IsNoted(const PeerCertificate& agent) const;

  // Who has joined and who is shut out, for a backup: keys and values.
  std::vector<std::pair<std::string, std::string>> Export() const;
  // Writes what is not there; what is there stays.
  absl::Status Import(const std::vector<std::pair<std::string, std::string>>& records);

 private:
  absl::StatusOr<RecordView> Refresh(const std::vector<std::string>& keys);
  bool Keep(const Record& record);
  void Changed();
  template <class T>
  std::optional<T> Find(const std::string& key) const;

  Records& records_;
  const std::string trust_domain_;
  std::mutex changing_;       // One change at a time: those of a fleet that joins are of one token.
  mutable std::mutex mutex_;  // Over what is known; taken after it.
  std::map<std::string, Record> known_;

  mutable std::mutex
      listener_mutex_;  // Held while they run, so that setting another is a full stop.
  std::function<void()> changed_;
  std::function<void(const PeerCertificate&)> seen_;
};

// Import, for a store that nobody runs on.
absl::Status ImportIdentities(Records& store,
                              const std::vector<std::pair<std::string, std::string>>& records);

// The certificate that agents without one of their own share: under it any id goes.
inline constexpr char kSharedAgent[] = "default";

// Keys of records.
std::string TokenKey(const std::string& id);
std::string EnrollmentKey(const std::string& agent);
std::string NamedKey(const std::string& agent);
std::string RevocationKey(const v1::Subject& subject);
v1::Subject AgentSubject(const std::string& name);

// A message whose key this is, to be written.
template <class T>
RecordWrite PutRecord(std::string key, const T& value) {
  return {.key = std::move(key), .value = value.SerializeAsString()};
}

}  // namespace apk
