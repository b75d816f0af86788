// The last colon ends the address.
#include "control-plane/server/listen_address.h"

#include <arpa/inet.h>

#include "common/strings.h"

namespace apk {
namespace {

bool Parses(int family, const std::string& host) {
  in6_addr parsed;
  return inet_pton(family, host.c_str(), &parsed) == 1;
}

}  // namespace

std::string HostAndPort(const std::string& host, uint16_t port) {
  const bool brackets = host.find(':') != std::string::npos;
  return Concat(brackets ? "[" : "", host, brackets ? "]:" : ":", std::to_string(port));
}

std::string ListenAddress::ToString() const { return HostAndPort(host, port); }

std::string ListenAddress::Reachable(const std::vector<std::string>& names) const {
  if (!IsWildcard()) return host;
  if (!names.empty()) return names.front();
  return host == "::" ? "::1" : "127.0.0.1";
}

absl::StatusOr<ListenAddress> ParseListenAddress(const std::string& flag, const std::string& text) {
  const absl::Status malformed = absl::InvalidArgumentError(
      Concat(flag, " ", text,
             ": must be an IP address and a port, for example 127.0.0.1:7443 or [::1]:7443"));
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) return malformed;
  ListenAddress address;
  address.host = text.substr(0, colon);
  if (address.host == "localhost") address.host = "127.0.0.1";
  const bool brackets = address.host.starts_with('[') && address.host.ends_with(']');
  if (brackets) address.host = address.host.substr(1, address.host.size() - 2);
  if (!Parses(brackets ? AF_INET6 : AF_INET, address.host)) return malformed;
  const std::string digits = text.substr(colon + 1);
  const bool number = !digits.empty() && digits.size() <= 5 &&
                      digits.find_first_not_of("0123456789") == std::string::npos;
  if (!number || std::stoul(digits) > 65535) return malformed;
  address.port = static_cast<uint16_t>(std::stoul(digits));
  return address;
}

}  // namespace apk
