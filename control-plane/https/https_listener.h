// What our HTTPS servers on Beast share: a listener that takes so many connections and no more, of
// which one address gets a part, and refusals that arrive. Everything runs on the io_context's one
// thread.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "control-plane/https/connection_shares.h"

namespace apk {

using HttpsStream = boost::beast::ssl_stream<boost::beast::tcp_stream>;
using HttpsResponse = boost::beast::http::response<boost::beast::http::string_body>;

class HttpsListener {
 public:
  // Serves one connection to its end.
  using Serve = std::function<boost::asio::awaitable<void>(boost::asio::ip::tcp::socket)>;

  // `io` outlives it. Connections beyond the limits are closed at once.
  HttpsListener(boost::asio::io_context& io, const ConnectionLimits& limits)
      : io_(io), acceptor_(io), shares_(std::make_shared<ConnectionShares>(limits)) {}

  // Port 0 takes a free one. UNAVAILABLE where the port is taken.
  absl::Status Listen(const std::string& address, uint16_t port);
  uint16_t port() const { return acceptor_.local_endpoint().port(); }
  // From now on, while the io_context runs.
  void Start(Serve serve);

 private:
  boost::asio::awaitable<void> Accept();
  boost::asio::awaitable<void> ServeCounted(boost::asio::ip::tcp::socket socket,
                                            std::string address);

  boost::asio::io_context& io_;
  boost::asio::ip::tcp::acceptor acceptor_;
  const std::shared_ptr<ConnectionShares> shares_;  // The connections', too.
  Serve serve_;
};

// TLS 1.2 or later with this certificate. Both are PEM.
absl::StatusOr<boost::asio::ssl::context> MakeServerTls(const std::string& certificate_chain,
                                                        const std::string& key);

// Why a request could not be read.
enum class Unreadable { kConnectionEnded, kBodyTooLarge, kHeadTooLarge, kMalformed };
Unreadable WhyUnreadable(const boost::system::error_code& error);

// Sends the answer to a request that was not read to its end. What is still coming, up to
// `discard_bytes_max`, is read and thrown away: closing before that would take the answer away.
// `stream` stays until it is done.
boost::asio::awaitable<void> RefuseAndDiscard(HttpsStream* stream, HttpsResponse response,
                                              size_t discard_bytes_max);

}  // namespace apk
