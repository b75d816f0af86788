// Two pumps. The one towards the client is the caller's own coroutine.
#include "data-plane/forward/tunnel.h"

#include <boost/asio/co_spawn.hpp>

#include "data-plane/net/timer.h"

namespace apk {
namespace {

constexpr std::chrono::hours kSilenceMax{1};
constexpr std::chrono::milliseconds kGoodbyeTime{1000};

struct UpwardPump {
  explicit UpwardPump(asio::io_context& io) : over(io.get_executor(), TimePoint::max()) {}
  bool running = true;
  Timer over;  // Cancelled then.
};

Task<> PumpUp(ServerExchange* client, ClientExchange* upstream, UpwardPump* pump,
              ExchangeRecord* record) {
  for (;;) {
    const BodySlice slice = client->NextBody();
    if (slice.wait) {
      const bool filled = co_await client->FillBody();
      if (!filled) break;
      continue;
    }
    if (slice.failed || slice.data.empty()) break;
    record->bytes_in += slice.data.size();
    WriteStatus status = upstream->WriteBody(slice.data, false);
    if (status == WriteStatus::kAgain) {
      const bool flushed = co_await upstream->Flush();
      status = flushed ? WriteStatus::kDone : WriteStatus::kFailed;
    }
    if (status == WriteStatus::kFailed || slice.done) break;
    upstream->SetDeadline(std::chrono::steady_clock::now() + kSilenceMax);
  }
  upstream->Abort();  // Ends the other pump as well.
  pump->running = false;
  pump->over.cancel();
}

Task<bool> PumpDown(ServerExchange* client, ClientExchange* upstream, ExchangeRecord* record) {
  const bool head_sent = co_await client->Flush();
  if (!head_sent) co_return false;
  for (;;) {
    const BodySlice slice = upstream->NextBody();
    if (slice.failed) co_return false;
    if (slice.wait) {
      upstream->SetDeadline(std::chrono::steady_clock::now() + kSilenceMax);
      const bool filled = co_await upstream->FillBody();
      if (!filled) co_return false;
      continue;
    }
    record->bytes_out += slice.data.size();
    WriteStatus status = client->WriteBody(slice.data, slice.done);
    if (status == WriteStatus::kAgain) {
      const bool flushed = co_await client->Flush();
      status = flushed ? WriteStatus::kDone : WriteStatus::kFailed;
    }
    if (status == WriteStatus::kFailed) co_return false;
    if (slice.done) co_return true;
  }
}

}  // namespace

Task<bool> RunTunnel(asio::io_context* io, ServerExchange* client, ClientExchange* upstream,
                     ExchangeRecord* record) {
  UpwardPump pump(*io);
  asio::co_spawn(*io, PumpUp(client, upstream, &pump, record), Detached());
  const bool in_order = co_await PumpDown(client, upstream, record);
  upstream->Abort();
  if (pump.running) {
    client->LimitBody(kGoodbyeTime);
    if (in_order) co_await client->EndTunnel();
  }
  while (pump.running) {
    co_await pump.over.async_wait(kTuple);
  }
  co_return in_order;
}

}  // namespace apk
