// Addresses without a value come from one range of loopback, so that nothing else is in the way.
#include "control-plane/translation/gateway_addresses.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstdint>

#include "common/strings.h"

namespace apk {
namespace {

constexpr uint32_t kRangeSize = 1 << 16;

// 127.77.0.0/16; loopback needs no set-up on any node.
std::string AddressInRange(uint32_t number) {
  return Concat("127.77.", std::to_string(number >> 8), ".", std::to_string(number & 0xff));
}

bool InRange(const std::string& address) { return address.starts_with("127.77."); }

std::string Canonical(const std::string& address) {
  in6_addr bytes;
  char text[INET6_ADDRSTRLEN];
  const int family = address.find(':') == std::string::npos ? AF_INET : AF_INET6;
  if (inet_pton(family, address.c_str(), &bytes) != 1) return address;
  return inet_ntop(family, &bytes, text, sizeof text);
}

// FNV-1a.
uint32_t Hash(std::string_view text) {
  uint32_t hash = 0x811c9dc5;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x01000193;
  return hash ^ (hash >> 16);
}

std::string Pick(const v1::Gateway& gateway, std::set<std::string>& picked) {
  for (const v1::GatewayStatusAddress& address : gateway.status().addresses()) {
    if (InRange(address.value()) && picked.insert(address.value()).second) return address.value();
  }
  const v1::ObjectMeta& metadata = gateway.metadata();
  const uint32_t start = Hash(Concat(metadata.namespace_(), "/", metadata.name()));
  for (uint32_t i = 0; i < kRangeSize; ++i) {
    const uint32_t number = (start + i) % kRangeSize;
    const uint32_t last = number & 0xff;
    if (last == 0 || last == 255) continue;  // They look like networks.
    const std::string address = AddressInRange(number);
    if (picked.insert(address).second) return address;
  }
  return "";
}

}  // namespace

std::vector<std::string> AddressesOf(const v1::Gateway& gateway, std::set<std::string>& picked,
                                     Problem& problem) {
  std::vector<std::string> addresses;
  for (const v1::GatewaySpecAddress& address : gateway.spec().addresses()) {
    if (address.has_type() && address.type() != "IPAddress") {
      problem.Add("UnsupportedAddress",
                  Concat("address type ", address.type(), " is not supported, IPAddress is"));
      continue;
    }
    const std::string value =
        address.value().empty() ? Pick(gateway, picked) : Canonical(address.value());
    if (value.empty()) {
      problem.Add("UnsupportedAddress", "no loopback address is left: give the address a value");
    } else if (std::find(addresses.begin(), addresses.end(), value) == addresses.end()) {
      addresses.push_back(value);
    }
  }
  return addresses;
}

}  // namespace apk
