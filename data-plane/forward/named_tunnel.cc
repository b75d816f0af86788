// Two loops over one pair of streams; whichever ends last lets the other go on.
#include "data-plane/forward/named_tunnel.h"

#include <boost/asio/co_spawn.hpp>

#include "data-plane/forward/choose_backend.h"
#include "data-plane/net/timer.h"

namespace apk {
namespace {

constexpr size_t kBufferBytes = 16 * 1024;

class Tunnel {
 public:
  Tunnel(const TunnelLimits& limits, Executor executor, ByteStream& client, ByteStream& backend)
      : limits_(limits), executor_(executor), client_(client), backend_(backend) {}

  Task<> Run() {
    Postpone();
    Timer down_ended(executor_, TimePoint::max());
    asio::co_spawn(executor_, CopyDown(&down_ended), Detached());
    co_await Copy(&client_, &backend_);
    if (!down_done_) co_await down_ended.async_wait(kTuple);
  }

 private:
  Task<> CopyDown(Timer* ended) {
    co_await Copy(&backend_, &client_);
    down_done_ = true;
    ended->cancel();
  }

  // Until the end of `from`, which is passed on; breaks both when one breaks.
  Task<> Copy(ByteStream* from, ByteStream* to) {
    const std::unique_ptr<char[]> bytes(new char[kBufferBytes]);
    for (;;) {
      const ReadResult read = co_await from->Read(bytes.get(), kBufferBytes);
      if (!read.ok) break;
      if (read.bytes == 0) {
        co_await to->ShutdownWrite();
        half_closed_ = true;
        Postpone();
        co_return;
      }
      WriteBuffers buffers;
      buffers.Add(std::string_view(bytes.get(), read.bytes));
      const WriteStatus status = to->TryWrite(buffers);
      bool written = status == WriteStatus::kDone;
      if (status == WriteStatus::kAgain) written = co_await to->Write(buffers);
      if (!written) break;
      Postpone();
    }
    client_.Close();
    backend_.Close();
  }

  // Something happened: the time starts anew for both sides.
  void Postpone() {
    const TimePoint latest = std::chrono::steady_clock::now() +
                             (half_closed_ ? limits_.half_closed_timeout : limits_.idle_timeout);
    client_.SetDeadline(latest);
    backend_.SetDeadline(latest);
  }

  const TunnelLimits& limits_;
  Executor executor_;
  ByteStream& client_;
  ByteStream& backend_;
  bool half_closed_ = false;
  bool down_done_ = false;
};

}  // namespace

Task<> ServeTunnel(WorkerContext* worker, std::shared_ptr<const RouteTable> table,
                   const TlsRule* rule, bool sealed, std::unique_ptr<ByteStream> client) {
  const WeightedBackend* const choice =
      ChooseBackend(rule->backends, rule->total_weight, worker->random);
  const Backend* const backend = choice == nullptr ? nullptr : choice->backend;
  if (backend == nullptr || backend->endpoints.empty()) co_return;
  const size_t first = worker->random.Below(backend->endpoints.size());
  DialResult dialled = co_await worker->pool.OpenTunnel(backend, first, sealed);
  if (dialled.error != DialError::kNone) co_return;
  worker->metrics.upstream_connections.Add();
  table.reset();  // A tunnel may outlive many snapshots.
  Tunnel tunnel(worker->limits.tunnel, worker->io.get_executor(), *client, *dialled.stream);
  co_await tunnel.Run();
}

}  // namespace apk
