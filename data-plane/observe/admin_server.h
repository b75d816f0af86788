// The agent's own port, for probes, scrapers and people; loopback by default. Runs on a thread of its own, so that it answers even when every worker is
// busy.
#pragma once

#include <absl/container/flat_hash_set.h>
#include <absl/status/status.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <optional>
#include <string_view>

#include "common/thread.h"
#include "data-plane/net/listening_socket.h"
#include "data-plane/net/task.h"
#include "data-plane/net/tcp_stream.h"

namespace apk {

class H1ServerConnection;

struct AdminResponse {
  uint16_t status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  std::string allow;  // Methods, with 405; or "".
  // Where it is set: what is answered instead, once `pause` has passed.
  std::function<AdminResponse()> after_pause;
  std::chrono::seconds pause{0};
};

// Views of the server's.
struct AdminRequest {
  std::string_view method;
  std::string_view path;     // "/metrics" for one.
  std::string_view query;    // Behind its "?"; or "".
  bool from_page = false;    // A page of a browser sent it, which may be anybody's.
};

class AdminServer {
 public:
  // Called on the server's thread.
  using Handler = std::function<AdminResponse(const AdminRequest& request)>;

  explicit AdminServer(Handler handler);
  ~AdminServer();

  // "127.0.0.1:9501"; port 0 takes a free one.
  absl::Status Listen(const std::string& address, uint16_t port);
  uint16_t port() const { return port_; }
  // Goes on with a socket that listens already.
  absl::Status Adopt(ListeningSocket socket);
  // A second descriptor of what it listens by; nullopt where there is none.
  std::optional<ListeningSocket> ShareListener();
  void Start();
  // Answers nobody any more from the return on, but those who ask already.
  void StopAccepting();

 private:
  Task<> Accept();
  Task<> Serve(TcpSocket socket);

  Handler handler_;
  DeadlineList deadlines_;  // Before io_: connections that die with it still unregister here.
  asio::io_context io_{1};
  asio::basic_socket_acceptor<asio::ip::tcp, Executor> acceptor_;
  uint16_t port_ = 0;
  size_t connections_ = 0;
  bool ending_ = false;  // Its thread's.
  absl::flat_hash_set<H1ServerConnection*> sessions_;
  Thread thread_;
};

}  // namespace apk
