// Keeps issuers' keys: fetches key sets in the background, so that no request ever waits for one.
// Own thread; an issuer that can't be reached keeps the keys that it had.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/thread.h"
#include "data-plane/auth/key_file.h"
#include "data-plane/auth/key_store.h"
#include "data-plane/routing/route_table.h"

namespace apk {

class JwksFetcher {
 public:
  using Publish = std::function<void(std::shared_ptr<const KeyStore>)>;

  // `publish` is called on the fetcher's thread, or on the caller's of SetIssuers. `file` is where
  // what was fetched is kept for the next start; see KeyFile.
  JwksFetcher(Publish publish, std::string file);
  ~JwksFetcher();

  // The issuers of the table in force; thread-safe, returns at once.
  void SetIssuers(const RouteTable& table);
  // Whether what it fetches is kept in the file; it is, unless told otherwise. Once the call returns, nothing is
  // being written against its will.
  void SetSaving(bool saving);

 private:
  struct Source {
    TokenIssuer issuer;
    std::shared_ptr<const KeySet> keys;
    std::string document;  // That `keys` were fetched as.
    TimePoint due;
    TimePoint fetched{};            // When a fetch was begun last.
    std::chrono::seconds pause{1};  // Before the next try after a failure.
    // Set by workers; see KeyStore.
    std::shared_ptr<std::atomic<bool>> wanted = std::make_shared<std::atomic<bool>>(false);

    TimePoint Due() const;
  };

  void Run();
  // Fetches a source's keys. REQUIRES: `lock` holds mutex_; it does not meanwhile.
  void Fetch(Source& source, std::unique_lock<std::mutex>& lock);
  void Save(const KeyFile::KeySets& documents);
  // What the sources have. REQUIRES: mutex_ is held.
  KeyFile::KeySets Documents() const;
  // REQUIRES: mutex_ is held.
  void PublishKeys();
  Source* NextDue(TimePoint now);

  const Publish publish_;
  std::mutex file_mutex_;
  KeyFile file_;  // Under it, but for the constructor.
  bool saving_ = true;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  uint64_t version_ = 0;
  KeyFile::KeySets saved_;  // By the process before.
  std::vector<std::unique_ptr<Source>> sources_;
  std::minstd_rand random_{std::random_device{}()};  // The fetcher's thread's.
  Thread thread_;
};

}  // namespace apk
