// One reactor a stream. gRPC may run a reaction inside StartWrite, hence the recursive locks; the
// order of locks is the service's, then the stream's.
#include "control-plane/discovery/discovery_service.h"

#include <ctime>
#include <deque>

#include "common/log.h"
#include "common/strings.h"
#include "control-plane/discovery/subscription.h"
#include "control-plane/identity/peer.h"

namespace apk {
namespace {

constexpr size_t kIdBytesMax = 253;
// The certificate that the control plane makes for agents beside it: under it any id goes.
constexpr std::string_view kSharedCertificate = "default";

using Reactor = grpc::ServerBidiReactor<v1::DiscoveryRequest, v1::DiscoveryResponse>;

// A stream that is refused at once.
class RefusedStream final : public Reactor {
 public:
  explicit RefusedStream(grpc::Status status) { Finish(std::move(status)); }
  void OnDone() override { delete this; }
};

}  // namespace

class AgentStream final : public Reactor {
 public:
  AgentStream(DiscoveryService& service, PeerCertificate peer)
      : service_(service),
        cache_(service.cache_),
        registry_(service.registry_),
        number_(service.next_stream_.fetch_add(1)),
        peer_(std::move(peer)),
        certificate_(peer_.AgentName()),
        subscription_(service.store_) {
    if (service_.Enter(this)) {
      StartRead(&request_);
    } else {
      Stop();
    }
  }

  // The control plane stops.
  void Stop() { End({grpc::StatusCode::UNAVAILABLE, "the control plane stops"}); }

  // The agent was revoked, say, or its certificate has ended, or its labels are others.
  void Judge() {
    const absl::Status status = LetIn();
    if (status.ok()) return Relabel();
    bool ended = false;
    std::string id;
    {
      const std::lock_guard lock(mutex_);
      ended = ended_;
      id = id_;
    }
    if (ended) return;
    LogWarning("agent shut out", {{"agent", id}, {"reason", std::string(status.message())}});
    End({static_cast<grpc::StatusCode>(status.code()), std::string(status.message())});
  }

  // Every 0: no more.
  void AskTraffic(std::chrono::milliseconds every) {
    const std::lock_guard lock(mutex_);
    if (!knows_rollouts_ || id_.empty()) return;
    ask_.emplace().mutable_traffic_reporting()->set_every_ms(static_cast<uint32_t>(every.count()));
    WriteNext();
  }

  // What is for the agent may be another by now.
  void Push() {
    const std::lock_guard lock(mutex_);
    if (!greeted_ || ended_) return;
    Enqueue([&] { return subscription_.OnPublish(cache_.For({.id = id_, .labels = labels_})); });
  }

  void OnReadDone(bool ok) override {
    if (!ok) return End(grpc::Status::OK);
    if (request_.has_traffic() && !id_.empty()) {
      registry_.NoteTraffic(id_, request_.traffic());
    } else if (id_.empty()) {
      grpc::Status status = Greet();
      if (!status.ok()) return End(std::move(status));
    } else {
      TakeAnswer();
    }
    request_.Clear();
    StartRead(&request_);
  }

  void OnWriteDone(bool ok) override {
    const std::lock_guard lock(mutex_);
    writing_ = false;
    response_ = v1::DiscoveryResponse();  // Clear() would keep the memory of a whole snapshot.
    if (ok) WriteNext();
  }

  void OnCancel() override { End(grpc::Status::CANCELLED); }

  void OnDone() override {
    if (!id_.empty()) {
      registry_.Disconnect(id_, number_);
      LogInfo("agent left", {{"agent", id_}});
    }
    service_.Leave(this);
    delete this;
  }

 private:
  grpc::Status Greet() {
    const std::string& id = request_.agent().id();
    if (id.empty() || id.size() > kIdBytesMax) {
      return {grpc::StatusCode::INVALID_ARGUMENT,
              "the first request must carry agent.id, of at most 253 bytes"};
    }
    if (certificate_ != kSharedCertificate && certificate_ != id) {
      return Refuse(
          {grpc::StatusCode::PERMISSION_DENIED,
           Concat("the certificate is that of agent ", certificate_, ", which may not call itself ",
                  id, ": start it with --id ", certificate_, ", or issue a certificate for ", id)});
    }
    if (const absl::Status let_in = CheckNameUnderShared(id); !let_in.ok()) {
      return Refuse({grpc::StatusCode::PERMISSION_DENIED, std::string(let_in.message())});
    }
    const Labels labels = service_.identities_.ledger().LabelsOf(peer_);
    if (subscription_.IsAhead(request_, cache_.Newest())) {
      service_.behind_();
      return Refuse(
          {grpc::StatusCode::UNAVAILABLE,
           Concat("this control plane has not read revision ", std::to_string(request_.revision()),
                  " yet, which the agent runs: try another one, or again")});
    }
    const absl::Status connected = registry_.Connect(request_, labels, number_);
    if (!connected.ok()) {
      return Refuse({grpc::StatusCode::ALREADY_EXISTS, std::string(connected.message())});
    }
    LogInfo("agent came", {{"agent", id}, {"version", request_.version()}});
    {
      const std::lock_guard lock(mutex_);
      id_ = id;
      knows_rollouts_ = request_.knows_rollouts();
      revision_ = request_.revision();
      labels_ = labels;
      Enqueue([&] {
        return subscription_.OnHello(request_, cache_.For({.id = id_, .labels = labels_}));
      });
      greeted_ = true;
    }
    Push();  // Published between the lines above.
    if (const std::chrono::milliseconds every(service_.traffic_every_ms_.load());
        every.count() > 0) {
      AskTraffic(every);
    }
    return grpc::Status::OK;
  }

  absl::Status LetIn() {
    const IdentityLedger& ledger = service_.identities_.ledger();
    const absl::Status status = ledger.Check(peer_, std::time(nullptr));
    const std::lock_guard lock(mutex_);
    return status.ok() ? CheckNameUnderShared(id_) : status;
  }

  // Labels are the identity's, and may be changed while the agent is connected.
  void Relabel() {
    Labels labels = service_.identities_.ledger().LabelsOf(peer_);
    {
      const std::lock_guard lock(mutex_);
      if (!greeted_ || ended_ || labels == labels_) return;
      labels_ = labels;
    }
    LogInfo("agent relabelled", {{"agent", id_}, {"labels", Join(TextsOf(labels), ",")}});
    registry_.Relabel(id_, labels);
    Push();
  }

  // A revoked name is shut out under the shared certificate, too.
  absl::Status CheckNameUnderShared(const std::string& id) const {
    if (certificate_ != kSharedCertificate) return absl::OkStatus();
    return service_.identities_.ledger().CheckAgentName(id);
  }

  grpc::Status Refuse(grpc::Status status) const {
    LogWarning("agent not let in",
               {{"agent", request_.agent().id()}, {"reason", status.error_message()}});
    return status;
  }

  void TakeAnswer() {
    Subscription::Answer answer;
    Enqueue([&] {
      answer = subscription_.OnAnswer(request_);
      return answer.next;
    });
    if (answer.stale || answer.told) return;
    if (answer.again) {
      LogWarning("agent wants a snapshot whole", {{"agent", id_}, {"reason", request_.error()}});
    } else if (answer.accepted) {
      registry_.Acknowledge(id_, request_);
    } else {
      LogWarning("agent refused a snapshot", {{"agent", id_}, {"reason", ReasonOf(request_)}});
      registry_.Reject(id_, request_, answer.version);
    }
  }

  template <class Step>
  void Enqueue(Step step) {
    const std::lock_guard lock(mutex_);
    std::optional<v1::DiscoveryResponse> response = step();
    if (response.has_value() && !response->version().empty()) SayWhetherBack(*response);
    if (response.has_value()) outbox_.push_back(*std::move(response));
    WriteNext();
  }

  // Who goes back to an older revision is told that it may. Who can't be told takes it for another
  // store's. REQUIRES: mutex_ is held.
  void SayWhetherBack(v1::DiscoveryResponse& response) {
    const uint64_t withdrawn = cache_.withdrawn_revision();
    response.set_withdrawn_revision(withdrawn);
    const bool back = response.revision() < revision_ && revision_ <= withdrawn;
    if (back && !knows_rollouts_) response.clear_store();
    revision_ = response.revision();
  }

  // REQUIRES: mutex_ is held; while it is, the stream can't end.
  void WriteNext() {
    if (writing_ || ended_ || (outbox_.empty() && !ask_.has_value())) return;
    writing_ = true;
    if (ask_.has_value()) {
      response_ = *std::move(ask_);
      ask_.reset();
    } else {
      response_ = std::move(outbox_.front());
      outbox_.pop_front();
    }
    StartWrite(&response_);
  }

  void End(grpc::Status status) {
    {
      const std::lock_guard lock(mutex_);
      if (ended_) return;
      ended_ = true;
    }
    Finish(std::move(status));
  }

  DiscoveryService& service_;
  SnapshotCache& cache_;
  AgentRegistry& registry_;
  const uint64_t number_;
  const PeerCertificate peer_;
  const std::string certificate_;  // The agent's name in it.
  v1::DiscoveryRequest request_;
  v1::DiscoveryResponse response_;

  std::recursive_mutex mutex_;
  std::string id_;  // Written under it by the thread that reads, which alone reads it without.
  Labels labels_;
  bool greeted_ = false;  // The first request was taken: the two above are set.
  bool knows_rollouts_ = false;
  uint64_t revision_ = 0;  // Of what it was sent last, or has told that it runs.
  Subscription subscription_;
  std::optional<v1::DiscoveryResponse> ask_;  // For its traffic; goes first.
  std::deque<v1::DiscoveryResponse> outbox_;  // At most one: the subscription sees to that.
  bool writing_ = false;
  bool ended_ = false;
};

DiscoveryService::DiscoveryService(SnapshotCache& cache, AgentRegistry& registry,
                                   IdentityWatch& identities, std::string store,
                                   std::function<void()> behind)
    : cache_(cache),
      registry_(registry),
      identities_(identities),
      store_(std::move(store)),
      behind_(std::move(behind)),
      watch_(identities.Watch([this] { Judge(); })),
      push_loop_([this] { Push(); }) {
  cache_.OnChange([this] { push_loop_.Wake(); });
}

DiscoveryService::~DiscoveryService() {
  cache_.OnChange(nullptr);
  identities_.Unwatch(watch_);
}

Reactor* DiscoveryService::Stream(grpc::CallbackServerContext* context) {
  PeerCertificate peer = PeerOf(*context->auth_context(), identities_.ledger().trust_domain());
  if (!peer.IsAgent()) {
    return new RefusedStream({grpc::StatusCode::PERMISSION_DENIED,
                              "only agents may stream snapshots: use an agent's certificate"});
  }
  const absl::Status let_in = identities_.ledger().Check(peer, std::time(nullptr));
  if (!let_in.ok()) {
    LogWarning("agent not let in",
               {{"certificate", peer.uri}, {"reason", std::string(let_in.message())}});
    return new RefusedStream(
        {static_cast<grpc::StatusCode>(let_in.code()), std::string(let_in.message())});
  }
  return new AgentStream(*this, std::move(peer));
}

bool DiscoveryService::Enter(AgentStream* stream) {
  const std::lock_guard lock(mutex_);
  if (!shut_down_) streams_.insert(stream);
  return !shut_down_;
}

void DiscoveryService::Leave(AgentStream* stream) {
  const std::lock_guard lock(mutex_);
  streams_.erase(stream);
}

template <class Visit>
void DiscoveryService::ForEachStream(const Visit& visit) {
  std::set<AgentStream*> streams;
  {
    const std::lock_guard lock(mutex_);
    streams = streams_;
  }
  for (AgentStream* const stream : streams) {
    // Held for one at a time: others come and go meanwhile.
    const std::lock_guard lock(mutex_);
    if (streams_.contains(stream)) visit(*stream);
  }
}

void DiscoveryService::Judge() {
  ForEachStream([](AgentStream& stream) { stream.Judge(); });
}

void DiscoveryService::Push() {
  ForEachStream([](AgentStream& stream) { stream.Push(); });
}

void DiscoveryService::AskTraffic(std::chrono::milliseconds every) {
  traffic_every_ms_.store(every.count());
  ForEachStream([every](AgentStream& stream) { stream.AskTraffic(every); });
}

void DiscoveryService::Shutdown() {
  {
    const std::lock_guard lock(mutex_);
    shut_down_ = true;
  }
  ForEachStream([](AgentStream& stream) { stream.Stop(); });
}

}  // namespace apk
