// Accepting, and the loop of one connection. What happens to a request is forward/'s.
#include "data-plane/worker/worker.h"

#include <pthread.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include "data-plane/forward/answer.h"
#include "data-plane/forward/failure.h"
#include "data-plane/forward/named_tunnel.h"
#include "data-plane/forward/serve_request.h"
#include "data-plane/net/peek_server_name.h"
#include "data-plane/net/tcp_acceptor.h"
#include "data-plane/net/timer.h"
#include "data-plane/net/tls_stream.h"
#include "data-plane/routing/sni_table.h"

namespace apk {
namespace {

constexpr int kBacklogMax = 4096;  // Connections of a listener that goes.

void PinTo(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<size_t>(cpu), &set);
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

// In the map for as long as it lives.
template <class Session>
class SessionRegistration {
 public:
  using Sessions = absl::flat_hash_map<Session*, const Arrival*>;

  SessionRegistration(Sessions& sessions, Session* session, const Arrival* arrival)
      : sessions_(sessions), session_(session) {
    sessions_.emplace(session, arrival);
  }
  ~SessionRegistration() { sessions_.erase(session_); }
  SessionRegistration(const SessionRegistration&) = delete;
  SessionRegistration& operator=(const SessionRegistration&) = delete;

 private:
  Sessions& sessions_;
  Session* session_;
};

}  // namespace

struct Worker::Acceptor {
  Acceptor(Executor executor, std::string its_address, uint16_t its_port, bool its_tls)
      : socket(executor) {
    auto begun = std::make_shared<Arrival>();
    begun->address = std::move(its_address);
    begun->port = its_port;
    begun->tls = its_tls;
    arrival = std::move(begun);
  }

  TcpAcceptor socket;
  std::shared_ptr<const Arrival> arrival;  // As each of its connections begins.
};

Worker::Worker(int index, const WorkerOptions& options, ClientAddresses& addresses,
               SharedBackends& backends, MirrorBudget& budget, MirrorStatsRegistry& stats,
               std::function<void()> wake_mirrors, AccessLogDoor* access_log, Tracer* tracer)
    : index_(index),
      options_(options),
      addresses_(addresses),
      pool_(io_.get_executor(), deadlines_, options.pool, backends),
      // Later, once for all that one round of the loop brings.
      mirror_door_(budget, [this, wake = std::move(wake_mirrors)] { asio::post(io_, wake); }),
      mirror_stats_(stats),
      context_{.io = io_,
               .pool = pool_,
               .mirrors = mirror_door_,
               .mirror_stats = mirror_stats_,
               .mirror_marks = mirror_marks_,
               .metrics = metrics_,
               .verdicts = verdicts_,
               .limits = options.forward,
               .access_log = access_log,
               .tracer = tracer,
               .random = FastRandom(static_cast<uint64_t>(
                   std::chrono::steady_clock::now().time_since_epoch().count() + index)),
               .table = std::make_shared<const RouteTable>(),
               .keys = std::make_shared<const KeyStore>()},
      parked_(io_.get_executor(), metrics_, [this](ParkedSession session) {
        const bool ending = *session.client->arrival()->ending;
        Task<> next = ending ? EndParked(std::move(session)) : ServeSession(std::move(session));
        asio::co_spawn(io_, std::move(next), Detached());
      }) {}

Worker::~Worker() { Stop(); }

void Worker::Start() {
  asio::co_spawn(io_, Sweep(), Detached());
  thread_ = Thread(Concat("worker-", std::to_string(index_)), 0, [this] {
    if (options_.cpu >= 0) PinTo(options_.cpu + index_);
    io_.run();
  });
}

// Coroutines refer to what the worker owns, so they are unwound while all of it is there: their
// streams are closed, and the loop ends when nothing is left to do.
void Worker::Stop() {
  asio::post(io_, [this] {
    stopping_ = ending_ = true;
    RetireAll(/*backlog=*/false);
  });
  thread_.Join();
}

void Worker::End(const Acceptor& acceptor) {
  const std::shared_ptr<bool>& ending = acceptor.arrival->ending;
  if (std::exchange(*ending, true)) return;
  for (const auto& [session, arrival] : sessions_) {
    if (arrival->ending == ending) session->OnEnding();
  }
  for (const auto& [session, arrival] : h2_sessions_) {
    if (arrival->ending == ending) session->Drain();
  }
  parked_.ResumeEnding();
}

void Worker::Retire(Acceptor& acceptor, bool backlog) {
  End(acceptor);
  for (int i = 0; backlog && i < kBacklogMax; ++i) {
    const TcpAcceptor::Accepted accepted = acceptor.socket.AcceptNow();
    if (accepted.descriptor < 0) break;
    Begin(accepted.descriptor, accepted.peer.address(), acceptor.arrival);
  }
  acceptor.socket.Close();
}

void Worker::RetireAll(bool backlog) {
  accepting_ = false;
  for (const auto& acceptor : acceptors_) Retire(*acceptor, backlog);
  acceptors_.clear();
}

void Worker::Adopt(std::shared_ptr<const RouteTable> table,
                   std::shared_ptr<const PortContexts> contexts,
                   std::vector<ListeningSocket> sockets,
                   std::function<void(std::vector<PortError>)> done) {
  asio::post(io_, [this, table = std::move(table), contexts = std::move(contexts),
                   sockets = std::move(sockets), done = std::move(done)]() mutable {
    context_.table = std::move(table);
    contexts_ = std::move(contexts);
    mirror_stats_.Clear();
    done(UpdateAcceptors(*context_.table, std::move(sockets)));
  });
}

void Worker::AdoptKeys(std::shared_ptr<const KeyStore> keys) {
  asio::post(io_, [this, keys = std::move(keys)]() mutable { context_.keys = std::move(keys); });
}

void Worker::EndConnections() {
  asio::post(io_, [this] {
    ending_ = true;
    for (const auto& acceptor : acceptors_) End(*acceptor);
  });
}

void Worker::StopAccepting(std::function<void()> done) {
  asio::post(io_, [this, done = std::move(done)] {
    RetireAll(/*backlog=*/true);
    done();
  });
}

void Worker::ShareListeners(std::function<void(std::vector<ListeningSocket>)> done) {
  asio::post(io_, [this, done = std::move(done)] {
    std::vector<ListeningSocket> sockets;
    for (const auto& acceptor : acceptors_) {
      std::optional<ListeningSocket> shared = DuplicateListener(acceptor->socket.descriptor());
      sockets.push_back(shared.has_value() ? *std::move(shared) : ListeningSocket());
    }
    done(std::move(sockets));
  });
}

void Worker::Report(std::function<void(WorkerReport)> done) {
  const TimePoint asked = std::chrono::steady_clock::now();
  asio::post(io_, [this, asked, done = std::move(done)] {
    using std::chrono::duration_cast;
    using std::chrono::microseconds;
    WorkerReport report;
    report.lag = duration_cast<microseconds>(std::chrono::steady_clock::now() - asked);
    report.table = context_.table;
    for (const auto& backend : report.table->backends()) {
      report.backends.push_back(pool_.Figures(*backend));
    }
    report.connections = connections_.by_port;
    timespec used{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    report.cpu = duration_cast<microseconds>(std::chrono::seconds(used.tv_sec) +
                                             std::chrono::nanoseconds(used.tv_nsec));
    done(std::move(report));
  });
}

std::vector<PortError> Worker::UpdateAcceptors(const RouteTable& table,
                                               std::vector<ListeningSocket> sockets) {
  std::vector<PortError> errors;
  std::erase_if(acceptors_, [&](const std::shared_ptr<Acceptor>& acceptor) {
    const Arrival& arrival = *acceptor->arrival;
    const Port* const port = table.FindPort(arrival.address, arrival.port);
    if (port != nullptr && port->tls == arrival.tls) return false;
    Retire(*acceptor, /*backlog=*/true);
    return true;
  });
  for (const Port& port : table.ports()) {
    bool known = false;
    for (const auto& acceptor : acceptors_) {
      known = known ||
              (acceptor->arrival->address == port.address && acceptor->arrival->port == port.port);
    }
    const bool taken = contexts_->taken.contains({port.address, port.port});
    if (known || taken || !accepting_) continue;
    const std::string& address = port.address.empty() ? options_.default_address : port.address;
    std::vector<ListeningSocket> there = TakeListeners(sockets, address, port.port);
    if (there.empty()) there.emplace_back();
    for (ListeningSocket& socket : there) {
      const boost::system::error_code error = Open(port, address, std::move(socket.descriptor));
      if (error) errors.push_back(MakePortError(port, address, error));
    }
  }
  return errors;
}

boost::system::error_code Worker::Open(const Port& port, const std::string& address,
                                       Descriptor descriptor) {
  boost::system::error_code error;
  const TcpEndpoint endpoint(asio::ip::make_address(address, error), port.port);
  if (error) return error;
  auto acceptor = std::make_shared<Acceptor>(io_.get_executor(), port.address, port.port, port.tls);
  if (descriptor) {
    acceptor->socket.Adopt(std::move(descriptor));
  } else {
    error = acceptor->socket.Open(endpoint);
  }
  if (error) return error;
  *acceptor->arrival->ending = ending_;
  acceptors_.push_back(acceptor);
  asio::co_spawn(io_, AcceptLoop(std::move(acceptor)), Detached());
  return error;
}

Task<> Worker::AcceptLoop(std::shared_ptr<Acceptor> acceptor) {
  Timer pause(io_.get_executor());
  while (acceptor->socket.is_open()) {
    const TcpAcceptor::Accepted accepted = acceptor->socket.TryAccept();
    if (accepted.wait) {
      const auto [closed] = co_await acceptor->socket.WaitToAccept();
      if (closed) co_return;
      continue;
    }
    if (accepted.descriptor < 0) {
      // Out of descriptors, mostly: accepting again at once would only spin.
      pause.expires_after(std::chrono::milliseconds(50));
      co_await pause.async_wait(kTuple);
      continue;
    }
    Begin(accepted.descriptor, accepted.peer.address(), acceptor->arrival);
  }
}

void Worker::Begin(int descriptor, const asio::ip::address& peer,
                   std::shared_ptr<const Arrival> arrival) {
  auto stream = std::make_unique<TcpStream>(descriptor, io_.get_executor(), deadlines_);
  ClientAddresses::Place place = addresses_.Take(peer);
  if (connections_.all >= options_.connections_max || !place) {
    metrics_.connections_refused.Add();
    return;
  }
  metrics_.connections_accepted.Add();
  const bool tls = arrival->tls;
  auto client = std::make_unique<ClientConnection>(connections_, metrics_, peer.to_string(),
                                                   std::move(place), std::move(arrival));
  if (tls) {
    asio::co_spawn(io_, ServeSecured(std::move(stream), std::move(client)), Detached());
  } else {
    ParkedSession begun{.stream = std::move(stream), .client = std::move(client)};
    asio::co_spawn(io_, ServeSession(std::move(begun)), Detached());
  }
}

Task<> Worker::ServeSecured(std::unique_ptr<TcpStream> transport,
                            std::unique_ptr<ClientConnection> client) {
  auto arrival = std::make_shared<Arrival>(*client->arrival());
  const TimePoint latest = std::chrono::steady_clock::now() + options_.handshake_timeout;
  const Port* port = context_.table->FindPort(arrival->address, arrival->port);
  if (port != nullptr && port->passthrough) {
    transport->SetDeadline(latest);
    std::optional<std::string> server_name = co_await PeekServerName(transport.get());
    if (!server_name.has_value()) {
      metrics_.handshakes_failed.Add();
      co_return;
    }
    port = context_.table->FindPort(arrival->address, arrival->port);
    const Listener* const listener = port == nullptr ? nullptr : port->FindListener(*server_name);
    if (listener != nullptr && listener->passthrough) {
      co_await ServeNamed(std::move(transport), std::move(client), *std::move(server_name));
      co_return;
    }
  }
  SslContext context = contexts_->Find(arrival->address, arrival->port);
  if (context == nullptr) co_return;
  auto stream = std::make_unique<TlsStream>(std::move(transport), std::move(context), deadlines_);
  stream->SetDeadline(latest);
  const bool secured = co_await stream->AcceptHandshake(options_.tls_records);
  if (!secured) {
    metrics_.handshakes_failed.Add();
    co_return;
  }
  arrival->handshake = stream->facts();
  client->SetArrival(arrival);
  const bool is_tls13 = arrival->handshake.version == TLS1_3_VERSION;
  (is_tls13 ? metrics_.handshakes_tls13 : metrics_.handshakes_tls12).Add();
  std::string server_name = arrival->handshake.server_name;
  port = context_.table->FindPort(arrival->address, arrival->port);
  const Listener* const listener = port == nullptr ? nullptr : port->FindListener(server_name);
  if (listener == nullptr && (port == nullptr || !port->http)) co_return;
  if (listener != nullptr && !listener->http) {
    co_await ServeNamed(std::move(stream), std::move(client), std::move(server_name));
  } else if (stream->http2()) {
    co_await ServeHttp2(std::move(stream), std::string(), std::move(client));
  } else {
    ParkedSession begun{.stream = std::move(stream), .client = std::move(client)};
    asio::co_spawn(io_, ServeSession(std::move(begun)), Detached());
  }
}

Task<> Worker::ServeNamed(std::unique_ptr<ByteStream> stream,
                          std::unique_ptr<ClientConnection> client, std::string server_name) {
  const std::shared_ptr<const RouteTable> table = context_.table;
  const Arrival& arrival = *client->arrival();
  const Port* const port = table->FindPort(arrival.address, arrival.port);
  const Listener* const listener = port == nullptr ? nullptr : port->FindListener(server_name);
  const TlsRule* const rule = listener == nullptr ? nullptr : listener->names->Find(server_name);
  if (rule == nullptr) co_return;
  co_await ServeTunnel(&context_, table, rule, listener->passthrough, std::move(stream));
}

Task<> Worker::ServeSession(ParkedSession begun) {
  std::unique_ptr<ClientConnection> client = std::move(begun.client);
  const Arrival* const arrival = client->arrival().get();
  H1ServerConnection connection(std::move(begun.stream), client->address(), arrival->tls,
                                options_.session, *arrival->ending, begun.requests,
                                begun.idle_until);
  const SessionRegistration registration(sessions_, &connection, arrival);
  for (;;) {
    const H1ServerConnection::ReadOutcome outcome = co_await connection.ReadRequest();
    switch (outcome) {
      case H1ServerConnection::ReadOutcome::kClosed:
        co_return;
      case H1ServerConnection::ReadOutcome::kIdle: {
        H1ServerConnection::Taken taken = connection.TakeStream();
        parked_.Park({.stream = std::move(taken.stream),
                      .requests = taken.requests,
                      .client = std::move(client)});
        co_return;
      }
      case H1ServerConnection::ReadOutcome::kHttp2: {
        H1ServerConnection::Taken taken = connection.TakeStream();
        Task<> serve =
            ServeHttp2(std::move(taken.stream), std::move(taken.received), std::move(client));
        asio::co_spawn(io_, std::move(serve), Detached());
        co_return;
      }
      case H1ServerConnection::ReadOutcome::kRefused:
        co_await AnswerRefusal(arrival, &connection, connection.refusal());
        break;
      case H1ServerConnection::ReadOutcome::kRequest:
        co_await ServeRequest(&context_, arrival, &connection);
        break;
    }
    if (connection.FinishedAtOnce()) continue;
    const bool more = co_await connection.FinishExchange();
    if (!more) co_return;
  }
}

// As an idle session closes, without what a session costs: there may be very many.
Task<> Worker::EndParked(ParkedSession session) {
  if (!session.stream->IsQuiet(true)) {
    asio::co_spawn(io_, ServeSession(std::move(session)), Detached());
    co_return;
  }
  session.stream->SetDeadline(std::chrono::steady_clock::now() + options_.session.drain_timeout);
  session.stream->SpareAtDeadline(false);
  co_await session.stream->ShutdownWrite();
  char scratch[256];
  for (size_t drained = 0; drained < options_.session.drain_bytes_max;) {
    const ReadResult result = co_await session.stream->Read(scratch, sizeof scratch);
    if (!result.ok || result.bytes == 0) co_return;
    drained += result.bytes;
  }
}

Task<> Worker::AnswerRefusal(const Arrival* arrival, ServerExchange* exchange, uint16_t status) {
  ExchangeReport report(context_, *arrival, *exchange);
  const Failure failure = FailureForRefusal(status);
  metrics_.failures[static_cast<size_t>(failure)].Add();
  report.record().Fail(failure);
  Reply reply = ReplyFor(failure);
  co_await AnswerWith(exchange, &report.record(), std::move(reply));
}

Task<> Worker::ServeHttp2(std::unique_ptr<ByteStream> stream, std::string received,
                          std::unique_ptr<ClientConnection> client) {
  const std::shared_ptr<const Arrival> arrival = client->arrival();
  const bool secure = arrival->tls;
  H2ServerConnection::Serve serve = [this, arrival](std::unique_ptr<H2ServerExchange> exchange) {
    asio::co_spawn(io_, ServeStream(std::move(exchange), arrival), Detached());
  };
  const auto connection = std::make_shared<H2ServerConnection>(
      io_.get_executor(), std::move(stream), deadlines_, options_.h2, options_.session,
      client->address(), secure, std::move(serve));
  const SessionRegistration registration(h2_sessions_, connection.get(), arrival.get());
  if (*arrival->ending) connection->Drain();
  co_await connection->Run(std::move(received));
}

Task<> Worker::ServeStream(std::unique_ptr<H2ServerExchange> exchange,
                           std::shared_ptr<const Arrival> arrival) {
  if (exchange->refusal() != 0) {
    co_await AnswerRefusal(arrival.get(), exchange.get(), exchange->refusal());
  } else {
    co_await ServeRequest(&context_, arrival.get(), exchange.get());
  }
  co_await exchange->ReadRestAway();
}

Task<> Worker::Sweep() {
  Timer timer(io_.get_executor());
  for (int round = 0;; ++round) {
    timer.expires_after(DeadlineList::kSweepInterval);
    co_await timer.async_wait(kTuple);
    deadlines_.Sweep(std::chrono::steady_clock::now());
    if (round % 40 == 0) pool_.CloseExpired();
    if (round % 200 == 0) ParkIdle();
    if (round % 200 == 1) options_.set_memory_return(false);
    if (!stopping_) continue;
    deadlines_.ExpireAll();
    if (connections_.all == 0) co_return;
  }
}

// They end from the loop, before the next sweep.
void Worker::ParkIdle() {
  bool any = false;
  for (const auto& [session, arrival] : sessions_) any = session->YieldIfIdle() || any;
  if (any) options_.set_memory_return(true);
}

}  // namespace apk
