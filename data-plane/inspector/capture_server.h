// The listeners that mirrors send to. Answer 200 with an empty body at once.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <cstddef>

#include "data-plane/inspector/bins.h"

namespace apk::inspector {

class CaptureServer {
 public:
  static constexpr size_t kConnectionsMax = 1024;  // More are closed at once.

  // `bins` outlives it. `tls` is null for plain HTTP, and else outlives it.
  CaptureServer(Bins& bins, boost::asio::ip::tcp::acceptor acceptor, boost::asio::ssl::context* tls)
      : bins_(bins), acceptor_(std::move(acceptor)), tls_(tls) {}

  boost::asio::awaitable<void> Run();
  boost::asio::ip::tcp::endpoint endpoint() const { return acceptor_.local_endpoint(); }

 private:
  boost::asio::awaitable<void> Serve(boost::asio::ip::tcp::socket socket);

  Bins& bins_;
  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::ssl::context* const tls_;
  size_t connections_ = 0;
};

}  // namespace apk::inspector
