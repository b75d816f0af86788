// The keys that an identity provider signs with: fetched in the background and again every few
// minutes, or read from a file that is looked at every second. Where the provider can't be reached
// the keys stay good for a limited time. Own thread; thread-safe.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/jwt/jwks.h"
#include "common/thread.h"
#include "control-plane/authentication/oidc_options.h"

namespace apk {

class ProviderKeys {
 public:
  // INVALID_ARGUMENT where a file can't be used; a provider that can't be reached is no error.
  static absl::StatusOr<std::unique_ptr<ProviderKeys>> Open(const OidcOptions& options);
  ~ProviderKeys();

  struct Known {
    std::shared_ptr<const KeySet> keys;  // nullptr: never available, or for too long not.
    uint64_t version = 0;                // Grows with each change.
    std::string trouble;                 // Why the last try failed; "" else.
  };
  Known Current() const;

  // A token names a key that is not known: has them fetched now, but not more often than every ten
  // seconds, since anybody can make up a key's name. True where `then` will be called, once, when
  // that is done, on any thread. Who waits are so many, and a few of each `asker`: an address, or a
  // connection.
  bool FetchSoon(const std::string& asker, std::function<void()> then);

  // Calls whoever waits, and lets nobody wait from now on: what they call may go when it returns.
  void Stop();

 private:
  ProviderKeys(const OidcOptions& options, std::string ca_pem)
      : options_(options), ca_pem_(std::move(ca_pem)) {}
  bool IsFile() const;
  absl::StatusOr<std::string> Read() const;  // The document.
  absl::Status Take(const absl::StatusOr<std::string>& document);
  void Run();
  void Tell(std::unique_lock<std::mutex>& lock);

  const OidcOptions options_;
  const std::string ca_pem_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  std::shared_ptr<const KeySet> keys_;
  uint64_t version_ = 0;
  std::string document_;  // That they were read as.
  std::string trouble_;
  TimePoint taken_{};              // When the provider last said that these are its keys.
  TimePoint due_{};                // For the next try.
  TimePoint begun_{};              // The last try.
  bool trying_ = false;            // One is under way.
  std::chrono::seconds pause_{1};  // Before the next try after a failure.
  struct Waiting {
    std::string asker;
    std::function<void()> then;
  };
  std::vector<Waiting> waiting_;  // For the next try that begins or is under way.
  int telling_ = 0;               // Threads that call them.
  std::minstd_rand random_{std::random_device{}()};  // The thread's.
  Thread thread_;
};

}  // namespace apk
