// Listeners of a snapshot on the addresses and ports that they share. Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data-plane/routing/route_table.h"

namespace apk {

class PortsBuilder {
 public:
  // Told what can't be served: the name of the listener's resource, and why.
  using Fail = std::function<void(std::string_view resource, std::string_view message)>;
  struct Result {
    std::vector<Port> ports;  // As RouteTable has them.
    std::vector<RefusedListener> refused;
  };

  // `own_address`: the agent's, for listeners that name none; a listener may name it, too.
  PortsBuilder(std::string own_address, Fail fail)
      : own_address_(std::move(own_address)), fail_(std::move(fail)) {}

  // `listener.address`: where, as its Gateway names it.
  void Add(Listener listener, uint16_t number, bool tls);
  Result Finish();

 private:
  struct OwnAddressListener {
    Listener listener;
    uint16_t port = 0;
    bool tls = false;
  };

  void AddToPort(Listener listener, const std::string& address, uint16_t number, bool tls);
  void AddToOwnPort(Listener listener, uint16_t number, bool tls);

  const std::string own_address_;
  const Fail fail_;
  std::map<std::pair<std::string, uint16_t>, Port> ports_;
  std::vector<OwnAddressListener> naming_own_address_;
  std::vector<RefusedListener> refused_;
};

}  // namespace apk
