// Pairs of listeners: few enough for every pair to be looked at.
#include "control-plane/translation/listener_conflicts.h"

#include "common/strings.h"
#include "control-plane/translation/hostnames.h"
#include "control-plane/translation/listener_tls.h"

namespace apk {
namespace {

// "listener a", or, where it is of another object than `other`, no name: it may be a secret.
std::string NameFor(const ListenerState& listener, const ListenerState& other) {
  return listener.set == other.set ? Concat("listener ", listener.spec->name())
                                   : "a listener of the same Gateway that goes before it";
}

// Where hostnames tell connections apart: HTTP by the Host field, HTTPS and TLS by SNI.
bool CanSharePort(const std::string& a, const std::string& b) {
  return UsesTls(a) ? UsesTls(b) : a == "HTTP" && b == "HTTP";
}

// Adds to `loser` what keeps both from being served.
void Compare(ListenerState& loser, const ListenerState& other) {
  const auto& own = *loser.spec;
  if (own.port() != other.spec->port()) return;
  if (!CanSharePort(own.protocol(), other.spec->protocol())) {
    loser.conflicted.Add("ProtocolConflict",
                         Concat(NameFor(other, loser), " has the same port and another protocol"));
  } else if (loser.hostname == other.hostname) {
    const bool same = own.protocol() == other.spec->protocol();
    loser.conflicted.Add(same ? "HostnameConflict" : "ProtocolConflict",
                         Concat(NameFor(other, loser), " has the same port and hostname",
                                same ? "" : " and another protocol"));
  }
}

// That of a set which can lose: it is valid, or of TCP, which nothing here serves and which would
// take the port of others.
bool CanLose(const ListenerState& listener) {
  return listener.set != nullptr &&
         (listener.accepted.empty() || listener.spec->protocol() == "TCP");
}

void FindOverlaps(GatewayState& state) {
  for (ListenerState& a : state.listeners) {
    for (const ListenerState& b : state.listeners) {
      if (&a == &b || !a.Attachable() || !b.Attachable()) continue;
      if (!UsesTls(a.spec->protocol()) || !UsesTls(b.spec->protocol()) ||
          a.spec->port() != b.spec->port())
        continue;
      if (!HostnamesOverlap(a.hostname, b.hostname)) continue;
      a.overlapping.Add(
          "OverlappingHostnames",
          Concat(NameFor(b, a), " has the same port and takes some of its hostnames"));
    }
  }
}

}  // namespace

void FindConflictsWithin(GatewayState& state) {
  for (ListenerState& listener : state.listeners) {
    for (const ListenerState& other : state.listeners) {
      if (&listener == &other || !listener.accepted.empty() || !other.accepted.empty()) continue;
      Compare(listener, other);
    }
  }
}

void FindConflictsBelow(GatewayState& state) {
  std::vector<ListenerState>& listeners = state.listeners;
  for (size_t i = 0; i < listeners.size(); ++i) {
    if (!CanLose(listeners[i])) continue;
    for (size_t j = 0; j < i; ++j) {
      const ListenerState& other = listeners[j];
      const bool counts = other.set == nullptr ? other.accepted.empty() : other.Attachable();
      if (counts) Compare(listeners[i], other);
    }
  }
  FindOverlaps(state);
}

void FindConflictsAcross(GatewayState& state, TakenPorts& taken) {
  std::vector<std::string> addresses = state.addresses;
  if (addresses.empty()) addresses.emplace_back();
  TakenPorts own;
  for (ListenerState& listener : state.listeners) {
    if (!listener.Attachable()) continue;
    for (const std::string& address : addresses) {
      for (const TakenListener& other : taken[{address, listener.spec->port()}]) {
        if (state.agents.labels.Excludes(other.agents.labels)) continue;
        const std::string& protocol = listener.spec->protocol();
        const bool same_hostname = other.hostname == listener.hostname;
        if (!CanSharePort(other.protocol, protocol) ||
            (same_hostname && other.protocol != protocol)) {
          listener.conflicted.Add(
              "ProtocolConflict",
              "an older Gateway serves this address and port with another protocol");
        } else if (same_hostname) {
          listener.conflicted.Add("HostnameConflict",
                                  "an older Gateway has the same address, port and hostname");
        }
      }
    }
    if (!listener.Attachable()) continue;  // What lost takes nothing from younger ones.
    for (const std::string& address : addresses) {
      own[{address, listener.spec->port()}].push_back({.agents = state.agents,
                                                       .hostname = listener.hostname,
                                                       .protocol = listener.spec->protocol()});
    }
  }
  for (auto& [place, listeners] : own) {
    auto& all = taken[place];
    all.insert(all.end(), listeners.begin(), listeners.end());
  }
}

}  // namespace apk
