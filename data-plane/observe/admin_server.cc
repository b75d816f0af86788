// The same session code as for clients, with a handler instead of a route table.
#include "data-plane/observe/admin_server.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <future>

#include "common/strings.h"
#include "data-plane/net/timer.h"
#include "data-plane/session/h1_server.h"

namespace apk {
namespace {

constexpr size_t kConnectionsMax = 64;

Task<> SweepDeadlines(DeadlineList* deadlines, asio::io_context* io) {
  Timer timer(io->get_executor());
  for (;;) {
    timer.expires_after(std::chrono::milliseconds(250));
    co_await timer.async_wait(kTuple);
    deadlines->Sweep(std::chrono::steady_clock::now());
  }
}

}  // namespace

AdminServer::AdminServer(Handler handler)
    : handler_(std::move(handler)), acceptor_(io_.get_executor()) {}

AdminServer::~AdminServer() {
  io_.stop();
  thread_.Join();
}

absl::Status AdminServer::Listen(const std::string& address, uint16_t port) {
  boost::system::error_code error;
  const asio::ip::address parsed = asio::ip::make_address(address, error);
  if (error) return absl::InvalidArgumentError(Concat(address, " is no IP address"));
  const asio::ip::tcp::endpoint endpoint(parsed, port);
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    return absl::UnavailableError(
        Concat("can't listen on ", address, ":", std::to_string(port), ": ", error.message()));
  }
  port_ = acceptor_.local_endpoint(error).port();
  return absl::OkStatus();
}

absl::Status AdminServer::Adopt(ListeningSocket socket) {
  boost::system::error_code error;
  const asio::ip::address parsed = asio::ip::make_address(socket.address, error);
  const asio::ip::tcp::endpoint endpoint(parsed, socket.port);
  if (!error) acceptor_.assign(endpoint.protocol(), socket.descriptor.get(), error);
  if (error) return absl::UnavailableError(Concat("can't take over: ", error.message()));
  socket.descriptor.Release();
  port_ = socket.port;
  return absl::OkStatus();
}

std::optional<ListeningSocket> AdminServer::ShareListener() {
  return DuplicateListener(acceptor_.native_handle());
}

// Released, since another process may have the socket, too: see Worker::Retire.
void AdminServer::StopAccepting() {
  std::promise<void> stopped;
  asio::post(io_, [&] {
    boost::system::error_code ignored;
    const Descriptor closed(acceptor_.release(ignored));
    ending_ = true;
    for (H1ServerConnection* const session : sessions_) session->OnEnding();
    stopped.set_value();
  });
  stopped.get_future().wait();
}

void AdminServer::Start() {
  asio::co_spawn(io_, Accept(), Detached());
  asio::co_spawn(io_, SweepDeadlines(&deadlines_, &io_), Detached());
  thread_ = Thread("admin", 0, [this] { io_.run(); });
}

Task<> AdminServer::Accept() {
  for (;;) {
    auto [error, socket] = co_await acceptor_.async_accept(kTuple);
    if (error == asio::error::operation_aborted) co_return;
    if (error || connections_ >= kConnectionsMax) continue;
    asio::co_spawn(io_, Serve(std::move(socket)), Detached());
  }
}

Task<> AdminServer::Serve(TcpSocket socket) {
  static const SessionLimits kLimits;
  ++connections_;
  auto stream = std::make_unique<TcpStream>(std::move(socket), deadlines_);
  H1ServerConnection connection(std::move(stream), "", false, kLimits, ending_);
  sessions_.insert(&connection);
  for (;;) {
    const H1ServerConnection::ReadOutcome outcome = co_await connection.ReadRequest();
    if (outcome == H1ServerConnection::ReadOutcome::kClosed) break;
    AdminResponse response;
    if (outcome == H1ServerConnection::ReadOutcome::kRefused) {
      response.status = connection.refusal();
    } else {
      AdminRequest request;
      request.method = connection.request().method;
      request.path = connection.request().path;
      request.query = connection.request().query;
      request.from_page = connection.request().headers.Get("origin").has_value();
      response = handler_(request);
      if (response.after_pause) {
        Timer pause(io_.get_executor(), std::chrono::steady_clock::now() + response.pause);
        co_await pause.async_wait(kTuple);
        const std::function<AdminResponse()> answer = std::move(response.after_pause);
        response = answer();
      }
    }
    ResponseHead head;
    head.status = response.status;
    head.headers.Add("Content-Type", response.content_type);
    head.headers.Add("X-Content-Type-Options", "nosniff");
    if (!response.allow.empty()) head.headers.Add("Allow", response.allow);
    head.framing.kind = BodyFraming::Kind::kLength;
    head.framing.length = response.body.size();
    connection.WriteHead(head);
    const bool bodiless = connection.request().method == "HEAD";
    const WriteStatus status =
        connection.WriteBody(bodiless ? std::string_view() : response.body, true);
    if (status == WriteStatus::kAgain) {
      const bool flushed = co_await connection.Flush();
      if (!flushed) break;
    }
    const bool more = co_await connection.FinishExchange();
    if (!more) break;
  }
  sessions_.erase(&connection);
  --connections_;
}

}  // namespace apk
