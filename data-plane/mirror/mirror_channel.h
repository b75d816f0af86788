// One mirror: its queue, its connections, the breakers of its endpoints. Used by the mirror thread
// only.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "data-plane/mirror/circuit_breaker.h"
#include "data-plane/mirror/mirror_door.h"
#include "data-plane/mirror/mirror_limits.h"
#include "data-plane/mirror/pipeline_depth.h"
#include "data-plane/net/dialer.h"
#include "data-plane/session/h1_client.h"
#include "data-plane/session/h2_client.h"

namespace apk {

// Counts the copy, once, and lets go of what it holds: its bytes, and the exchange that carries it,
// which is given up so that what is half sent is never completed.
void FinishCopy(MirrorCopy& copy, MirrorResult result, MirrorBudget& budget);

// What channels share; outlives them.
struct MirrorThread {
  const MirrorLimits& limits;
  MirrorBudget& budget;
  Dialer& dialer;
  asio::io_context& io;
  DeadlineList& deadlines;
  const H2Limits& h2_limits;
};

class MirrorChannel {
 public:
  MirrorChannel(const MirrorThread& thread, MirrorGauges& gauges, size_t endpoints);
  MirrorChannel(const MirrorChannel&) = delete;
  MirrorChannel& operator=(const MirrorChannel&) = delete;

  // True where a copy to the endpoint would be dropped anyway: its body need not be gathered.
  bool Refuses(const MirrorCopy& copy);
  // Queues the copy, whose body is gathered; drops it where the queue is full. True where it is the
  // first to wait for others to go with it: SendWaiting is due.
  bool Submit(MirrorCopyPtr copy);
  // Sends what waits, as far as there is room in flight.
  void SendWaiting();

  // From now on nothing is started, and what is cut off counts as dropped by the shutdown.
  void DropAll();
  // Closes kept connections whose time is up, or which their mirror closed.
  void CloseExpired();
  // Ends the coroutines that rest. Where it gives true the channel can be destroyed.
  bool Retire();
  bool idle() const { return in_flight_ == 0 && paused_ == 0 && waiting_.empty(); }
  // When it was last used.
  TimePoint used_at() const { return used_at_; }

 private:
  struct Place {  // One endpoint.
    explicit Place(const MirrorLimits& limits) : pipeline(limits.pipelined_max, limits.quick) {}

    CircuitBreaker breaker;
    PipelineDepth pipeline;
    bool shown_open = false;                                // As the gauge counts it.
    std::vector<std::unique_ptr<H1ClientConnection>> kept;  // Used last is taken first.
    std::vector<std::shared_ptr<H2ClientConnection>> shared;
  };
  // What carries one copy: a connection, or a stream of a shared one.
  struct Carrier {
    std::unique_ptr<H1ClientConnection> connection;
    std::unique_ptr<H2ClientExchange> stream;

    ClientExchange* exchange() const {
      return stream != nullptr ? static_cast<ClientExchange*>(stream.get()) : connection.get();
    }
  };

  using Row = std::vector<MirrorCopyPtr>;  // Copies to one endpoint, one or more.

  void StartRunner();
  // Sends copies until none waits, then rests until there is one again.
  Task<> Run();
  // How many copies may go in one row, this one first.
  size_t RowMax(const MirrorCopy& first) const;
  // Takes the copy whose turn it is, and those behind it that may go in one pipeline with it.
  void TakeRow(Row* row);
  // The row as a pipeline; what it leaves unanswered waits again, to be sent alone.
  Task<> SendRow(Row* row, ResponseHead* answer);
  // How many of the row were answered.
  Task<size_t> ExchangeRow(Row* row, H1ClientConnection* connection, ResponseHead* answer);
  void WaitAgain(Row& row, size_t answered);
  // `answer` is where heads of answers are read to.
  Task<> Send(MirrorCopyPtr copy, ResponseHead* answer);
  // One exchange on a connection. kFailedReset with `unanswered`: not a byte of an answer came.
  Task<MirrorResult> Exchange(MirrorCopy* copy, Carrier* carrier, ResponseHead* answer,
                              bool* unanswered);
  // False where the copy's head can't be said in the carrier's protocol.
  static bool WriteHead(const MirrorCopy& copy, Carrier& carrier);
  // True when the whole body went out, its head before it.
  Task<bool> WriteBody(MirrorCopy* copy, ClientExchange* exchange);
  // False where the copy ended meanwhile. Gives its place in flight to others as it waits.
  Task<bool> WaitForBody(MirrorCopy* copy, ClientExchange* exchange);
  Task<MirrorResult> ReadAnswer(MirrorCopy* copy, ClientExchange* exchange, ResponseHead* answer,
                                bool* unanswered);
  Carrier TakeKept(Place& place, bool certain);
  Carrier Start(const Backend& backend, Place& place, DialResult dialled);
  void Keep(Place& place, std::unique_ptr<H1ClientConnection> connection);
  void Finish(MirrorCopy& copy, MirrorResult result);
  MirrorCopyPtr TakeWaiting();
  void SetInFlight(size_t in_flight);
  void ShowBreakers();

  const MirrorThread& thread_;
  MirrorGauges& gauges_;
  std::vector<Place> places_;
  std::deque<MirrorCopyPtr> waiting_;
  uint64_t waiting_bytes_ = 0;
  size_t in_flight_ = 0;  // Copies that coroutines carry, but for those that wait for a client.
  size_t paused_ = 0;     // Those.
  size_t runners_ = 0;    // Coroutines, the resting included.
  std::vector<Waiter*> resting_;
  bool retired_ = false;
  bool shut_down_ = false;
  TimePoint used_at_;
};

}  // namespace apk
