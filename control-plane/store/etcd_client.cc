// A channel for each member; the one that answered last is asked first.
#include "control-plane/store/etcd_client.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <set>
#include <thread>

#include "common/log.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "etcd/v3/rpc.grpc.pb.h"

namespace apk {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

// A member that does not answer is given up soon at first, then more slowly, for a disk that is
// slow.
constexpr std::chrono::milliseconds kFirstAttempt{800};
constexpr std::chrono::milliseconds kPatience{6000};
// While calls fail anyway, so that they don't queue up.
constexpr std::chrono::milliseconds kPatienceInTrouble{1000};
// How long a member may take to be connected to, and how long one that could not be is tried again
// where there is no other.
constexpr std::chrono::milliseconds kConnect{1000};
constexpr std::chrono::milliseconds kRetry{100};
// Between attempts that are refused at once, as they are while there is no leader.
constexpr std::chrono::milliseconds kPause{40};
// How often a member that has not answered yet is asked whom it follows.
constexpr std::chrono::milliseconds kLook{100};
constexpr int64_t kPageKeys = 500;

struct Member {
  std::string endpoint;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<etcdserverpb::KV::Stub> kv;
  std::unique_ptr<etcdserverpb::Watch::Stub> watch;
  std::unique_ptr<etcdserverpb::Lease::Stub> lease;
  std::unique_ptr<etcdserverpb::Maintenance::Stub> maintenance;
};

Member Connect(const std::string& endpoint, const EtcdOptions& options) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);  // etcd allows one in 5 s.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5'000);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // A member that starts takes connections before it answers on them, and then never does.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1000);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::InsecureChannelCredentials();
  if (!options.ca_pem.empty()) {
    grpc::SslCredentialsOptions tls;
    tls.pem_root_certs = options.ca_pem;
    tls.pem_cert_chain = options.certificate_pem;
    tls.pem_private_key = options.key_pem;
    credentials = grpc::SslCredentials(tls);
  }
  Member member;
  member.endpoint = endpoint;
  member.channel = grpc::CreateCustomChannel(endpoint, credentials, arguments);
  const std::shared_ptr<grpc::Channel>& channel = member.channel;
  member.kv = etcdserverpb::KV::NewStub(channel);
  member.watch = etcdserverpb::Watch::NewStub(channel);
  member.lease = etcdserverpb::Lease::NewStub(channel);
  member.maintenance = etcdserverpb::Maintenance::NewStub(channel);
  return member;
}

// Lets a connection come about: gRPC works on it only while somebody waits. A call tells what came
// of it. `retry`: how long one that fails is waited for.
void AwaitConnection(grpc::Channel& channel, std::chrono::milliseconds retry) {
  const auto start = std::chrono::system_clock::now();
  grpc_connectivity_state state = channel.GetState(true);
  while (state != GRPC_CHANNEL_READY) {
    const bool failed = state == GRPC_CHANNEL_TRANSIENT_FAILURE;
    if (!channel.WaitForStateChange(state, start + (failed ? retry : kConnect))) return;
    state = channel.GetState(true);
  }
}

// The term of the leader that the member follows; 0 where it has none, or does not answer.
uint64_t TermOf(Member& member) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kLook);
  etcdserverpb::StatusResponse response;
  const grpc::Status status =
      member.maintenance->Status(&context, etcdserverpb::StatusRequest(), &response);
  return status.ok() && response.leader() != 0 ? response.raft_term() : 0;
}

// UNKNOWN is what a member's own timeouts come as ("context deadline exceeded"), during elections.
bool MayPass(const grpc::Status& status) {
  return status.error_code() == grpc::StatusCode::UNAVAILABLE ||
         status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED ||
         status.error_code() == grpc::StatusCode::UNKNOWN;
}

absl::Status ToStatus(const grpc::Status& status) {
  const std::string message = Concat("etcd: ", status.error_message());
  if (message.find("database space exceeded") != std::string::npos) {
    return absl::ResourceExhaustedError(
        Concat(message,
               "; nothing was changed: raise its quota, or compact and defragment it, and "
               "disarm the alarm (etcdctl alarm disarm)"));
  }
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), message);
}

void Fill(const EtcdRange& range, etcdserverpb::RangeRequest& request) {
  request.set_key(range.key);
  request.set_range_end(range.end);
  request.set_limit(range.limit);
  request.set_keys_only(range.keys_only);
}

void Fill(const EtcdCompare& compare, etcdserverpb::Compare& request) {
  request.set_key(compare.key);
  request.set_result(etcdserverpb::Compare::EQUAL);
  if (compare.what == EtcdCompare::What::kModRevision) {
    request.set_target(etcdserverpb::Compare::MOD);
    request.set_mod_revision(compare.revision);
    return;
  }
  request.set_target(etcdserverpb::Compare::CREATE);
  request.set_create_revision(compare.revision);
  if (compare.what == EtcdCompare::What::kExists) {
    request.set_create_revision(0);
    request.set_result(etcdserverpb::Compare::GREATER);
  }
}

void Fill(const EtcdWrite& write, etcdserverpb::RequestOp& request) {
  if (write.what == EtcdWrite::What::kPut) {
    etcdserverpb::PutRequest* const put = request.mutable_request_put();
    put->set_key(write.key);
    put->set_value(write.value);
    put->set_lease(write.lease);
    return;
  }
  request.mutable_request_delete_range()->set_key(write.key);
  request.mutable_request_delete_range()->set_range_end(write.range_end);
}

EtcdKeyValue Take(etcdserverpb::KeyValue& pair) {
  return {.key = std::move(*pair.mutable_key()),
          .value = std::move(*pair.mutable_value()),
          .create_revision = pair.create_revision(),
          .mod_revision = pair.mod_revision()};
}

}  // namespace

EtcdRange EtcdRange::Under(const std::string& prefix) {
  EtcdRange range;
  range.key = prefix;
  range.end = prefix;
  ++range.end.back();  // Prefixes end with "/".
  return range;
}

struct EtcdClient::Connections {
  explicit Connections(const EtcdOptions& options) {
    for (const std::string& endpoint : options.endpoints) {
      members.push_back(Connect(endpoint, options));
    }
  }

  // A call to a member, which Shutdown cancels.
  class Call {
   public:
    Call(Connections& connections, Member& member)
        : connections_(connections), member_(member), term_(connections.term.load()) {
      // Without it a member that is cut off from the others lets a call hang.
      context.AddMetadata("hasleader", "true");
      const std::lock_guard lock(connections_.mutex);
      if (connections_.stopping) context.TryCancel();
      connections_.open.insert(&context);
    }
    ~Call() {
      {
        const std::lock_guard lock(connections_.mutex);
        connections_.open.erase(&context);
      }
      void* tag = nullptr;
      bool ok = false;
      queue.Shutdown();
      while (queue.Next(&tag, &ok)) {
      }
    }

    // The end of a call that was begun with the context and the queue. What a member had passed on
    // to a leader that died is never answered: it is cancelled when there is another leader.
    template <class Response>
    grpc::Status Await(const std::unique_ptr<grpc::ClientAsyncResponseReader<Response>>& begun,
                       Response& response) {
      grpc::Status status;
      begun->Finish(&response, &status, this);
      void* tag = nullptr;
      bool ok = false;
      while (queue.AsyncNext(&tag, &ok, std::chrono::system_clock::now() + kLook) ==
             grpc::CompletionQueue::TIMEOUT) {
        if (!leader_died_) LookForLeader();
      }
      if constexpr (requires { response.header(); }) {
        if (status.ok()) connections_.term.store(response.header().raft_term());
      }
      return status;
    }

    // Whether it ended for that reason.
    bool leader_died() const { return leader_died_; }

    grpc::ClientContext context;
    grpc::CompletionQueue queue;

   private:
    void LookForLeader() {
      const uint64_t now = TermOf(member_);
      if (term_ == 0) term_ = now;
      if (now <= term_) return;
      connections_.term.store(now);
      leader_died_ = true;
      context.TryCancel();
    }

    Connections& connections_;
    Member& member_;
    uint64_t term_;  // In which it was begun; 0: not known.
    bool leader_died_ = false;
  };

  bool Stopping() {
    const std::lock_guard lock(mutex);
    return stopping;
  }

  // One call, at one member after the other. `ask`: Status(Member&, Call&).
  template <class Ask>
  absl::Status Run(const Ask& ask) {
    const bool trouble = in_trouble.load();
    const SteadyTime end =
        std::chrono::steady_clock::now() + (trouble ? kPatienceInTrouble : kPatience);
    std::chrono::milliseconds attempt = kFirstAttempt;
    std::string reason;
    for (;;) {
      const size_t index = preferred.load();
      AwaitConnection(*members[index].channel,
                      members.size() == 1 ? kRetry : std::chrono::milliseconds(0));
      Call call(*this, members[index]);
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
          end - std::chrono::steady_clock::now());
      call.context.set_deadline(std::chrono::system_clock::now() + std::min(left, attempt));
      const grpc::Status status = ask(members[index], call);
      if (Stopping()) return absl::CancelledError("shutting down");
      if (call.leader_died() && !status.ok()) continue;
      if (!MayPass(status)) {
        in_trouble.store(false);
        return status.ok() ? absl::OkStatus() : ToStatus(status);
      }
      // That time is up is the least telling.
      if (reason.empty() || status.error_code() == grpc::StatusCode::UNAVAILABLE) {
        reason = Concat(members[index].endpoint, ": ", status.error_message());
      }
      size_t expected = index;
      preferred.compare_exchange_strong(expected, (index + 1) % members.size());
      if (std::chrono::steady_clock::now() >= end) {
        if (!in_trouble.exchange(true)) LogWarning("etcd does not answer", {{"reason", reason}});
        return absl::UnavailableError("etcd does not answer, or has no quorum");
      }
      if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
        attempt = std::min(2 * attempt, kPatience);
      } else {
        std::this_thread::sleep_for(kPause);
      }
    }
  }

  std::vector<Member> members;
  std::atomic<size_t> preferred{0};
  std::atomic<bool> in_trouble{false};
  std::atomic<uint64_t> cluster_id{0};
  std::atomic<uint64_t> term{0};  // Of the last answer.

  std::mutex mutex;
  std::set<grpc::ClientContext*> open;
  bool stopping = false;
};

EtcdClient::EtcdClient(EtcdOptions options)
    : connections_(std::make_unique<Connections>(options)) {}

EtcdClient::~EtcdClient() = default;

uint64_t EtcdClient::cluster_id() const { return connections_->cluster_id.load(); }

void EtcdClient::Shutdown() {
  const std::lock_guard lock(connections_->mutex);
  connections_->stopping = true;
  for (grpc::ClientContext* const context : connections_->open) context->TryCancel();
}

absl::StatusOr<EtcdOutcome> EtcdClient::Commit(const EtcdTransaction& transaction) {
  etcdserverpb::TxnRequest request;
  for (const EtcdCompare& compare : transaction.compares) Fill(compare, *request.add_compare());
  for (const EtcdWrite& write : transaction.writes) Fill(write, *request.add_success());
  for (const EtcdRange& range : transaction.reads) {
    Fill(range, *request.add_success()->mutable_request_range());
  }
  for (const EtcdRange& range : transaction.reads_instead) {
    Fill(range, *request.add_failure()->mutable_request_range());
  }
  etcdserverpb::TxnResponse response;
  RETURN_IF_ERROR(connections_->Run([&](Member& member, Connections::Call& call) {
    response.Clear();
    return call.Await(member.kv->AsyncTxn(&call.context, request, &call.queue), response);
  }));
  connections_->cluster_id.store(response.header().cluster_id());
  EtcdOutcome outcome;
  outcome.succeeded = response.succeeded();
  outcome.revision = response.header().revision();
  for (etcdserverpb::ResponseOp& operation : *response.mutable_responses()) {
    if (!operation.has_response_range()) continue;
    std::vector<EtcdKeyValue>& range = outcome.ranges.emplace_back();
    for (auto& pair : *operation.mutable_response_range()->mutable_kvs()) {
      range.push_back(Take(pair));
    }
  }
  return outcome;
}

absl::StatusOr<std::vector<EtcdKeyValue>> EtcdClient::Read(const EtcdRange& range) {
  etcdserverpb::RangeRequest request;
  Fill(range, request);
  request.set_limit(kPageKeys);
  std::vector<EtcdKeyValue> pairs;
  etcdserverpb::RangeResponse response;
  do {
    RETURN_IF_ERROR(connections_->Run([&](Member& member, Connections::Call& call) {
      response.Clear();
      return call.Await(member.kv->AsyncRange(&call.context, request, &call.queue), response);
    }));
    request.set_revision(response.header().revision());
    for (auto& pair : *response.mutable_kvs()) pairs.push_back(Take(pair));
    if (!pairs.empty()) request.set_key(pairs.back().key + '\0');
  } while (response.more());
  return pairs;
}

absl::Status EtcdClient::Compact(int64_t revision) {
  etcdserverpb::CompactionRequest request;
  request.set_revision(revision);
  const absl::Status status = connections_->Run([&](Member& member, Connections::Call& call) {
    etcdserverpb::CompactionResponse response;
    return call.Await(member.kv->AsyncCompact(&call.context, request, &call.queue), response);
  });
  // Somebody else did it.
  return status.code() == absl::StatusCode::kOutOfRange ? absl::OkStatus() : status;
}

absl::StatusOr<int64_t> EtcdClient::GrantLease(int64_t seconds) {
  etcdserverpb::LeaseGrantRequest request;
  request.set_ttl(seconds);
  etcdserverpb::LeaseGrantResponse response;
  RETURN_IF_ERROR(connections_->Run([&](Member& member, Connections::Call& call) {
    response.Clear();
    return call.Await(member.lease->AsyncLeaseGrant(&call.context, request, &call.queue), response);
  }));
  return response.id();
}

absl::Status EtcdClient::KeepAlive(int64_t lease) {
  etcdserverpb::LeaseKeepAliveRequest request;
  request.set_id(lease);
  etcdserverpb::LeaseKeepAliveResponse response;
  RETURN_IF_ERROR(connections_->Run([&](Member& member, Connections::Call& call) {
    response.Clear();
    const auto stream = member.lease->LeaseKeepAlive(&call.context);
    const bool answered = stream->Write(request) && stream->Read(&response);
    stream->WritesDone();
    const grpc::Status status = stream->Finish();
    if (answered) return grpc::Status::OK;
    return status.ok() ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "no answer") : status;
  }));
  return response.ttl() > 0 ? absl::OkStatus() : absl::NotFoundError("the lease has expired");
}

absl::Status EtcdClient::Revoke(int64_t lease) {
  etcdserverpb::LeaseRevokeRequest request;
  request.set_id(lease);
  return connections_->Run([&](Member& member, Connections::Call& call) {
    etcdserverpb::LeaseRevokeResponse response;
    return call.Await(member.lease->AsyncLeaseRevoke(&call.context, request, &call.queue),
                      response);
  });
}

absl::Status EtcdClient::Watch(const std::string& prefix, const std::function<void()>& created,
                               const std::function<void(const std::vector<EtcdEvent>&)>& changed) {
  etcdserverpb::WatchRequest request;
  const EtcdRange range = EtcdRange::Under(prefix);
  request.mutable_create_request()->set_key(range.key);
  request.mutable_create_request()->set_range_end(range.end);
  const size_t index = connections_->preferred.load();
  Member& member = connections_->members[index];
  AwaitConnection(*member.channel, kRetry);
  Connections::Call call(*connections_, member);
  const auto stream = member.watch->Watch(&call.context);
  stream->Write(request);
  std::string reason;
  etcdserverpb::WatchResponse response;
  while (reason.empty() && stream->Read(&response)) {
    if (response.created()) created();
    if (response.canceled()) reason = Concat("canceled: ", response.cancel_reason());
    std::vector<EtcdEvent> events;
    for (etcdserverpb::Event& event : *response.mutable_events()) {
      events.push_back({.deleted = event.type() == etcdserverpb::Event::DELETE,
                        .pair = Take(*event.mutable_kv())});
    }
    if (!events.empty()) changed(events);
  }
  call.context.TryCancel();
  const grpc::Status status = stream->Finish();
  // Another member may know more.
  size_t expected = index;
  connections_->preferred.compare_exchange_strong(expected,
                                                  (index + 1) % connections_->members.size());
  return absl::UnavailableError(reason.empty() ? status.error_message() : reason);
}

}  // namespace apk
