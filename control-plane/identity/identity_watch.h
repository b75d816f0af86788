// Has open connections judged again: whenever the ledger changes, and every second, since
// certificates end. Thread-safe.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>

#include "common/thread.h"
#include "control-plane/identity/identity_ledger.h"

namespace apk {

class IdentityWatch {
 public:
  // The ledger outlives it.
  explicit IdentityWatch(IdentityLedger& ledger);
  ~IdentityWatch();

  // `judge` is called on a thread of its own and must not wait for long. Returns its number for
  // Unwatch, after which it is not running and will not be called.
  int Watch(std::function<void()> judge);
  void Unwatch(int number);
  const IdentityLedger& ledger() const { return ledger_; }

 private:
  void Run();

  IdentityLedger& ledger_;
  std::mutex judges_mutex_;  // Held while they run.
  std::map<int, std::function<void()>> judges_;
  int next_number_ = 1;

  std::mutex mutex_;
  std::condition_variable wake_;
  bool changed_ = false;
  bool stopping_ = false;
  Thread thread_;
};

}  // namespace apk
