// How Kubernetes spells names, keys and addresses. Pure.
#pragma once

#include <string_view>

namespace apk {

bool IsDnsLabel(std::string_view text);      // RFC 1123, lower case, at most 63 characters.
bool IsDnsSubdomain(std::string_view text);  // RFC 1123, lower case, at most 253 characters.
bool IsServiceName(std::string_view text);   // RFC 1035: a label that begins with a letter.
// RFC 6335 5.1 in lower case: what a port may be called where its number is meant.
bool IsPortName(std::string_view text);
bool IsDataKey(std::string_view text);  // Of a Secret or a ConfigMap.

bool IsIpv4(std::string_view text);
bool IsIpv6(std::string_view text);
// A DNS name in any case, with '_' as resolvers take it, an IPv4 address, or an IPv6 address with
// or without brackets.
bool IsHost(std::string_view text);

}  // namespace apk
