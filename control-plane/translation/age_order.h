// Age: oldest first, then by namespace and name, is how the Gateway API breaks ties. Pure.
#pragma once

#include <cstdint>
#include <ctime>
#include <string>
#include <tuple>

#include "apk/v1/meta.pb.h"

namespace apk {

// RFC 3339 in UTC sorts as text.
inline bool OlderMetadata(const v1::ObjectMeta& a, const v1::ObjectMeta& b) {
  return std::forward_as_tuple(a.creation_timestamp(), a.namespace_(), a.name()) <
         std::forward_as_tuple(b.creation_timestamp(), b.namespace_(), b.name());
}

template <class T>
bool OlderFirst(const T* a, const T* b) {
  return OlderMetadata(a->metadata(), b->metadata());
}

// 0 where it is no time in UTC.
inline int64_t UnixSeconds(const std::string& rfc3339) {
  std::tm calendar{};
  if (strptime(rfc3339.c_str(), "%Y-%m-%dT%H:%M:%SZ", &calendar) == nullptr) return 0;
  return timegm(&calendar);
}

}  // namespace apk
