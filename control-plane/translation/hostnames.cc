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

// "" where there is no common name.
std::string Intersect(const std::string& a, const std::string& b) {
  if (a == b) return a;
  if (Covers(a, b)) return b;
  if (Covers(b, a)) return a;
  return "";
}

}  // namespace

std::vector<std::string> IntersectHostnames(const std::string& listener,
                                            const std::vector<std::string>& route) {
  if (route.empty()) return {listener};
  if (listener.empty()) return route;
  std::vector<std::string> common;
  for (const std::string& hostname : route) {
    const std::string shared = Intersect(listener, hostname);
    if (!shared.empty()) common.push_back(shared);
  }
  return common;
}

bool HostnamesOverlap(const std::string& a, const std::string& b) {
  return a.empty() || b.empty() || !Intersect(a, b).empty();
}

bool OverlapsAny(const std::string& hostname, const std::vector<std::string>& others) {
  return std::any_of(others.begin(), others.end(), [&hostname](const std::string& other) {
    return HostnamesOverlap(hostname, other);
  });
}

}  // namespace apk
