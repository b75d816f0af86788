// Events in, copies to their channels.
#include "data-plane/mirror/mirror_sender.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include "data-plane/mirror/mirror_body.h"

namespace apk {
namespace {

// Of one door in a row, so that connections get their turn under a flood of chunks.
constexpr int kEventsInARow = 1024;

}  // namespace

MirrorSender::MirrorSender(const MirrorLimits& limits, MirrorBudget& budget)
    : limits_(limits),
      budget_(budget),
      dialer_(io_.get_executor(), deadlines_, limits.dns_servers),
      shared_{limits_, budget_, dialer_, io_, deadlines_, h2_limits_},
      poller_(Poller::Of(io_.get_executor())),
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
  const Poller::Round round(poller_);
  MirrorEvent event;
  bool more = false;
  bool lost = false;
  for (MirrorDoor* const door : doors_) {
    int taken = 0;
    while (taken < kEventsInARow && door->TryPop(event)) Take(event), ++taken;
    if (taken < kEventsInARow) door->Sleep();
    while (taken < kEventsInARow && door->TryPop(event)) Take(event), ++taken;
    more = more || taken == kEventsInARow;
    lost = door->TakeLost() || lost;
  }
  for (MirrorChannel* const channel : submitted_) channel->SendWaiting();
  submitted_.clear();
  if (lost) DropLost();
  if (more) Wake();
}

void MirrorSender::Take(MirrorEvent& event) {
  MirrorCopy& copy = *event.copy;
  switch (event.kind) {
    case MirrorEvent::Kind::kStart:
      return Begin(std::move(event.copy));
    case MirrorEvent::Kind::kChunk:
      return AddToBody(event.copy, std::move(event.chunk));
    case MirrorEvent::Kind::kEnd:
      return CompleteBody(event.copy);
    case MirrorEvent::Kind::kClientAborted:
      FinishCopy(copy, MirrorResult::kAborted, budget_);
      break;
    case MirrorEvent::Kind::kSlowReader:
      FinishCopy(copy, MirrorResult::kDroppedSlowReader, budget_);
      break;
    case MirrorEvent::Kind::kOverBudget:
      FinishCopy(copy, MirrorResult::kDroppedBytes, budget_);
      break;
    case MirrorEvent::Kind::kNone:
      return;
  }
  uploads_.erase(event.copy);
}

MirrorChannel& MirrorSender::ChannelFor(const MirrorCopy& copy) {
  // A mirror whose address or TLS settings changed is another mirror: connections must not mix.
  MirrorGauges* const gauges = copy.stats->gauges;
  std::unique_ptr<MirrorChannel>& channel = channels_[{gauges, copy.backend->connection_key}];
  if (channel == nullptr) {
    channel = std::make_unique<MirrorChannel>(shared_, *gauges, copy.backend->endpoints.size());
  }
  return *channel;
}

void MirrorSender::SubmitTo(MirrorChannel& channel, MirrorCopyPtr copy) {
  if (channel.Submit(std::move(copy))) submitted_.push_back(&channel);
}

void MirrorSender::Begin(MirrorCopyPtr copy) {
  if (stopping_) return FinishCopy(*copy, MirrorResult::kDroppedShutdown, budget_);
  if (copy->backend->endpoints.empty()) {
    return FinishCopy(*copy, MirrorResult::kFailedConnect, budget_);
  }
  MirrorChannel& channel = ChannelFor(*copy);
  if (channel.Refuses(*copy)) {
    return FinishCopy(*copy, MirrorResult::kDroppedBreakerOpen, budget_);
  }
  if (!copy->has_body) return SubmitTo(channel, std::move(copy));
  copy->body = std::make_shared<MirrorBody>();
  uploads_.insert(std::move(copy));
}

void MirrorSender::AddToBody(const MirrorCopyPtr& copy, BodyChunk chunk) {
  if (copy->finished) return budget_.GiveBack(*copy, chunk->size());
  MirrorBody& body = *copy->body;
  body.Put(std::move(chunk));
  if (body.submitted) return body.Wake();
  if (!body.gathered()) return;
  body.submitted = true;
  SubmitTo(ChannelFor(*copy), copy);
}

void MirrorSender::CompleteBody(const MirrorCopyPtr& copy) {
  if (copy->finished) return;
  uploads_.erase(copy);
  MirrorBody& body = *copy->body;
  body.complete = true;
  if (body.submitted) return body.Wake();
  body.submitted = true;
  SubmitTo(ChannelFor(*copy), copy);
}

void MirrorSender::DropLost() {
  for (const MirrorCopyPtr& copy : uploads_) {
    if (copy->lost.load(std::memory_order_acquire)) {
      FinishCopy(*copy, MirrorResult::kDroppedQueue, budget_);
    }
  }
  ForgetFinished();
}

void MirrorSender::ForgetFinished() {
  absl::erase_if(uploads_, [](const MirrorCopyPtr& copy) { return copy->finished; });
}

void MirrorSender::DropAll() {
  for (const auto& [key, channel] : channels_) channel->DropAll();
  for (const MirrorCopyPtr& copy : uploads_) {
    FinishCopy(*copy, MirrorResult::kDroppedShutdown, budget_);
  }
  uploads_.clear();
  deadlines_.ExpireAll();
}

bool MirrorSender::Idle() const {
  for (const auto& [key, channel] : channels_) {
    if (!channel->idle()) return false;
  }
  return uploads_.empty();
}

void MirrorSender::SweepChannels(TimePoint now) {
  absl::erase_if(channels_, [&](const auto& entry) {
    MirrorChannel& channel = *entry.second;
    channel.CloseExpired();
    const bool unused = channel.idle() && (stopping_ || now - channel.used_at() > kChannelRest);
    return unused && channel.Retire();
  });
}

Task<> MirrorSender::Sweep() {
  for (;;) {
    sweep_timer_.expires_after(DeadlineList::kSweepInterval);
    co_await sweep_timer_.async_wait(kTuple);
    const TimePoint now = Now();
    deadlines_.Sweep(now);
    ForgetFinished();
    if (stopping_) {
      Drain();
      if (now >= stop_at_) DropAll();
      if (Idle()) {
        SweepChannels(now);
        if (channels_.empty()) {
          deadlines_.ExpireAll();  // Look-ups that nobody waits for.
          co_return;               // Nothing is left to do: the loop ends.
        }
      }
      continue;
    }
    SweepChannels(now);
  }
}

}  // namespace apk
