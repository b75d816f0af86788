// Hostnames of listeners and routes: exact, "*.suffix", or "" for any; lower case. Pure.
#pragma once

#include <string>
#include <vector>

namespace apk {

// Those of a route that take a host of the listener, as the route has them: how specific they are
// decides between routes. {""}, any, where it has none; empty: they have nothing in common.
std::vector<std::string> HostnamesOn(const std::string& listener,
                                     const std::vector<std::string>& route);

// Some host is taken by both.
bool HostnamesOverlap(const std::string& a, const std::string& b);
// Some host is taken by `hostname` and by one of `others`.
bool OverlapsAny(const std::string& hostname, const std::vector<std::string>& others);

}  // namespace apk
