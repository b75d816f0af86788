// Endpoints are called by a keyed hash: clients learn no addresses.
#include "data-plane/routing/compile_policies.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>

#include "common/strings.h"
#include "data-plane/routing/compile_filters.h"

namespace apk {
namespace {

uint64_t TargetId(std::string_view key, const Backend& backend, const Endpoint& endpoint) {
  const std::string text =
      Concat("endpoint\n", backend.name, "\n", endpoint.host, "\n", std::to_string(endpoint.port));
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest, &size);
  uint64_t id = 0;
  for (size_t i = 0; i < sizeof id; ++i) id = id << 8 | digest[i];
  return id;
}

}  // namespace

RetryPolicy CompileRetry(const v1::RetryConfig& config) {
  RetryPolicy retry;
  for (const uint32_t code : config.codes()) retry.codes.push_back(static_cast<uint16_t>(code));
  std::sort(retry.codes.begin(), retry.codes.end());
  retry.attempts = config.attempts();
  retry.backoff_ms = config.backoff_ms();
  return retry;
}

absl::StatusOr<SessionPersistence> CompileSessionPersistence(
    const v1::SessionPersistenceConfig& config, const std::vector<WeightedBackend>& backends) {
  constexpr size_t kKeyBytesMin = 16;
  if (config.key().size() < kKeyBytesMin) {
    return absl::InvalidArgumentError("session persistence has a key that is too short");
  }
  if (config.in_header()) {
    const absl::Status name = CheckSettableField(config.name(), "");
    if (!name.ok()) return name;
  }
  SessionPersistence session;
  session.in_header = config.in_header();
  session.name = config.name();
  session.cookie_path = config.cookie_path();
  session.permanent = config.permanent();
  session.absolute_timeout_ms = config.absolute_timeout_ms();
  session.idle_timeout_ms = config.idle_timeout_ms();
  session.key = config.key();
  for (size_t i = 0; i < backends.size(); ++i) {
    if (backends[i].backend == nullptr) continue;
    const Backend& backend = *backends[i].backend;
    for (size_t j = 0; j < backend.endpoints.size(); ++j) {
      session.targets.push_back({TargetId(session.key, backend, backend.endpoints[j]),
                                 static_cast<uint32_t>(i), static_cast<uint32_t>(j)});
    }
  }
  std::sort(session.targets.begin(), session.targets.end(),
            [](const auto& a, const auto& b) { return a.id < b.id; });
  return session;
}

}  // namespace apk
