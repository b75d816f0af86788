// A slow path where clarity counts more than speed.
#include "control-plane/https/https_listener.h"

#include <absl/cleanup/cleanup.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/http.hpp>
#include <chrono>

#include "common/strings.h"

namespace apk {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::seconds kFarewell{2};
constexpr std::chrono::milliseconds kAcceptPause{100};

}  // namespace

absl::Status HttpsListener::Listen(const std::string& address, uint16_t port) {
  boost::system::error_code error;
  const tcp::endpoint endpoint(asio::ip::make_address(address, error), port);
  if (!error) acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (!error) return absl::OkStatus();
  return absl::UnavailableError(
      Concat("can't listen on ", address, ":", std::to_string(port), ": ", error.message()));
}

void HttpsListener::Start(Serve serve) {
  serve_ = std::move(serve);
  shares_->SetPort(port());
  asio::co_spawn(io_, Accept(), asio::detached);
}

asio::awaitable<void> HttpsListener::Accept() {
  for (;;) {
    auto [error, socket] = co_await acceptor_.async_accept(kAwait);
    if (error == asio::error::operation_aborted) co_return;
    if (error) {  // No file descriptor is free, say: that does not pass at once.
      asio::steady_timer pause(io_, kAcceptPause);
      co_await pause.async_wait(kAwait);
      continue;
    }
    boost::system::error_code gone;
    const tcp::endpoint peer = socket.remote_endpoint(gone);
    if (gone) continue;
    std::string address = HostOf(*peer.data());
    if (!shares_->Take(address)) continue;
    boost::system::error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    asio::co_spawn(io_, ServeCounted(std::move(socket), std::move(address)), asio::detached);
  }
}

asio::awaitable<void> HttpsListener::ServeCounted(tcp::socket socket, std::string address) {
  const absl::Cleanup served = [shares = shares_, &address] { shares->GiveBack(address); };
  co_await serve_(std::move(socket));
}

absl::StatusOr<asio::ssl::context> MakeServerTls(const std::string& certificate_chain,
                                                 const std::string& key) {
  asio::ssl::context tls(asio::ssl::context::tls_server);
  boost::system::error_code error;
  tls.set_options(asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1, error);
  if (!error) tls.use_certificate_chain(asio::buffer(certificate_chain), error);
  if (!error) tls.use_private_key(asio::buffer(key), asio::ssl::context::pem, error);
  if (error) return absl::InternalError(Concat("the server's certificate: ", error.message()));
  return tls;
}

Unreadable WhyUnreadable(const boost::system::error_code& error) {
  if (error == http::error::body_limit) return Unreadable::kBodyTooLarge;
  if (error == http::error::header_limit) return Unreadable::kHeadTooLarge;
  const bool ended = error == http::error::end_of_stream || error == http::error::partial_message;
  if (ended || error.category() != http::make_error_code(http::error::bad_method).category()) {
    return Unreadable::kConnectionEnded;
  }
  return Unreadable::kMalformed;
}

asio::awaitable<void> RefuseAndDiscard(HttpsStream* stream, HttpsResponse response,
                                       size_t discard_bytes_max) {
  beast::get_lowest_layer(*stream).expires_after(kFarewell);
  const auto [write_error, written] = co_await http::async_write(*stream, response, kAwait);
  if (write_error) co_return;
  std::array<char, 4096> discarded;
  const asio::mutable_buffer space = asio::buffer(discarded);
  for (size_t total = 0; total < discard_bytes_max;) {
    const auto [error, read] = co_await stream->async_read_some(space, kAwait);
    if (error) co_return;
    total += read;
  }
}

}  // namespace apk
