// What workers know of token issuers' keys. Immutable, shared by shared_ptr, replaced as a whole.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "common/strings.h"
#include "common/jwt/jwks.h"

namespace apk {

struct KeyStore {
  // By TokenIssuer::name. Absent: the issuer's keys were never available.
  StringMap<std::shared_ptr<const KeySet>> keys;
  // By TokenIssuer::name, of those whose keys are fetched: set where a token names a key that is
  // not among them, so that they are fetched again soon.
  StringMap<std::shared_ptr<std::atomic<bool>>> wanted;
  uint64_t version = 0;  // Grows with each change; verdicts of an older one are void.
};

}  // namespace apk
