// Counters; who is at its limit hears nothing, the log says which it is.
#include "control-plane/https/connection_shares.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>

#include "common/log.h"

namespace apk {
namespace {

constexpr std::chrono::seconds kLogPause{10};

}  // namespace

bool ConnectionShares::Take(const std::string& address) {
  if (taken_ >= limits_.connections) {
    LogRefusal(address, "there are too many");
    return false;
  }
  const auto found = by_address_.find(address);
  if (found != by_address_.end() && found->second >= limits_.per_address) {
    LogRefusal(address, "there are too many of this address (--limit-connections-per-address)");
    return false;
  }
  ++taken_;
  ++by_address_[address];
  return true;
}

void ConnectionShares::GiveBack(const std::string& address) {
  const auto counted = by_address_.find(address);
  if (--counted->second == 0) by_address_.erase(counted);
  --taken_;
}

void ConnectionShares::LogRefusal(const std::string& address, const char* why) {
  if (Now() - logged_ < kLogPause) {
    ++left_out_;
    return;
  }
  logged_ = Now();
  LogWarning("a connection is not taken", {{"port", std::to_string(port_)},
                                           {"peer", address},
                                           {"reason", why},
                                           {"connections", std::to_string(taken_)},
                                           {"left_out", std::to_string(left_out_)}});
  left_out_ = 0;
}

std::string HostOf(const sockaddr& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.sa_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
  } else {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    in6_addr host = v6.sin6_addr;
    if (!IN6_IS_ADDR_V4MAPPED(&host)) std::fill(host.s6_addr + 8, host.s6_addr + 16, uint8_t{0});
    inet_ntop(AF_INET6, &host, text.data(), text.size());
  }
  return text.data();
}

}  // namespace apk
