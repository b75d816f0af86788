// One coroutine per busy connection takes copies off its mirror's queue until the queue is empty.
#include "data-plane/mirror/mirror_sender.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

namespace apk {
namespace {

using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, Executor>;

constexpr int kInterimMax = 8;

TimePoint Now() { return std::chrono::steady_clock::now(); }

MirrorResult ResultOf(DialError error) {
  switch (error) {
    case DialError::kDns:
      return MirrorResult::kFailedDns;
    case DialError::kTls:
      return MirrorResult::kFailedTls;
    case DialError::kTimeout:
      return MirrorResult::kTimeout;
    case DialError::kConnect:
    case DialError::kNone:
      break;
  }
  return MirrorResult::kFailedConnect;
}

DialTarget TargetOf(const Backend& backend) {
  DialTarget target;
  const Endpoint& endpoint = backend.endpoints.front();
  target.host = endpoint.host;
  target.port = endpoint.port;
  target.tls = backend.tls.has_value();
  if (target.tls) {
    target.ca_pem = backend.tls->ca_pem;
    target.server_name = backend.tls->server_name;
    target.allowed_names = backend.tls->allowed_sans;
  }
  return target;
}

}  // namespace

// The body queue of a copy whose client is still sending, and how it ended.
struct MirrorSender::Pending {
  Pending(std::shared_ptr<MirrorCopy> its_copy, Executor executor)
      : copy(std::move(its_copy)), arrival(executor, TimePoint::max()) {}

  std::shared_ptr<MirrorCopy> copy;
  std::deque<BodyChunk> chunks;
  bool body_complete = false;
  bool finished = false;         // Counted.
  ByteStream* stream = nullptr;  // While one is at work for it.
  Timer arrival;                 // Cancelled when something of the body came.
};

struct MirrorSender::Channel {
  CircuitBreaker breaker;
  std::deque<PendingPtr> waiting;
  size_t waiting_bytes = 0;
  size_t in_flight = 0;
  std::vector<std::unique_ptr<H1ClientConnection>> idle;  // Used last is taken first.
};

MirrorSender::MirrorSender(const MirrorLimits& limits, MirrorBudget& budget)
    : limits_(limits),
      budget_(budget),
      dialer_(io_.get_executor(), deadlines_),
      sweep_timer_(io_.get_executor()) {}

MirrorSender::~MirrorSender() { Stop(); }

void MirrorSender::Wake() {
  asio::post(io_, [this] { Drain(); });
}

void MirrorSender::Start() {
  asio::co_spawn(io_, Sweep(), Detached());
  Wake();
  thread_ = Thread("mirror", limits_.nice, [this] { io_.run(); });
}

void MirrorSender::Stop() {
  asio::post(io_, [this] {
    stopping_ = true;
    stop_at_ = Now() + limits_.shutdown_grace;
  });
  thread_.Join();
}

void MirrorSender::Drain() {
  MirrorEvent event;
  for (MirrorDoor* const door : doors_) {
    while (door->TryPop(event)) Take(event);
    door->Sleep();
    while (door->TryPop(event)) Take(event);
  }
}

void MirrorSender::Take(MirrorEvent& event) {
  if (event.kind == MirrorEvent::Kind::kStart) {
    Enqueue(std::move(event.copy));
    return;
  }
  const auto found = pending_.find(event.copy.get());
  const PendingPtr pending = found == pending_.end() ? nullptr : found->second;
  switch (event.kind) {
    case MirrorEvent::Kind::kChunk:
      if (pending != nullptr) {
        pending->chunks.push_back(std::move(event.chunk));
        pending->arrival.cancel();
      } else {
        budget_.total_bytes.fetch_sub(event.chunk->size(), std::memory_order_relaxed);
      }
      break;
    case MirrorEvent::Kind::kEnd:
      if (pending == nullptr) break;
      pending->body_complete = true;
      pending->arrival.cancel();
      break;
    case MirrorEvent::Kind::kClientAborted:
      Cancel(event.copy, MirrorResult::kAborted);
      break;
    case MirrorEvent::Kind::kSlowReader:
      Cancel(event.copy, MirrorResult::kDroppedSlowReader);
      break;
    case MirrorEvent::Kind::kOverBudget:
      Cancel(event.copy, MirrorResult::kDroppedBytes);
      break;
    case MirrorEvent::Kind::kStart:
    case MirrorEvent::Kind::kNone:
      break;
  }
}

MirrorSender::Channel& MirrorSender::ChannelFor(const MirrorCopy& copy) {
  // A mirror whose address or TLS settings changed is another mirror: connections must not mix.
  const std::string key =
      Concat(copy.stats->mirror, " ", std::to_string(copy.backend->connection_key));
  std::unique_ptr<Channel>& channel = channels_[key];
  if (channel == nullptr) channel = std::make_unique<Channel>();
  return *channel;
}

void MirrorSender::Enqueue(std::shared_ptr<MirrorCopy> copy) {
  Channel& channel = ChannelFor(*copy);
  auto drop = [&copy](MirrorResult result) { copy->stats->Count(result); };
  if (stopping_) return drop(MirrorResult::kDroppedShutdown);
  if (copy->backend->endpoints.empty()) return drop(MirrorResult::kFailedConnect);
  if (channel.breaker.Decide(Now()) == CircuitBreaker::Verdict::kDrop) {
    return drop(MirrorResult::kDroppedBreakerOpen);
  }
  const size_t bytes = copy->head.size();
  if (channel.in_flight >= limits_.in_flight_max &&
      (channel.waiting.size() >= limits_.waiting_copies_max ||
       channel.waiting_bytes + bytes > limits_.waiting_bytes_max)) {
    return drop(MirrorResult::kDroppedQueue);
  }
  auto pending = std::make_shared<Pending>(copy, io_.get_executor());
  pending->body_complete = !copy->has_body;
  if (copy->has_body) pending_[copy.get()] = pending;
  channel.waiting_bytes += bytes;
  channel.waiting.push_back(std::move(pending));
  if (channel.in_flight < limits_.in_flight_max) {
    ++channel.in_flight;
    asio::co_spawn(io_, RunChannel(&channel), Detached());
  }
}

// Ends a copy whose body will not come whole: it is never completed at the mirror.
void MirrorSender::Cancel(const std::shared_ptr<MirrorCopy>& copy, MirrorResult result) {
  const auto found = pending_.find(copy.get());
  if (found == pending_.end()) return;
  const PendingPtr pending = found->second;
  Finish(*pending, result);
  if (pending->stream != nullptr) pending->stream->Close();
  pending->arrival.cancel();
}

void MirrorSender::ReleaseChunks(Pending& pending) {
  for (const BodyChunk& chunk : pending.chunks) {
    budget_.total_bytes.fetch_sub(chunk->size(), std::memory_order_relaxed);
  }
  pending.chunks.clear();
}

void MirrorSender::Finish(Pending& pending, MirrorResult result) {
  if (pending.finished) return;
  pending.finished = true;
  pending.copy->stats->Count(result);
  ReleaseChunks(pending);
  pending_.erase(pending.copy.get());
}

Task<> MirrorSender::RunChannel(Channel* channel) {
  while (!channel->waiting.empty()) {
    PendingPtr pending = std::move(channel->waiting.front());
    channel->waiting.pop_front();
    channel->waiting_bytes -= pending->copy->head.size();
    if (!pending->finished) co_await SendCopy(channel, std::move(pending));
  }
  --channel->in_flight;
}

Task<> MirrorSender::SendCopy(Channel* channel, PendingPtr pending) {
  const TimePoint deadline = pending->copy->started + limits_.timeout;
  if (Now() >= deadline) {
    Finish(*pending, MirrorResult::kTimeout);
    co_return;
  }
  std::unique_ptr<H1ClientConnection> connection;
  const bool connected = co_await Connect(channel, pending, &connection);
  if (!connected) co_return;

  pending->stream = &connection->stream();
  connection->stream().SetDeadline(deadline);
  const bool written = co_await WriteCopy(pending, connection.get());
  MirrorResult result = MirrorResult::kFailedReset;
  if (written) {
    result = co_await ReadAnswer(pending, connection.get());
  } else if (connection->stream().timed_out() || Now() >= deadline) {
    result = pending->copy->lost.load() ? MirrorResult::kDroppedQueue : MirrorResult::kTimeout;
  }
  pending->stream = nullptr;
  if (!pending->finished) {
    if (result == MirrorResult::kTimeout) {
      channel->breaker.OnFailure(Now());
    } else {
      channel->breaker.OnSuccess();
    }
  }
  const bool reusable = written && !pending->finished && connection->Reusable() && !stopping_;
  Finish(*pending, result);
  if (!reusable) co_return;
  connection->stream().SetDeadline(Now() + limits_.idle_timeout);
  channel->idle.push_back(std::move(connection));
}

Task<bool> MirrorSender::Connect(Channel* channel, PendingPtr pending,
                                 std::unique_ptr<H1ClientConnection>* connection) {
  while (!channel->idle.empty()) {
    *connection = std::move(channel->idle.back());
    channel->idle.pop_back();
    if ((*connection)->StillQuiet()) co_return true;
  }
  DialTarget target = TargetOf(*pending->copy->backend);
  const TimePoint latest =
      std::min(Now() + limits_.connect_timeout, pending->copy->started + limits_.timeout);
  DialResult dialled = co_await dialer_.Dial(std::move(target), latest);
  if (dialled.error != DialError::kNone) {
    channel->breaker.OnFailure(Now());
    Finish(*pending, ResultOf(dialled.error));
    co_return false;
  }
  pending->copy->stats->connections.fetch_add(1, std::memory_order_relaxed);
  *connection = std::make_unique<H1ClientConnection>(std::move(dialled.stream));
  co_return !pending->finished;
}

// True when the whole request went out.
Task<bool> MirrorSender::WriteCopy(PendingPtr pending, H1ClientConnection* connection) {
  const MirrorCopy& copy = *pending->copy;
  connection->WriteRawHead(copy.head, copy.is_head_request, copy.chunked);
  if (!copy.has_body) {
    const WriteStatus status = connection->WriteBody({}, true);
    if (status == WriteStatus::kAgain) co_return co_await connection->Flush();
    co_return status == WriteStatus::kDone;
  }
  for (;;) {
    while (pending->chunks.empty() && !pending->body_complete) {
      if (pending->finished || copy.lost.load()) co_return false;
      pending->arrival.expires_at(copy.started + limits_.timeout);
      const auto [cancelled] = co_await pending->arrival.async_wait(kTuple);
      if (!cancelled) co_return false;  // Nothing came in time.
    }
    if (pending->finished) co_return false;
    BodyChunk chunk;
    if (!pending->chunks.empty()) {
      chunk = std::move(pending->chunks.front());
      pending->chunks.pop_front();
    }
    const bool last = pending->body_complete && pending->chunks.empty();
    const std::string_view data = chunk == nullptr ? std::string_view() : std::string_view(*chunk);
    WriteStatus status = connection->WriteBody(data, last);
    if (status == WriteStatus::kAgain) {
      const bool flushed = co_await connection->Flush();
      status = flushed ? WriteStatus::kDone : WriteStatus::kFailed;
    }
    budget_.total_bytes.fetch_sub(data.size(), std::memory_order_relaxed);
    pending->copy->held_bytes.fetch_sub(data.size(), std::memory_order_relaxed);
    if (status == WriteStatus::kFailed) co_return false;
    if (last) co_return true;
  }
}

Task<MirrorResult> MirrorSender::ReadAnswer(PendingPtr pending, H1ClientConnection* connection) {
  ResponseHead head;
  for (int interim = 0;; ++interim) {
    const ClientExchange::HeadResult result = co_await connection->ReadHead(head);
    if (result == ClientExchange::HeadResult::kTimeout) co_return MirrorResult::kTimeout;
    if (result == ClientExchange::HeadResult::kMalformed || interim > kInterimMax) {
      co_return MirrorResult::kFailedProtocol;
    }
    if (result != ClientExchange::HeadResult::kOk) co_return MirrorResult::kFailedReset;
    if (head.status >= 200) break;
  }
  uint64_t discarded = 0;
  for (;;) {
    const BodySlice slice = connection->NextBody();
    discarded += slice.data.size();
    if (slice.done) break;
    if (slice.failed) co_return MirrorResult::kSent;  // Answered; the connection is not reused.
    if (discarded > limits_.response_bytes_max) {
      pending->copy->stats->responses_truncated.fetch_add(1, std::memory_order_relaxed);
      connection->stream().Close();
      co_return MirrorResult::kSent;
    }
    if (slice.wait) {
      const bool filled = co_await connection->FillBody();
      if (!filled) co_return MirrorResult::kSent;
    }
  }
  connection->NextBody();  // Gives the last slice back.
  co_return MirrorResult::kSent;
}

bool MirrorSender::Idle() const {
  for (const auto& [name, channel] : channels_) {
    if (channel->in_flight > 0) return false;
  }
  return true;
}

Task<> MirrorSender::Sweep() {
  for (;;) {
    sweep_timer_.expires_after(DeadlineList::kSweepInterval);
    co_await sweep_timer_.async_wait(kTuple);
    const TimePoint now = Now();
    deadlines_.Sweep(now);
    for (const auto& [name, channel] : channels_) {
      std::erase_if(channel->idle,
                    [](const auto& connection) { return connection->stream().timed_out(); });
    }
    if (!stopping_) continue;
    Drain();
    if (now >= stop_at_) {
      for (const auto& [name, channel] : channels_) {
        for (const PendingPtr& pending : channel->waiting) {
          Finish(*pending, MirrorResult::kDroppedShutdown);
        }
        channel->waiting.clear();
      }
      deadlines_.ExpireAll();
    }
    if (Idle()) {
      for (const auto& [name, channel] : channels_) channel->idle.clear();
      co_return;  // Nothing is left to do: the loop ends.
    }
  }
}

}  // namespace apk
