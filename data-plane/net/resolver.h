// Names to addresses, cached for a short while. One per loop; the look-up itself runs on Asio's
// resolver thread, never on the loop.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/strings.h"
#include "data-plane/net/task.h"

namespace apk {

using TcpEndpoint = asio::ip::tcp::endpoint;

class Resolver {
 public:
  static constexpr std::chrono::seconds kFreshFor{5};
  static constexpr size_t kNamesMax = 4096;

  explicit Resolver(Executor executor) : executor_(executor) {}

  // Addresses of `host` (an IP address or a name) with `port`; none where the name does not
  // resolve. A name that resolved before keeps its last addresses while look-ups fail.
  Task<std::vector<TcpEndpoint>> Resolve(std::string host, uint16_t port);

 private:
  struct Entry {
    std::vector<asio::ip::address> addresses;
    TimePoint fresh_until;
  };

  Executor executor_;
  StringMap<Entry> cache_;
};

}  // namespace apk
