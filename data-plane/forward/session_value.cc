// 36 bytes in base64url: endpoint (8), begun (6), seen (6), all big-endian, and HMAC-SHA256 over
// them cut to 16.
#include "data-plane/forward/session_value.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>

#include "common/strings.h"
#include "common/jwt/base64url.h"

namespace apk {
namespace {

constexpr size_t kTimeBytes = 6;
constexpr size_t kSignedBytes = sizeof(uint64_t) + 2 * kTimeBytes;
constexpr size_t kMacBytes = 16;
constexpr size_t kTextBytes = (kSignedBytes + kMacBytes) / 3 * 4;

void PutNumber(uint64_t number, size_t bytes, std::string& out) {
  for (size_t i = bytes; i-- > 0;) out += static_cast<char>(number >> (8 * i));
}

uint64_t TakeNumber(std::string_view& bytes, size_t count) {
  uint64_t number = 0;
  for (size_t i = 0; i < count; ++i) number = number << 8 | static_cast<unsigned char>(bytes[i]);
  bytes.remove_prefix(count);
  return number;
}

std::string Mac(std::string_view key, std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest, &size);
  return std::string(reinterpret_cast<const char*>(digest), kMacBytes);
}

bool TimedOut(const SessionPersistence& policy, const Session& session, int64_t now_ms) {
  const auto passed = [now_ms](int64_t since, uint32_t limit_ms) {
    return limit_ms > 0 && now_ms - since > int64_t{limit_ms};
  };
  return passed(session.begun_ms, policy.absolute_timeout_ms) ||
         passed(session.seen_ms, policy.idle_timeout_ms);
}

std::optional<Session> Read(const SessionPersistence& policy, std::string_view value,
                            int64_t now_ms) {
  if (value.size() != kTextBytes) return std::nullopt;
  const std::optional<std::string> bytes = DecodeBase64Url(value);
  if (!bytes.has_value() || bytes->size() != kSignedBytes + kMacBytes) return std::nullopt;
  std::string_view rest = *bytes;
  const std::string mac = Mac(policy.key, rest.substr(0, kSignedBytes));
  if (CRYPTO_memcmp(mac.data(), rest.data() + kSignedBytes, kMacBytes) != 0) return std::nullopt;
  const uint64_t id = TakeNumber(rest, sizeof id);
  Session session;
  session.begun_ms = static_cast<int64_t>(TakeNumber(rest, kTimeBytes));
  session.seen_ms = static_cast<int64_t>(TakeNumber(rest, kTimeBytes));
  if (TimedOut(policy, session, now_ms)) return std::nullopt;
  const auto target =
      std::lower_bound(policy.targets.begin(), policy.targets.end(), id,
                       [](const auto& entry, uint64_t wanted) { return entry.id < wanted; });
  if (target == policy.targets.end() || target->id != id) return std::nullopt;
  session.target = *target;
  return session;
}

// Of all cookies of that name the first that is ours: another path's may come first.
std::optional<Session> ReadCookies(const SessionPersistence& policy, std::string_view cookies,
                                   int64_t now_ms) {
  for (const std::string_view part : Split(cookies, ';')) {
    const std::string_view cookie = TrimSpace(part);
    const size_t equals = cookie.find('=');
    if (equals == std::string_view::npos || cookie.substr(0, equals) != policy.name) continue;
    if (auto session = Read(policy, cookie.substr(equals + 1), now_ms)) return session;
  }
  return std::nullopt;
}

}  // namespace

std::optional<Session> FindSession(const SessionPersistence& policy, const HeaderMap& headers,
                                   int64_t now_ms) {
  if (policy.in_header) {
    const auto value = headers.Get(policy.name);
    return value.has_value() ? Read(policy, TrimSpace(*value), now_ms) : std::nullopt;
  }
  for (size_t i = 0; i < headers.size(); ++i) {
    if (headers.id(i) != HeaderId::kCookie) continue;
    if (auto session = ReadCookies(policy, headers.value(i), now_ms)) return session;
  }
  return std::nullopt;
}

std::string SessionValue(const SessionPersistence& policy, const Session& session) {
  std::string bytes;
  PutNumber(session.target.id, sizeof session.target.id, bytes);
  PutNumber(static_cast<uint64_t>(session.begun_ms), kTimeBytes, bytes);
  PutNumber(static_cast<uint64_t>(session.seen_ms), kTimeBytes, bytes);
  return EncodeBase64Url(Concat(bytes, Mac(policy.key, bytes)));
}

bool NeedsRenewal(const SessionPersistence& policy, const Session& session, int64_t now_ms) {
  // Not on each response: a client that asks often needs few.
  return policy.idle_timeout_ms > 0 && now_ms - session.seen_ms > policy.idle_timeout_ms / 8;
}

void GrantSession(const SessionPersistence& policy, const Session& session, bool secure,
                  int64_t now_ms, ResponseHead& response) {
  const std::string value = SessionValue(policy, session);
  if (policy.in_header) {
    response.headers.Set(policy.name, value);
    return;
  }
  std::string cookie = Concat(policy.name, "=", value, "; Path=", policy.cookie_path, "; HttpOnly");
  if (secure) cookie += "; Secure";
  if (policy.permanent) {
    const int64_t left_ms = session.begun_ms + int64_t{policy.absolute_timeout_ms} - now_ms;
    cookie += Concat("; Max-Age=", std::to_string(std::max<int64_t>(left_ms, 0) / 1000));
  }
  response.headers.Add("Set-Cookie", cookie);
}

}  // namespace apk
