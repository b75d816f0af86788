// Keeps issuers' keys: fetches key sets in the background, so that no request ever waits for one.
// Own thread, libcurl; an issuer that can't be reached keeps the keys that it had.
#pragma once

#include <absl/status/statusor.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/thread.h"
#include "data-plane/auth/key_store.h"
#include "data-plane/routing/route_table.h"

namespace apk {

class JwksFetcher {
 public:
  using Publish = std::function<void(std::shared_ptr<const KeyStore>)>;

  // `publish` is called on the fetcher's thread, or on the caller's of SetIssuers.
  explicit JwksFetcher(Publish publish);
  ~JwksFetcher();

  // The issuers of the table in force; thread-safe, returns at once.
  void SetIssuers(const RouteTable& table);

 private:
  struct Source {
    TokenIssuer issuer;
    std::shared_ptr<const KeySet> keys;
    TimePoint due;
    TimePoint fetched{};            // When a fetch was begun last.
    std::chrono::seconds pause{1};  // Before the next try after a failure.
    // Set by workers; see KeyStore.
    std::shared_ptr<std::atomic<bool>> wanted = std::make_shared<std::atomic<bool>>(false);

    TimePoint Due() const;
  };

  void Run();
  // REQUIRES: mutex_ is held.
  void PublishKeys();
  Source* NextDue(TimePoint now);

  const Publish publish_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  uint64_t version_ = 0;
  std::vector<std::unique_ptr<Source>> sources_;
  Thread thread_;
};

// One GET: http or https, no redirects, no proxies, 256 KiB and 5 s at most.
absl::StatusOr<std::string> FetchJwks(const std::string& url, const std::string& ca_pem);

}  // namespace apk
