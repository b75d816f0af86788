// One reactor a stream. gRPC may run a reaction inside StartWrite, hence the
// recursive locks; the order of locks is the service's, then the stream's.
#include "control-plane/discovery/discovery_service.h"

#include <ctime>
#include <deque>

#include "common/discovery_fields.h"
#include "common/log.h"
#include "common/strings.h"
#include "control-plane/discovery/subscription.h"
#include "control-plane/identity/peer.h"

namespace apk {
namespace {

constexpr size_t kIdBytesMax = 253;
// The certificate that the control plane makes for agents beside it: under it
// any id goes.
constexpr std::string_view kSharedCertificate = "default";

using Reactor = grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>;

// Bytes that others hold, too.
grpc::Slice SliceOf(std::shared_ptr<const std::string> bytes) {
  auto* const held = new std::shared_ptr<const std::string>(std::move(bytes));
  return grpc::Slice(
      const_cast<char*>((*held)->data()), (*held)->size(),
      [](void* user_data) { delete static_cast<std::shared_ptr<const std::string>*>(user_data); },
      held);
}

// A stream that is refused at once.
class RefusedStream final : public Reactor {
 public:
  explicit RefusedStream(grpc::Status status) { Finish(std::move(status)); }
  void OnDone() override { delete this; }
};

}  // namespace

class AgentStream final : public Reactor {
 public:
  AgentStream(DiscoveryService& service, grpc::CallbackServerContext& context, PeerCertificate peer)
      : service_(service),
        context_(context),
        cache_(service.cache_),
        registry_(service.registry_),
        number_(service.next_stream_.fetch_add(1)),
        peer_(std::move(peer)),
        certificate_(peer_.AgentName()),
        subscription_(service.differences_, service.store_) {
    if (service_.Enter(this)) {
      StartRead(&incoming_);
    } else {
      Stop();
    }
  }

  // The control plane stops.
  void Stop() { End({grpc::StatusCode::UNAVAILABLE, "the control plane stops"}); }

  // The agent was revoked, say, or its certificate has ended, or its labels are
  // others.
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
    v1::DiscoveryRequest request;
    const bool read =
        grpc::SerializationTraits<v1::DiscoveryRequest>::Deserialize(&incoming_, &request).ok();
    incoming_.Clear();
    if (!read) {
      return End({grpc::StatusCode::INVALID_ARGUMENT, "that is no DiscoveryRequest"});
    }
    if (request.has_traffic() && !id_.empty()) {
      registry_.NoteTraffic(id_, request.traffic());
    } else if (id_.empty()) {
      grpc::Status status = Greet(request);
      if (!status.ok()) return End(std::move(status));
    } else {
      TakeAnswer(request);
    }
    StartRead(&incoming_);
  }

  void OnWriteDone(bool ok) override {
    const std::lock_guard lock(mutex_);
    writing_ = false;
    outgoing_.Clear();
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
  grpc::Status Greet(const v1::DiscoveryRequest& request) {
    const std::string& id = request.agent().id();
    if (id.empty() || id.size() > kIdBytesMax) {
      return {grpc::StatusCode::INVALID_ARGUMENT,
              "the first request must carry agent.id, of at most 253 bytes"};
    }
    if (certificate_ != kSharedCertificate && certificate_ != id) {
      return Refuse(id, {grpc::StatusCode::PERMISSION_DENIED,
                         Concat("the certificate is that of agent ", certificate_,
                                ", which may not call itself ", id, ": start it with --id ",
                                certificate_, ", or issue a certificate for ", id)});
    }
    if (const absl::Status let_in = CheckNameUnderShared(id); !let_in.ok()) {
      return Refuse(id, {grpc::StatusCode::PERMISSION_DENIED, std::string(let_in.message())});
    }
    const Labels labels = service_.identities_.ledger().LabelsOf(peer_);
    if (subscription_.IsAhead(request, cache_.Newest())) {
      service_.behind_();
      return Refuse(id, {grpc::StatusCode::UNAVAILABLE,
                         Concat("this control plane has not read revision ",
                                std::to_string(request.revision()),
                                " yet, which the agent runs: try another one, or again")});
    }
    const absl::Status connected = registry_.Connect(request, labels, number_);
    if (!connected.ok()) {
      return Refuse(id, {grpc::StatusCode::ALREADY_EXISTS, std::string(connected.message())});
    }
    if (certificate_ == id) service_.identities_.ledger().Saw(peer_);
    // Where it has the newest snapshot nothing else would tell it.
    context_.AddInitialMetadata(kLetInField, "yes");
    StartSendInitialMetadata();
    LogInfo("agent came", {{"agent", id}, {"version", request.version()}});
    {
      const std::lock_guard lock(mutex_);
      id_ = id;
      knows_rollouts_ = request.knows_rollouts();
      revision_ = request.revision();
      labels_ = labels;
      Enqueue([&] {
        return subscription_.OnHello(request, cache_.For({.id = id_, .labels = labels_}));
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

  static grpc::Status Refuse(const std::string& id, grpc::Status status) {
    LogWarning("agent not let in", {{"agent", id}, {"reason", status.error_message()}});
    return status;
  }

  void TakeAnswer(const v1::DiscoveryRequest& request) {
    Subscription::Answer answer;
    Enqueue([&] {
      answer = subscription_.OnAnswer(request);
      return std::exchange(answer.next, std::nullopt);
    });
    if (answer.stale || answer.told) return;
    if (answer.again) {
      LogWarning("agent wants a snapshot whole", {{"agent", id_}, {"reason", request.error()}});
    } else if (answer.accepted) {
      registry_.Acknowledge(id_, request);
    } else {
      LogWarning("agent refused a snapshot", {{"agent", id_}, {"reason", ReasonOf(request)}});
      registry_.Reject(id_, request, answer.version);
    }
  }

  template <class Step>
  void Enqueue(Step step) {
    const std::lock_guard lock(mutex_);
    std::optional<OutgoingResponse> response = step();
    if (response.has_value() && !response->rest.version().empty()) SayWhetherBack(response->rest);
    if (response.has_value()) outbox_.push_back(*std::move(response));
    WriteNext();
  }

  // Who goes back to an older revision is told that it may. Who can't be told takes it for another
  // store's. REQUIRES: mutex_ is held.
  void SayWhetherBack(v1::DiscoveryResponse& response) {
    const SnapshotCache::Withdrawn withdrawn = cache_.withdrawn();
    response.set_withdrawn_revision(withdrawn.last);
    response.set_withdrawn_after(withdrawn.after);
    const bool back = response.revision() < revision_ && withdrawn.Contains(revision_);
    if (back && !knows_rollouts_) response.clear_store();
    revision_ = response.revision();
  }

  // One part is in flight at a time, so that an agent that does not read holds
  // no more. REQUIRES: mutex_ is held; while it is, the stream can't end.
  void WriteNext() {
    if (writing_ || ended_) return;
    if (ask_.has_value() && part_ == 0) {
      const grpc::Slice ask(std::exchange(ask_, std::nullopt)->SerializeAsString());
      outgoing_ = grpc::ByteBuffer(&ask, 1);
      writing_ = true;
      StartWrite(&outgoing_);
      return;
    }
    if (outbox_.empty()) return;
    OutgoingResponse& response = outbox_.front();
    std::vector<grpc::Slice> slices;
    bool last = true;
    if (response.difference != nullptr) {
      const auto& parts = response.difference->parts;
      slices.push_back(SliceOf(parts[part_]));
      last = ++part_ == parts.size();
    }
    if (last) slices.emplace_back(response.rest.SerializeAsString());
    outgoing_ = grpc::ByteBuffer(slices.data(), slices.size());
    if (last) {
      outbox_.pop_front();
      part_ = 0;
    }
    writing_ = true;
    StartWrite(&outgoing_);
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
  grpc::CallbackServerContext& context_;
  SnapshotCache& cache_;
  AgentRegistry& registry_;
  const uint64_t number_;
  const PeerCertificate peer_;
  const std::string certificate_;  // The agent's name in it.
  grpc::ByteBuffer incoming_;
  grpc::ByteBuffer outgoing_;

  std::recursive_mutex mutex_;
  std::string id_;  // Written under it by the thread that reads, which alone
                    // reads it without.
  Labels labels_;
  bool greeted_ = false;  // The first request was taken: the two above are set.
  bool knows_rollouts_ = false;
  uint64_t revision_ = 0;  // Of what it was sent last, or has told that it runs.
  Subscription subscription_;
  std::optional<v1::DiscoveryResponse> ask_;  // For its traffic; goes first.
  std::deque<OutgoingResponse> outbox_;  // At most one: the subscription sees to that.
  size_t part_ = 0;                      // The next of the first one there.
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
  return new AgentStream(*this, *context, std::move(peer));
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
