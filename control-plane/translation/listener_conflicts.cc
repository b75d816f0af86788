// Pairs of listeners: few enough for every pair to be looked at.
#include "control-plane/translation/listener_conflicts.h"

#include "common/strings.h"
#include "control-plane/translation/hostnames.h"

namespace apk {
namespace {

bool IsTls(const v1::GatewayListener& listener) { return listener.protocol() == "HTTPS"; }

// "listener a", or, where it is of another object than `other`, no name: it may be a secret.
std::string NameFor(const ListenerState& listener, const ListenerState& other) {
  return listener.set == other.set ? Concat("listener ", listener.spec->name())
                                   : "a listener of the same Gateway that goes before it";
}

// Adds to `loser` what keeps both from being served.
void Compare(ListenerState& loser, const ListenerState& other) {
  if (loser.spec->port() != other.spec->port()) return;
  if (IsTls(*loser.spec) != IsTls(*other.spec)) {
    loser.conflicted.Add("ProtocolConflict",
                         Concat(NameFor(other, loser), " has the same port and another protocol"));
  } else if (loser.hostname == other.hostname) {
    loser.conflicted.Add("HostnameConflict",
                         Concat(NameFor(other, loser), " has the same port and hostname"));
  }
}

void FindOverlaps(GatewayState& state) {
  for (ListenerState& a : state.listeners) {
    for (const ListenerState& b : state.listeners) {
      if (&a == &b || !a.Attachable() || !b.Attachable()) continue;
      if (!IsTls(*a.spec) || !IsTls(*b.spec) || a.spec->port() != b.spec->port()) continue;
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
    if (listeners[i].set == nullptr || !listeners[i].accepted.empty()) continue;
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
        if ((other.protocol == "HTTPS") != IsTls(*listener.spec)) {
          listener.conflicted.Add(
              "ProtocolConflict",
              "an older Gateway serves this address and port with another protocol");
        } else if (other.hostname == listener.hostname) {
          listener.conflicted.Add("HostnameConflict",
                                  "an older Gateway has the same address, port and hostname");
        }
      }
    }
    if (!listener.Attachable()) continue;  // What lost takes nothing from younger ones.
    for (const std::string& address : addresses) {
      own[{address, listener.spec->port()}].push_back(
          {.hostname = listener.hostname, .protocol = listener.spec->protocol()});
    }
  }
  for (auto& [place, listeners] : own) {
    auto& all = taken[place];
    all.insert(all.end(), listeners.begin(), listeners.end());
  }
}

}  // namespace apk
