// Whether a request may pass a rule's authentication. Pure beside the worker's cache; never waits.
#pragma once

#include <optional>

#include "common/clock.h"
#include "data-plane/auth/key_store.h"
#include "data-plane/auth/verdict_cache.h"
#include "data-plane/filters/filter.h"
#include "data-plane/http/message.h"
#include "data-plane/routing/route_table.h"

namespace apk {

// nullopt: passes. Otherwise APK's 401 (900902 without token, 900903 with a bad one), or 503 for a
// token of an issuer whose keys have never been available.
std::optional<Reply> Authenticate(const AuthenticationPolicy& policy, const RequestHead& request,
                                  const KeyStore& keys, VerdictCache& cache, WallTime now);

}  // namespace apk
