// Four parts with dots between them.
#include "common/join_token.h"

#include <algorithm>

#include "common/strings.h"

namespace apk {
namespace {

constexpr std::string_view kFormat = "apk1";
constexpr size_t kIdSize = 10;
constexpr size_t kSecretSize = 43;
constexpr size_t kAuthoritySize = 64;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLower(char c) { return c >= 'a' && c <= 'z'; }
bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }
bool IsIdLetter(char c) { return IsLower(c) || IsDigit(c); }
bool IsSecretLetter(char c) { return IsIdLetter(c) || IsUpper(c) || c == '-' || c == '_'; }
bool IsHexDigit(char c) { return IsDigit(c) || (c >= 'a' && c <= 'f'); }

bool Consists(std::string_view part, size_t size, bool (*of)(char)) {
  return part.size() == size && std::all_of(part.begin(), part.end(), of);
}

}  // namespace

std::string JoinToken::ToString() const {
  return Concat(kFormat, ".", id, ".", secret, ".", authority);
}

absl::StatusOr<JoinToken> ParseJoinToken(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
  const std::vector<std::string_view> parts = Split(TrimSpace(text), '.');
  const bool whole = parts.size() == 4 && parts[0] == kFormat &&
                     Consists(parts[1], kIdSize, IsIdLetter) &&
                     Consists(parts[2], kSecretSize, IsSecretLetter) &&
                     Consists(parts[3], kAuthoritySize, IsHexDigit);
  if (!whole) {
    return absl::InvalidArgumentError(
        "not a join token (apk1.ID.SECRET.AUTHORITY): copy the whole line that apkctl agents token "
        "create printed");
  }
  return JoinToken{.id = std::string(parts[1]),
                   .secret = std::string(parts[2]),
                   .authority = std::string(parts[3])};
}

bool IsIdentityName(std::string_view name) {
  constexpr size_t kBytesMax = 253;
  if (name.empty() || name.size() > kBytesMax || name[0] == '.') return false;
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return IsSecretLetter(c) || c == '.'; });
}

}  // namespace apk
