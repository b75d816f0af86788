// Where a server listens, as flags write it. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace apk {

struct ListenAddress {
  std::string host;   // An IP address, without brackets.
  uint16_t port = 0;  // 0: a free one.

  std::string ToString() const;  // "127.0.0.1:7443", "[::1]:7443"
  bool IsWildcard() const { return host == "0.0.0.0" || host == "::"; }
  // What others reach it by: the first of `names` where it is a wildcard, else loopback.
  std::string Reachable(const std::vector<std::string>& names) const;
};

// INVALID_ARGUMENT, with the flag's name, where `text` is not address:port.
absl::StatusOr<ListenAddress> ParseListenAddress(const std::string& flag, const std::string& text);

// host:port, with brackets around an IPv6 address.
std::string HostAndPort(const std::string& host, uint16_t port);

}  // namespace apk
