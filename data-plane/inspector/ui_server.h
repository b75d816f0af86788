// The page's listener: files and API at once, live events and long polls by waiting.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <cstddef>
#include <memory>

#include "data-plane/inspector/api.h"

namespace apk::inspector {

class UiServer {
 public:
  static constexpr size_t kConnectionsMax = 256;  // More are closed at once.

  // `api` outlives it.
  UiServer(Api& api, boost::asio::ip::tcp::acceptor acceptor)
      : api_(api), acceptor_(std::move(acceptor)) {}

  boost::asio::awaitable<void> Run();
  boost::asio::ip::tcp::endpoint endpoint() const { return acceptor_.local_endpoint(); }

 private:
  boost::asio::awaitable<void> Serve(boost::asio::ip::tcp::socket socket);
  boost::asio::awaitable<void> ServeRequests(boost::beast::tcp_stream& stream);
  // Streams events until the peer or the bin goes away.
  boost::asio::awaitable<void> ServeEvents(boost::beast::tcp_stream& stream,
                                           const CapturedRequest& request,
                                           std::shared_ptr<LiveBin> bin);
  // The first request that matches, now or before the timeout.
  boost::asio::awaitable<Reply> AwaitMatch(const CapturedRequest& request,
                                           std::shared_ptr<LiveBin> bin);

  Api& api_;
  boost::asio::ip::tcp::acceptor acceptor_;
  size_t connections_ = 0;
};

}  // namespace apk::inspector
