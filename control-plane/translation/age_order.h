// Oldest first, then by namespace and name: how the Gateway API breaks ties. Pure.
#pragma once

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

}  // namespace apk
