// TLS contexts of the ports of one route table: made once on the thread that compiles, shared by
// workers. A context whose certificates did not change is taken over.
#pragma once

#include <absl/status/statusor.h>

#include <boost/system/error_code.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "data-plane/net/tls_context.h"
#include "data-plane/routing/route_table.h"

namespace apk {

// Why a port of the table is not served.
struct PortError {
  std::string address;
  uint16_t port = 0;
  std::string message;
  bool address_unusable = false;  // This node does not have the address.
};

// `address`: where the port was to be bound, which is not empty.
PortError MakePortError(const Port& port, const std::string& address,
                        const boost::system::error_code& error);

struct PortContexts {
  struct Entry {
    std::string fingerprint;  // Of names and certificates.
    SslContext context;
  };
  std::map<std::pair<std::string, uint16_t>, Entry> by_port;
  std::set<std::pair<std::string, uint16_t>> taken;  // By other processes: not to be bound.

  // nullptr where the port has none.
  SslContext Find(const std::string& address, uint16_t port) const;
};

absl::StatusOr<std::shared_ptr<PortContexts>> MakePortContexts(
    const RouteTable& table, const PortContexts* previous,
    const std::shared_ptr<TicketKeys>& tickets, RecordsBy records);

}  // namespace apk
