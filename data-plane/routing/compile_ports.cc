// What names no address goes before what names the agent's own, whatever their order.
#include "data-plane/routing/compile_ports.h"

#include <algorithm>
#include <tuple>

#include "common/strings.h"

namespace apk {
namespace {

// Most specific first: exact, then wildcards by length, then any.
bool MoreSpecific(const Listener& a, const Listener& b) {
  const auto key = [](const Listener& listener) {
    const std::string_view host = listener.hostname;
    const int kind = host.empty() ? 2 : host.starts_with("*.") ? 1 : 0;
    return std::make_tuple(kind, SIZE_MAX - host.size(), host, std::string_view(listener.name));
  };
  return key(a) < key(b);
}

}  // namespace

void PortsBuilder::Add(Listener listener, uint16_t number, bool tls) {
  if (!listener.address.empty() && listener.address == own_address_) {
    naming_own_address_.push_back({std::move(listener), number, tls});
  } else {
    const std::string address = listener.address;
    AddToPort(std::move(listener), address, number, tls);
  }
}

void PortsBuilder::AddToPort(Listener listener, const std::string& address, uint16_t number,
                             bool tls) {
  Port& port = ports_[{address, number}];
  if (port.listeners.empty()) {
    port.address = address;
    port.port = number;
    port.tls = tls;
  } else if (port.tls != tls) {
    fail_(listener.name, Concat("mixes TLS and plain HTTP on port ", std::to_string(number),
                                " with ", port.listeners.front().name));
  }
  port.http = port.http || listener.http;
  port.passthrough = port.passthrough || listener.passthrough;
  port.listeners.push_back(std::move(listener));
}

// The control plane does not compare it with listeners that name no address: which address is
// theirs is another matter on each agent.
void PortsBuilder::AddToOwnPort(Listener listener, uint16_t number, bool tls) {
  const std::vector<Listener>& others = ports_[{"", number}].listeners;
  const auto same_host = std::find_if(
      others.begin(), others.end(),
      [&listener](const Listener& other) { return other.hostname == listener.hostname; });
  const bool mixed = !others.empty() && ports_[{"", number}].tls != tls;
  if (!mixed && same_host == others.end()) {
    AddToPort(std::move(listener), "", number, tls);
    return;
  }
  const Listener& other = mixed ? others.front() : *same_host;
  refused_.push_back(
      {.name = listener.name,
       .address = listener.address,
       .message = Concat(listener.address, " is this agent's own address, where ", other.name,
                         " has port ", std::to_string(number),
                         mixed ? " with another protocol" : " and the same hostname")});
}

PortsBuilder::Result PortsBuilder::Finish() {
  Result result;
  for (auto& [listener, number, tls] : naming_own_address_) {
    AddToOwnPort(std::move(listener), number, tls);
  }
  for (auto& [key, port] : ports_) {
    std::sort(port.listeners.begin(), port.listeners.end(), MoreSpecific);
    for (size_t i = 1; i < port.listeners.size(); ++i) {
      if (port.listeners[i].hostname != port.listeners[i - 1].hostname) continue;
      fail_(port.listeners[i].name,
            Concat("takes the same port and hostname as ", port.listeners[i - 1].name));
    }
    result.ports.push_back(std::move(port));
  }
  result.refused = std::move(refused_);
  return result;
}

}  // namespace apk
