// Which TLS route takes a connection, for one listener. Built once on the discovery thread, then
// immutable and thread-safe.
#pragma once

#include <string_view>

#include "common/strings.h"
#include "data-plane/routing/route_table.h"

namespace apk {

class SniTable {
 public:
  // `hostname`: "" (any), exact, or "*.suffix"; lower case. Of equal ones the first stays.
  void Add(std::string_view hostname, const TlsRule* rule);

  // The most specific hostname wins; nullptr where none takes the name.
  const TlsRule* Find(std::string_view server_name) const;

 private:
  StringMap<const TlsRule*> exact_;
  StringMap<const TlsRule*> wildcards_;  // Keyed by ".suffix".
  const TlsRule* any_ = nullptr;
};

}  // namespace apk
