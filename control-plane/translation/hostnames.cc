// A wildcard stands for one label or more (Gateway API, Hostname).
#include "control-plane/translation/hostnames.h"

#include <algorithm>
#include <string_view>

namespace apk {
namespace {

bool Covers(const std::string& wildcard, const std::string& name) {
  if (!wildcard.starts_with("*.")) return false;
  const std::string_view suffix = std::string_view(wildcard).substr(1);
  return name.size() > suffix.size() && name.ends_with(suffix);
}

}  // namespace

std::vector<std::string> HostnamesOn(const std::string& listener,
                                     const std::vector<std::string>& route) {
  if (route.empty()) return {""};
  std::vector<std::string> common;
  for (const std::string& hostname : route) {
    if (HostnamesOverlap(listener, hostname)) common.push_back(hostname);
  }
  return common;
}

bool HostnamesOverlap(const std::string& a, const std::string& b) {
  return a.empty() || b.empty() || a == b || Covers(a, b) || Covers(b, a);
}

bool OverlapsAny(const std::string& hostname, const std::vector<std::string>& others) {
  return std::any_of(others.begin(), others.end(), [&hostname](const std::string& other) {
    return HostnamesOverlap(hostname, other);
  });
}

}  // namespace apk
