// JSON by nlohmann, signatures by OpenSSL.
#include "control-plane/identity/token_issuer.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>

#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "common/private_file.h"
#include "common/status_macros.h"
#include "common/strings.h"

namespace apk {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kClientId = "45f1c5c8-a92e-11ed-afa1-0242ac120002";
constexpr std::string_view kClientSecret = "4fbd62ec-a92e-11ed-afa1-0242ac120002";
constexpr char kAudience[] = "aud1";

std::string Base64Url(std::string_view bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  text.resize(static_cast<size_t>(size));
  while (text.ends_with('=')) text.pop_back();
  for (char& c : text) {
    if (c == '+') c = '-';
    if (c == '/') c = '_';
  }
  return text;
}

std::optional<std::string> DecodeBase64(std::string_view text) {
  if (text.empty() || text.size() % 4 != 0 || text.size() > 4096) return std::nullopt;
  std::string bytes(text.size() / 4 * 3, '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()),
                                   static_cast<int>(text.size()));
  if (size < 0) return std::nullopt;
  size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  bytes.resize(static_cast<size_t>(size) - padding);
  return bytes;
}

std::string BigNumber(EVP_PKEY* key, const char* parameter) {
  BIGNUM* number = nullptr;
  if (EVP_PKEY_get_bn_param(key, parameter, &number) != 1) return "";
  std::string bytes(static_cast<size_t>(BN_num_bytes(number)), '\0');
  BN_bn2bin(number, reinterpret_cast<unsigned char*>(bytes.data()));
  BN_free(number);
  return Base64Url(bytes);
}

// One name or value of application/x-www-form-urlencoded; nullopt when it is broken.
std::optional<std::string> DecodeFormText(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      decoded += ' ';
    } else if (text[i] != '%') {
      decoded += text[i];
    } else {
      if (i + 2 >= text.size()) return std::nullopt;
      const std::string digits(text.substr(i + 1, 2));
      if (digits.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos)
        return std::nullopt;
      decoded += static_cast<char>(std::stoi(digits, nullptr, 16));
      i += 2;
    }
  }
  return decoded;
}

// nullopt when the form is broken or names a parameter twice (RFC 6749 3.2).
std::optional<std::map<std::string, std::string>> ParseForm(std::string_view body) {
  std::map<std::string, std::string> form;
  if (body.empty()) return form;
  for (const std::string_view pair : Split(body, '&')) {
    const size_t equals = pair.find('=');
    const auto name = DecodeFormText(pair.substr(0, equals));
    const auto value = DecodeFormText(equals == std::string_view::npos ? std::string_view()
                                                                       : pair.substr(equals + 1));
    if (!name.has_value() || !value.has_value() || !form.emplace(*name, *value).second) {
      return std::nullopt;
    }
  }
  return form;
}

TokenResponse JsonResponse(int status, const Json& body) {
  TokenResponse response;
  response.status = status;
  response.headers = {
      {"Content-Type", "application/json"}, {"Cache-Control", "no-store"}, {"Pragma", "no-cache"}};
  response.body = body.dump();
  return response;
}

TokenResponse OAuthError(int status, std::string_view error, std::string_view description) {
  TokenResponse response =
      JsonResponse(status, {{"error", error}, {"error_description", description}});
  if (status == 401) response.headers.emplace_back("WWW-Authenticate", "Basic realm=\"APK\"");
  return response;
}

TokenResponse PlainError(int status, std::string_view allow) {
  TokenResponse response = JsonResponse(status, {{"error", "invalid_request"}});
  if (!allow.empty()) response.headers.emplace_back("Allow", allow);
  return response;
}

bool EqualSecrets(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

struct ClientCredentials {
  bool given = false;
  bool both = false;
  std::string id;
  std::string secret;
};

ClientCredentials ReadCredentials(const TokenRequest& request,
                                  const std::map<std::string, std::string>& form) {
  ClientCredentials credentials;
  const std::string_view authorization = request.authorization;
  if (!authorization.empty()) {
    credentials.given = true;
    credentials.both = form.contains("client_secret");
    if (authorization.size() < 6 || !EqualsIgnoreCase(authorization.substr(0, 6), "Basic ")) {
      return credentials;
    }
    const auto decoded = DecodeBase64(TrimSpace(authorization.substr(6)));
    const size_t colon = decoded.has_value() ? decoded->find(':') : std::string::npos;
    if (colon == std::string::npos) return credentials;
    // RFC 6749 2.3.1: both are form-encoded before they are put together.
    credentials.id = DecodeFormText(decoded->substr(0, colon)).value_or("");
    credentials.secret = DecodeFormText(decoded->substr(colon + 1)).value_or("");
    const auto id = form.find("client_id");
    credentials.both = credentials.both || (id != form.end() && id->second != credentials.id);
    return credentials;
  }
  if (const auto id = form.find("client_id"); id != form.end()) {
    credentials.given = true;
    credentials.id = id->second;
    if (const auto secret = form.find("client_secret"); secret != form.end()) {
      credentials.secret = secret->second;
    }
  }
  return credentials;
}

std::string RandomHex(size_t bytes) {
  std::string raw(bytes, '\0');
  RAND_bytes(reinterpret_cast<unsigned char*>(raw.data()), static_cast<int>(bytes));
  return Hex(raw);
}

std::string SignRs256(EVP_PKEY* key, std::string_view input) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        &EVP_MD_CTX_free);
  const auto* const bytes = reinterpret_cast<const unsigned char*>(input.data());
  size_t size = 0;
  if (EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key) != 1 ||
      EVP_DigestSign(context.get(), nullptr, &size, bytes, input.size()) != 1) {
    return "";
  }
  std::string signature(size, '\0');
  if (EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                     bytes, input.size()) != 1) {
    return "";
  }
  signature.resize(size);
  return signature;
}

}  // namespace

bool IsScope(std::string_view scope) {
  constexpr size_t kBytesMax = 1024;
  char before = ' ';
  for (const char c : scope) {
    if (c < 0x20 || c > 0x7e || c == '"' || c == '\\' || (c == ' ' && before == ' ')) return false;
    before = c;
  }
  return before != ' ' && scope.size() <= kBytesMax;
}

TokenResponse UnreadableRequest(int status, std::string_view description) {
  return OAuthError(status, "invalid_request", description);
}

absl::StatusOr<std::unique_ptr<TokenIssuer>> TokenIssuer::Open(const std::string& key_path) {
  absl::StatusOr<std::string> pem = ReadPrivateFile(key_path);
  if (absl::IsNotFound(pem.status())) {
    ASSIGN_OR_RETURN(pem, NewKey());
    RETURN_IF_ERROR(WriteFile(key_path, *pem, 0600));
  }
  RETURN_IF_ERROR(pem.status());
  absl::StatusOr<std::unique_ptr<TokenIssuer>> issuer = FromKey(*pem);
  if (issuer.ok()) return issuer;
  return absl::DataLossError(Concat(key_path, ": ", std::string(issuer.status().message()),
                                    ": remove it to have a new one made; tokens that were issued "
                                    "are then refused"));
}

absl::StatusOr<std::string> TokenIssuer::NewKey() {
  const std::shared_ptr<EVP_PKEY> key(EVP_RSA_gen(2048), &EVP_PKEY_free);
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()), &BIO_free);
  if (key == nullptr || PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0,
                                                      nullptr, nullptr) != 1) {
    return absl::InternalError("the token issuer's key could not be made");
  }
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<size_t>(size));
}

absl::StatusOr<std::unique_ptr<TokenIssuer>> TokenIssuer::FromKey(const std::string& key_pem) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(
      BIO_new_mem_buf(key_pem.data(), static_cast<int>(key_pem.size())), &BIO_free);
  auto issuer = std::unique_ptr<TokenIssuer>(new TokenIssuer());
  issuer->key_ = std::shared_ptr<EVP_PKEY>(
      PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr), &EVP_PKEY_free);
  if (issuer->key_ == nullptr) return absl::DataLossError("there is no private key in it");
  RETURN_IF_ERROR(issuer->DescribeKey());
  return issuer;
}

absl::Status TokenIssuer::DescribeKey() {
  const std::string modulus = BigNumber(key_.get(), OSSL_PKEY_PARAM_RSA_N);
  const std::string exponent = BigNumber(key_.get(), OSSL_PKEY_PARAM_RSA_E);
  if (modulus.empty() || exponent.empty())
    return absl::DataLossError("the signing key is no RSA key");
  const std::string canonical =
      Concat("{\"e\":\"", exponent, "\",\"kty\":\"RSA\",\"n\":\"", modulus, "\"}");
  std::string digest(32, '\0');
  EVP_Digest(canonical.data(), canonical.size(), reinterpret_cast<unsigned char*>(digest.data()),
             nullptr, EVP_sha256(), nullptr);
  key_id_ = Base64Url(digest);
  Json key = {{"kty", "RSA"},   {"use", "sig"}, {"alg", "RS256"},
              {"kid", key_id_}, {"n", modulus}, {"e", exponent}};
  Json keys;
  keys["keys"] = Json::array({key});
  jwks_ = keys.dump();
  return absl::OkStatus();
}

std::string TokenIssuer::Issue(const std::string& scope, int64_t now) const {
  const Json header = {{"alg", "RS256"}, {"typ", "JWT"}, {"kid", key_id_}};
  const Json claims = {
      {"iss", kIssuer}, {"sub", kClientId}, {"aud", kAudience},     {"exp", now + kLifetimeSeconds},
      {"nbf", now},     {"iat", now},       {"jti", RandomHex(16)}, {"clientId", kClientId},
      {"scope", scope}};
  const std::string input = Concat(Base64Url(header.dump()), ".", Base64Url(claims.dump()));
  const std::string signature = SignRs256(key_.get(), input);
  return signature.empty() ? "" : Concat(input, ".", Base64Url(signature));
}

TokenResponse TokenIssuer::Serve(const TokenRequest& request, int64_t now) const {
  if (request.path == "/oauth2/token") {
    return request.method == "POST" ? Token(request, now) : PlainError(405, "POST");
  }
  if (request.path == "/oauth2/jwks" || request.path == "/oauth2/keys") {
    if (request.method != "GET" && request.method != "HEAD") return PlainError(405, "GET, HEAD");
    TokenResponse response;
    response.headers = {{"Content-Type", "application/json"}, {"Cache-Control", "max-age=300"}};
    response.body = jwks_;
    return response;
  }
  return PlainError(404, "");
}

TokenResponse TokenIssuer::Token(const TokenRequest& request, int64_t now) const {
  const std::string_view media_type =
      TrimSpace(request.content_type.substr(0, request.content_type.find(';')));
  if (!EqualsIgnoreCase(media_type, "application/x-www-form-urlencoded")) {
    return OAuthError(400, "invalid_request",
                      "Send the parameters as application/x-www-form-urlencoded");
  }
  const auto form = ParseForm(request.body);
  if (!form.has_value()) {
    return OAuthError(400, "invalid_request", "The form is malformed or repeats a parameter");
  }
  const ClientCredentials client = ReadCredentials(request, *form);
  if (client.both) {
    return OAuthError(400, "invalid_request",
                      "Authenticate in one way, not in two, and as one client");
  }
  if (!client.given) return OAuthError(401, "invalid_client", "Client authentication is missing");
  // Both are compared in any case, so that time tells nothing.
  const bool known_id = EqualSecrets(client.id, kClientId);
  const bool known_secret = EqualSecrets(client.secret, kClientSecret);
  if (!known_id || !known_secret) {
    return OAuthError(401, "invalid_client", "The client id or secret is wrong");
  }
  const auto grant = form->find("grant_type");
  if (grant == form->end() || grant->second.empty()) {
    return OAuthError(400, "invalid_request", "grant_type is missing");
  }
  if (grant->second != "client_credentials") {
    return OAuthError(400, "unsupported_grant_type", "Only client_credentials is supported");
  }
  const auto wanted = form->find("scope");
  const std::string scope =
      wanted == form->end() || wanted->second.empty() ? "default" : wanted->second;
  if (!IsScope(scope)) return OAuthError(400, "invalid_scope", "The scope is malformed");
  const std::string token = Issue(scope, now);
  if (token.empty()) return OAuthError(500, "server_error", "Signing failed");
  return JsonResponse(200, {{"access_token", token},
                            {"token_type", "Bearer"},
                            {"expires_in", kLifetimeSeconds},
                            {"scope", scope}});
}

}  // namespace apk
