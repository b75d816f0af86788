// Patterns and inet_pton.
#include "control-plane/validation/names.h"

#include <arpa/inet.h>

#include <string>

#include "common/strings.h"
#include "control-plane/validation/field_rules.h"

namespace apk {
namespace {

constexpr char kLabel[] = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
constexpr char kSubdomain[] = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
constexpr char kServiceName[] = "^[a-z]([-a-z0-9]*[a-z0-9])?$";
constexpr char kPortName[] = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$";
constexpr char kDataKey[] = "^[-._a-zA-Z0-9]+$";
constexpr char kHostName[] =
    "^[A-Za-z0-9_]([-A-Za-z0-9_]*[A-Za-z0-9_])?(\\.[A-Za-z0-9_]([-A-Za-z0-9_]*[A-Za-z0-9_])?)*\\.?"
    "$";

bool Parses(int family, std::string_view text) {
  in6_addr parsed;
  return inet_pton(family, std::string(text).c_str(), &parsed) == 1;
}

// What looks like an address but is none must not pass for a name.
bool IsDottedNumber(std::string_view text) {
  return text.find_first_not_of("0123456789.") == std::string_view::npos;
}

}  // namespace

bool IsDnsLabel(std::string_view text) { return text.size() <= 63 && MatchesPattern(kLabel, text); }

bool IsDnsSubdomain(std::string_view text) {
  return text.size() <= 253 && MatchesPattern(kSubdomain, text);
}

bool IsServiceName(std::string_view text) {
  return text.size() <= 63 && MatchesPattern(kServiceName, text);
}

bool IsPortName(std::string_view text) {
  return text.size() <= 15 && MatchesPattern(kPortName, text) &&
         text.find("--") == std::string_view::npos &&
         text.find_first_not_of("0123456789-") != std::string_view::npos;
}

bool IsDataKey(std::string_view text) {
  return text.size() <= 253 && text != "." && !text.starts_with("..") &&
         MatchesPattern(kDataKey, text);
}

bool IsIpv4(std::string_view text) { return Parses(AF_INET, text); }
bool IsIpv6(std::string_view text) { return Parses(AF_INET6, text); }

bool IsHost(std::string_view text) {
  if (IsIpv4(text) || IsIpv6(text)) return true;
  if (text.starts_with('[') && text.ends_with(']')) return IsIpv6(text.substr(1, text.size() - 2));
  return text.size() <= 253 && MatchesPattern(kHostName, text) && !IsDottedNumber(text);
}

}  // namespace apk
