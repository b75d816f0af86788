// Times as people and Kubernetes write them. Thread-safe.
#pragma once

#include <ctime>
#include <string>

namespace apk {

// "2026-11-23T17:05:09Z"
inline std::string Rfc3339(std::time_t at) {
  std::tm calendar;
  gmtime_r(&at, &calendar);
  char text[32];
  const size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &calendar);
  return std::string(text, size);
}

inline std::string Rfc3339Now() { return Rfc3339(std::time(nullptr)); }

}  // namespace apk
