// One thread, one loop, and all that belongs to it: acceptors, connections, pools, counters, and a
// pointer to the route table in force. Other threads talk to it by posting immutable values.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/thread.h"
#include "data-plane/forward/worker_context.h"
#include "data-plane/net/listening_socket.h"
#include "data-plane/net/tls_stream.h"
#include "data-plane/observe/worker_report.h"
#include "data-plane/session/h1_server.h"
#include "data-plane/session/h2_server.h"
#include "data-plane/worker/client_addresses.h"
#include "data-plane/worker/client_connection.h"
#include "data-plane/worker/parked_sessions.h"
#include "data-plane/worker/port_contexts.h"

namespace apk {

struct WorkerOptions {
  std::string default_address = "127.0.0.1";  // For ports that name none.
  size_t connections_max = 20'000;            // Of clients, per worker.
  size_t connections_per_address_max = 0;  // Of one client address, over all workers; 0: no limit.
  std::chrono::milliseconds handshake_timeout{10'000};
  RecordsBy tls_records = RecordsBy::kOpenSsl;  // Of clients' connections.
  SessionLimits session;
  H2Limits h2;
  ForwardLimits forward;
  PoolLimits pool;
  // Whether what is freed goes to the system at once, which takes time, rather than to who asks
  // next.
  std::function<void(bool at_once)> set_memory_return = [](bool) {};
  int cpu = -1;  // Worker n is pinned to core cpu + n; -1: not.
};

class Worker {
 public:
  // `access_log` and `tracer` are its own, or nullptr. What it is given outlives it.
  Worker(int index, const WorkerOptions& options, ClientAddresses& addresses,
         SharedBackends& backends, MirrorBudget& budget, MirrorStatsRegistry& stats,
         std::function<void()> wake_mirrors, AccessLogDoor* access_log, Tracer* tracer);
  ~Worker();

  void Start();
  // Takes the table at the next request; binds what is new, unless `sockets` has it already, and
  // retires what is gone. `done` is called on the worker's thread with what could not be bound.
  void Adopt(std::shared_ptr<const RouteTable> table, std::shared_ptr<const PortContexts> contexts,
             std::vector<ListeningSocket> sockets,
             std::function<void(std::vector<PortError>)> done);
  void AdoptKeys(std::shared_ptr<const KeyStore> keys);
  // Connections are to end from now on: exchanges are finished, and each is told that it was the
  // last. New ones are still accepted,
  void EndConnections();
  // until now; those in the kernel's queue still are. `done` is called on the worker's thread.
  void StopAccepting(std::function<void()> done);
  // Second descriptors of what it accepts from, or empty ones where none are left; `done` is called
  // on the worker's thread.
  void ShareListeners(std::function<void(std::vector<ListeningSocket>)> done);
  // `done` is called on the worker's thread, soon.
  void Report(std::function<void(WorkerReport)> done);
  // Ends everything at once and joins the thread.
  void Stop();

  MirrorDoor& mirror_door() { return mirror_door_; }
  const WorkerMetrics& metrics() const { return metrics_; }

 private:
  struct Acceptor;

  // Closes it. `backlog`: what has connected already is served.
  void Retire(Acceptor& acceptor, bool backlog);
  void RetireAll(bool backlog);
  // Has its connections end.
  void End(const Acceptor& acceptor);
  std::vector<PortError> UpdateAcceptors(const RouteTable& table,
                                         std::vector<ListeningSocket> sockets);
  // Opens it on a socket of its own, or on one that is there.
  boost::system::error_code Open(const Port& port, const std::string& address,
                                 Descriptor descriptor);
  Task<> AcceptLoop(std::shared_ptr<Acceptor> acceptor);
  // Owns the descriptor.
  void Begin(int descriptor, const asio::ip::address& peer, std::shared_ptr<const Arrival> arrival);
  // Looks who the connection is for, passes it through or terminates TLS.
  Task<> ServeSecured(std::unique_ptr<TcpStream> transport,
                      std::unique_ptr<ClientConnection> client);
  // By a TLS route, where there is one for the name.
  Task<> ServeNamed(std::unique_ptr<ByteStream> stream, std::unique_ptr<ClientConnection> client,
                    std::string server_name);
  // Of HTTP/1.1, from its first request or from where it was parked.
  Task<> ServeSession(ParkedSession begun);
  // Closes one that has been idle for a while, unless something has just come.
  Task<> EndParked(ParkedSession session);
  Task<> ServeHttp2(std::unique_ptr<ByteStream> stream, std::string received,
                    std::unique_ptr<ClientConnection> client);
  Task<> ServeStream(std::unique_ptr<H2ServerExchange> exchange,
                     std::shared_ptr<const Arrival> arrival);
  // For a head that was refused.
  Task<> AnswerRefusal(const Arrival* arrival, ServerExchange* exchange, uint16_t status);
  Task<> Sweep();
  // Parks the sessions that have been idle for a while, and gives back their memory.
  void ParkIdle();

  const int index_;
  const WorkerOptions& options_;
  ClientAddresses& addresses_;
  asio::io_context io_{1};
  DeadlineList deadlines_;
  ConnectionPool pool_;
  MirrorDoor mirror_door_;
  MirrorStatsCache mirror_stats_;
  MirrorMarks mirror_marks_;
  WorkerMetrics metrics_;
  VerdictCache verdicts_;
  WorkerContext context_;
  std::shared_ptr<const PortContexts> contexts_;
  std::vector<std::shared_ptr<Acceptor>> acceptors_;
  bool ending_ = false;    // All connections are to end,
  bool accepting_ = true;  // and none are taken any more.
  bool stopping_ = false;
  ConnectionCounts connections_;
  // With how they came in, for those that are told to end.
  absl::flat_hash_map<H1ServerConnection*, const Arrival*> sessions_;
  absl::flat_hash_map<H2ServerConnection*, const Arrival*> h2_sessions_;
  ParkedSessions parked_;
  Thread thread_;
};

}  // namespace apk
