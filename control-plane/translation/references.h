// What routes refer to: names of other resources of the snapshot. Pure.
#pragma once

#include "apk/v1/snapshot.pb.h"

namespace apk {

// Calls `visit` with each name, also several times with one; "" is a reference that does not
// resolve.
template <class Visit>
void ForEachReference(const v1::RouteConfig& route, const Visit& visit) {
  for (const v1::RuleConfig& rule : route.rules()) {
    for (const auto& backend : rule.backends()) {
      visit(backend.backend());
      for (const auto& mirror : backend.mirrors()) visit(mirror.backend());
    }
    for (const auto& mirror : rule.mirrors()) visit(mirror.backend());
    for (const auto& issuer : rule.authentication().token_issuers()) visit(issuer);
  }
}

template <class Visit>
void ForEachReference(const v1::TlsRouteConfig& route, const Visit& visit) {
  for (const auto& backend : route.backends()) visit(backend.backend());
}

template <class Visit>
void ForEachReference(const v1::ListenerConfig& listener, const Visit& visit) {
  for (const std::string& certificate : listener.certificates()) visit(certificate);
}

}  // namespace apk
