// The identity of an agent that joins by a token: gets it, keeps it on disk, and renews it by
// itself long before it ends. One thread, which waits and asks; the agent serves on whatever
// happens here, and connections that stand are left alone.
#pragma once

#include <absl/status/status.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "common/join_token.h"
#include "common/thread.h"
#include "data-plane/identity/enrollment_client.h"
#include "data-plane/identity/identity_files.h"
#include "data-plane/identity/node_key.h"
#include "data-plane/identity/tls_identity.h"

namespace apk {

struct IdentityOptions {
  std::string agent;                    // What it calls itself.
  std::vector<std::string> enrollment;  // host:port of control planes; at least one.
  std::string directory;
  std::optional<JoinToken> token;
  // A control plane says that the agent, which has no identity yet, can't join as it is; on the
  // keeper's thread. It is tried again all the same.
  std::function<void(const absl::Status&)> on_refused;
};

class IdentityKeeper {
 public:
  // Reads what is there. A token that was used already does nothing.
  explicit IdentityKeeper(IdentityOptions options);
  ~IdentityKeeper() { Stop(); }

  // Also after Stop.
  void Start();
  void Stop();
  // For the next connection; nullopt until the agent has joined. Thread-safe.
  std::optional<TlsIdentity> Current() const;
  // When the certificate ends; nullopt as above. Thread-safe.
  std::optional<SystemTime> expires() const;

 private:
  void Run();
  bool Join();
  bool RenewInTime();
  absl::Status TryJoin();
  absl::Status TryRenew();
  bool PauseAfter(int failures, std::chrono::seconds life);
  // False when stopped meanwhile.
  bool WaitUntil(SystemTime time);
  void Take(TlsIdentity identity);
  double Random() { return std::uniform_real_distribution<double>(0, 1)(random_); }

  const IdentityOptions options_;
  const IdentityFiles files_;
  EnrollmentClient client_;
  std::mt19937 random_{std::random_device{}()};

  mutable std::mutex mutex_;
  std::condition_variable stop_requested_;
  bool stopping_ = false;
  std::optional<TlsIdentity> current_;
  std::optional<Validity> validity_;
  Thread thread_;
};

}  // namespace apk
