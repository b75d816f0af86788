// Notes in the ledger which agents come by certificates of their own that somebody issued to a
// file: while such a one is valid its name is taken, connected or not. Own thread, since the store
// may make one wait.
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <string>

#include "common/thread.h"
#include "control-plane/identity/identity_ledger.h"

namespace apk {

class NamedAgents {
 public:
  // It outlives this, and tells it who comes.
  explicit NamedAgents(IdentityLedger& ledger);
  ~NamedAgents();

 private:
  void Saw(const PeerCertificate& peer);
  void Run();

  IdentityLedger& ledger_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, PeerCertificate> waiting_;  // By name.
  bool stopping_ = false;
  Thread thread_;
};

}  // namespace apk
