// apk-sample-backend: a backend to try the gateway with, that remembers what it received.
#include <CLI/CLI.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstdio>
#include <iostream>

#include "common/strings.h"
#include "deploy/sample-backend/connection.h"

namespace apk {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

asio::awaitable<void> Accept(tcp::acceptor& acceptor, const BackendOptions& options,
                             ReceivedRequests& received) {
  constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
  while (acceptor.is_open()) {
    auto [error, socket] = co_await acceptor.async_accept(kTuple);
    if (error) continue;
    boost::system::error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    asio::co_spawn(acceptor.get_executor(), ServeConnection(std::move(socket), options, received),
                   asio::detached);
  }
}

int Run(const std::string& listen, const BackendOptions& options) {
  const size_t colon = listen.rfind(':');
  asio::io_context io(1);
  boost::system::error_code error;
  tcp::resolver resolver(io);
  tcp::resolver::results_type found;
  if (colon != std::string::npos) {
    found = resolver.resolve(listen.substr(0, colon), listen.substr(colon + 1),
                             tcp::resolver::passive | tcp::resolver::numeric_service, error);
  }
  if (colon == std::string::npos || error || found.empty()) {
    std::cerr << "apk-sample-backend: --listen " << listen << ": not HOST:PORT\n";
    return 1;
  }
  const tcp::endpoint endpoint = found.begin()->endpoint();
  tcp::acceptor acceptor(io);
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    std::cerr << "apk-sample-backend: --listen " << listen << ": " << error.message() << "\n";
    return 1;
  }
  ReceivedRequests received;
  asio::co_spawn(io, Accept(acceptor, options, received), asio::detached);
  asio::signal_set signals(io, SIGINT, SIGTERM);
  signals.async_wait([&io](const boost::system::error_code&, int) { io.stop(); });
  std::printf("ready http=%s:%u\n", endpoint.address().to_string().c_str(),
              unsigned{acceptor.local_endpoint().port()});
  std::fflush(stdout);
  io.run();
  return 0;
}

}  // namespace
}  // namespace apk

int main(int argc, char** argv) {
  apk::BackendOptions options;
  std::string listen = "127.0.0.1:9701";
  unsigned delay_ms = 0;
  CLI::App app("A backend that answers /uuid, echoes the rest and remembers what it received",
               "apk-sample-backend");
  app.add_option("--name", options.name, "Its name, in its answers")->capture_default_str();
  app.add_option("--listen", listen, "HOST:PORT; port 0 takes a free one")->capture_default_str();
  app.add_option("--delay-ms", delay_ms, "Milliseconds before each answer")
      ->capture_default_str()
      ->check(CLI::Range(0u, 600'000u));
  app.set_version_flag("--version", "apk-sample-backend " APK_VERSION);
  CLI11_PARSE(app, argc, argv);
  options.delay = std::chrono::milliseconds(delay_ms);
  return apk::Run(listen, options);
}
