// What can't be written now is tried again; an agent that came twice is written once.
#include "control-plane/enrollment/named_agents.h"

#include <chrono>

#include "apk/v1/store.pb.h"
#include "common/log.h"

namespace apk {
namespace {

constexpr size_t kWaitingMax = 10'000;
constexpr std::chrono::seconds kRetry{5};

absl::Status Note(IdentityLedger& ledger, const PeerCertificate& peer) {
  const std::string key = NamedKey(peer.AgentName());
  return ledger.Change({key}, [&](const RecordView&) {
    std::vector<RecordWrite> writes;
    if (ledger.IsNoted(peer)) return writes;
    v1::StoredNamedAgent named;
    named.set_expires_unix(peer.expires_unix);
    writes.push_back(PutRecord(key, named));
    return writes;
  });
}

}  // namespace

NamedAgents::NamedAgents(IdentityLedger& ledger) : ledger_(ledger) {
  ledger_.OnSeen([this](const PeerCertificate& peer) { Saw(peer); });
  thread_ = Thread("named-agents", 0, [this] { Run(); });
}

NamedAgents::~NamedAgents() {
  ledger_.OnSeen(nullptr);
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.Join();
}

void NamedAgents::Saw(const PeerCertificate& peer) {
  if (peer.AgentName() == kSharedAgent || ledger_.IsNoted(peer)) return;
  const std::lock_guard lock(mutex_);
  if (waiting_.size() >= kWaitingMax) return;
  waiting_[peer.AgentName()] = peer;
  changed_.notify_all();
}

void NamedAgents::Run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    const PeerCertificate peer = waiting_.begin()->second;
    lock.unlock();
    const absl::Status noted = Note(ledger_, peer);
    lock.lock();
    if (noted.ok()) {
      waiting_.erase(peer.AgentName());
      continue;
    }
    LogWarning("agent's name not noted",
               {{"agent", peer.AgentName()}, {"reason", std::string(noted.message())}});
    changed_.wait_for(lock, kRetry, [this] { return stopping_; });
  }
}

}  // namespace apk
