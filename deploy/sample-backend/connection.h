// One connection of the sample backend. Its coroutine runs on the only thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <string>

#include "deploy/sample-backend/received_requests.h"

namespace apk {

struct BackendOptions {
  std::string name = "primary";
  std::chrono::milliseconds delay{0};  // Before each answer, but those of /_received.
};

// Serves until the peer closes, or for ever. `options` and `received` must outlive it.
boost::asio::awaitable<void> ServeConnection(boost::asio::ip::tcp::socket socket,
                                             const BackendOptions& options,
                                             ReceivedRequests& received);

}  // namespace apk
