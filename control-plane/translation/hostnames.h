// Hostnames of listeners and routes: exact, "*.suffix", or "" for any; lower case. Pure.
#pragma once

#include <string>
#include <vector>

namespace apk {

// What a listener and a route have in common; "" stands for any. Empty: nothing.
std::vector<std::string> IntersectHostnames(const std::string& listener,
                                            const std::vector<std::string>& route);

// Some host is taken by both.
bool HostnamesOverlap(const std::string& a, const std::string& b);
// Some host is taken by `hostname` and by one of `others`.
bool OverlapsAny(const std::string& hostname, const std::vector<std::string>& others);

}  // namespace apk
