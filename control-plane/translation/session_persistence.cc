// Both forms of the field: `cookie` and `header`, and the older sessionName and cookieConfig.
#include "control-plane/translation/session_persistence.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "apk/v1/core.pb.h"
#include "common/strings.h"
#include "control-plane/resources/duration.h"
#include "control-plane/resources/own_objects.h"

namespace apk {
namespace {

std::string Hmac(std::string_view key, std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest, &size);
  return std::string(reinterpret_cast<const char*>(digest), size);
}

// Equal on every replica, and unlike that of any other rule.
std::string DefaultName(const std::string& rule) {
  constexpr size_t kHashBytes = 6;
  return Concat("apk-session-", Hex(Hmac("name", rule).substr(0, kHashBytes)));
}

uint32_t MillisecondsOf(const std::string& duration) {
  return ParseDurationMs(duration).value_or(0);
}

// "" where there is no Secret.
std::string KeyFor(const ResourceSet& resources, std::string_view use) {
  const auto* const secret = resources.Find<v1::Secret>(kOwnNamespace, kSessionSecretName);
  if (secret == nullptr) return "";
  const auto root = secret->data().find("key");
  if (root == secret->data().end() || root->second.empty()) return "";
  return Hmac(root->second, use);
}

}  // namespace

std::string SessionKeyFor(const ResourceSet& resources, const std::string& rule) {
  return KeyFor(resources, rule);
}

std::string MirrorLoopKey(const ResourceSet& resources) {
  constexpr size_t kKeyBytes = 16;
  return KeyFor(resources, "mirror-loop").substr(0, kKeyBytes);  // No rule's name: it has no slash.
}

void FillSessionPersistence(const v1::SessionPersistence& session, const std::string& rule,
                            const std::string& key, v1::SessionPersistenceConfig* config) {
  config->set_in_header(session.type() == "Header");
  std::string name = config->in_header() ? session.header().name() : session.cookie().name();
  if (name.empty()) name = session.session_name();
  if (name.empty()) name = DefaultName(rule);
  config->set_name(name);
  if (!config->in_header()) {
    const std::string& path = session.cookie().path();
    config->set_cookie_path(path.empty() ? "/" : path);
    config->set_permanent(session.cookie().lifetime_type() == "Permanent" ||
                          session.cookie_config().lifetime_type() == "Permanent");
  }
  config->set_absolute_timeout_ms(MillisecondsOf(session.absolute_timeout()));
  config->set_idle_timeout_ms(MillisecondsOf(session.idle_timeout()));
  config->set_key(key);
}

}  // namespace apk
