// File: a sealed JSON object.
#include "data-plane/auth/key_file.h"

#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "common/log.h"
#include "common/private_file.h"
#include "common/sealed.h"
#include "common/strings.h"
#include "common/jwt/base64url.h"

namespace apk {
namespace {

constexpr std::string_view kMagic = "apkkeys1";
constexpr size_t kSetsBytesMax = 16 << 20;
constexpr size_t kFileBytesMax = 64 << 20;  // Quotes in JSON are escaped.

// nullopt where the file is damaged.
std::optional<KeyFile::KeySets> Parse(std::string_view file) {
  const std::optional<std::string_view> text = Unseal(kMagic, file);
  if (!text.has_value()) return std::nullopt;
  const nlohmann::json json = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return std::nullopt;
  KeyFile::KeySets sets;
  for (const auto& [id, document] : json.items()) {
    if (!document.is_string()) return std::nullopt;
    sets[id] = document.get<std::string>();
  }
  return sets;
}

}  // namespace

std::string KeyFile::IdOf(const TokenIssuer& issuer) {
  constexpr std::string_view kZero("\0", 1);
  return EncodeBase64Url(
      Sha256(Concat(issuer.name, kZero, issuer.jwks_url, kZero, issuer.jwks_ca_pem)));
}

KeyFile::KeySets KeyFile::Load() const {
  struct stat file;
  if (path_.empty() || stat(path_.c_str(), &file) != 0) return {};
  if (static_cast<size_t>(file.st_size) <= kFileBytesMax) {
    const absl::StatusOr<std::string> bytes = ReadFile(path_);
    std::optional<KeySets> sets = Parse(bytes.ok() ? *bytes : "");
    if (sets.has_value()) return *std::move(sets);
  }
  LogWarning("saved keys of token issuers are damaged and not used", {{"file", path_}});
  return {};
}

absl::Status KeyFile::Save(const KeySets& sets) {
  if (path_.empty()) return absl::OkStatus();
  nlohmann::json json = nlohmann::json::object();
  size_t bytes = 0;
  for (const auto& [id, document] : sets) {
    bytes += document.size();
    if (bytes > kSetsBytesMax) break;
    json[id] = document;
  }
  const std::string text = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (text == saved_) return absl::OkStatus();
  const absl::Status written = WriteFile(path_, Seal(kMagic, text), 0600);
  if (written.ok()) saved_ = text;
  return written;
}

}  // namespace apk
