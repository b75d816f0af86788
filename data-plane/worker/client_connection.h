// A client's connection as its worker counts it, from accepting to closing. Used by one thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "data-plane/forward/worker_context.h"
#include "data-plane/worker/client_addresses.h"

namespace apk {

struct ConnectionCounts {
  size_t all = 0;
  std::map<std::pair<std::string, uint16_t>, uint64_t> by_port;
};

class ClientConnection {
 public:
  // `counts` and `metrics` outlive it.
  ClientConnection(ConnectionCounts& counts, WorkerMetrics& metrics, std::string address,
                   ClientAddresses::Place place, std::shared_ptr<const Arrival> arrival)
      : counts_(counts),
        metrics_(metrics),
        address_(std::move(address)),
        place_(std::move(place)),
        arrival_(std::move(arrival)) {
    ++counts_.all;
    ++counts_.by_port[{arrival_->address, arrival_->port}];
    metrics_.connections_active.Add();
  }
  ~ClientConnection() {
    const auto found = counts_.by_port.find({arrival_->address, arrival_->port});
    if (--found->second == 0) counts_.by_port.erase(found);
    --counts_.all;
    metrics_.connections_active.Subtract();
  }
  ClientConnection(const ClientConnection&) = delete;
  ClientConnection& operator=(const ClientConnection&) = delete;

  const std::string& address() const { return address_; }
  const std::shared_ptr<const Arrival>& arrival() const { return arrival_; }
  // Once a handshake has told more of it. REQUIRES: the same port.
  void SetArrival(std::shared_ptr<const Arrival> arrival) { arrival_ = std::move(arrival); }

 private:
  ConnectionCounts& counts_;
  WorkerMetrics& metrics_;
  std::string address_;
  ClientAddresses::Place place_;
  std::shared_ptr<const Arrival> arrival_;
};

}  // namespace apk
