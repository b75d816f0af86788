// Nothing here knows what the records mean.
#include "data-plane/net/record_cipher.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>

#include <algorithm>

namespace apk {
namespace {

constexpr int kTagBytes = 16;
constexpr unsigned char kOuterType = 23;  // Whatever is in it.

// HKDF-Expand-Label without a context. REQUIRES: no more than the digest has.
template <size_t kSize>
bool Derive(const RecordSuite& suite, const unsigned char* secret, std::string_view label,
            std::array<unsigned char, kSize>& out, size_t size) {
  std::string info;
  info += '\0';
  info += static_cast<char>(size);
  info += static_cast<char>(6 + label.size());
  info.append("tls13 ").append(label);
  info.append(1, '\0').append(1, '\1');
  unsigned char block[EVP_MAX_MD_SIZE];
  unsigned block_size = 0;
  const bool made = HMAC(suite.digest, secret, static_cast<int>(suite.secret_bytes),
                         reinterpret_cast<const unsigned char*>(info.data()), info.size(), block,
                         &block_size) != nullptr &&
                    block_size >= size;
  if (made) std::copy_n(block, size, out.begin());
  OPENSSL_cleanse(block, sizeof block);
  return made;
}

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

const RecordSuite* FindRecordSuite(uint16_t number) {
  // Fetched once: to look a cipher up takes longer than to seal a short record.
  static const RecordSuite kAes128{EVP_CIPHER_fetch(nullptr, "AES-128-GCM", nullptr), EVP_sha256(),
                                   32, 16};
  static const RecordSuite kAes256{EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr), EVP_sha384(),
                                   48, 32};
  static const RecordSuite kChaCha{EVP_CIPHER_fetch(nullptr, "ChaCha20-Poly1305", nullptr),
                                   EVP_sha256(), 32, 32};
  const RecordSuite* suite = nullptr;
  if (number == 0x1301) suite = &kAes128;
  if (number == 0x1302) suite = &kAes256;
  if (number == 0x1303) suite = &kChaCha;
  return suite == nullptr || suite->cipher == nullptr ? nullptr : suite;
}

RecordCipher::RecordCipher(const RecordSuite& suite, Direction direction, std::string_view secret,
                           uint64_t sequence)
    : suite_(suite), direction_(direction), sequence_(sequence) {
  std::copy_n(Bytes(secret), suite_.secret_bytes, secret_.begin());
}

RecordCipher::~RecordCipher() {
  OPENSSL_cleanse(secret_.data(), secret_.size());
  OPENSSL_cleanse(iv_.data(), iv_.size());
}

// Readies the cipher for the next record.
bool RecordCipher::Begin(const unsigned char* header) {
  if (broken_) return false;
  const int sealing = direction_ == Direction::kSeal ? 1 : 0;
  if (context_ == nullptr) {
    std::array<unsigned char, 32> key;
    context_.reset(EVP_CIPHER_CTX_new());
    const bool ready =
        context_ != nullptr && Derive(suite_, secret_.data(), "key", key, suite_.key_bytes) &&
        Derive(suite_, secret_.data(), "iv", iv_, iv_.size()) &&
        EVP_CipherInit_ex(context_.get(), suite_.cipher, nullptr, key.data(), nullptr, sealing) ==
            1;
    OPENSSL_cleanse(key.data(), key.size());
    if (!ready) {
      context_.reset();
      return false;
    }
  }
  std::array<unsigned char, 12> nonce = iv_;
  for (size_t i = 0; i < 8; ++i) {
    nonce[nonce.size() - 1 - i] ^= static_cast<unsigned char>(sequence_ >> (8 * i));
  }
  ++sequence_;
  int size = 0;
  return EVP_CipherInit_ex(context_.get(), nullptr, nullptr, nullptr, nonce.data(), sealing) == 1 &&
         EVP_CipherUpdate(context_.get(), nullptr, &size, header, kHeaderBytes) == 1;
}

bool RecordCipher::Seal(ContentType type, std::span<const std::string_view> parts,
                        std::string& out) {
  size_t sealed_size = 1 + kTagBytes;
  for (const std::string_view part : parts) sealed_size += part.size();
  const unsigned char header[kHeaderBytes] = {kOuterType, 3, 3,
                                              static_cast<unsigned char>(sealed_size >> 8),
                                              static_cast<unsigned char>(sealed_size)};
  const size_t begin = out.size();
  out.append(reinterpret_cast<const char*>(header), kHeaderBytes);
  out.resize(begin + kHeaderBytes + sealed_size);
  auto* to = reinterpret_cast<unsigned char*>(out.data()) + begin + kHeaderBytes;
  bool sealed = Begin(header);
  const auto add = [&](std::string_view piece) {
    int size = 0;
    sealed = sealed && EVP_CipherUpdate(context_.get(), to, &size, Bytes(piece),
                                        static_cast<int>(piece.size())) == 1;
    to += size;
  };
  for (const std::string_view part : parts) add(part);
  const char inner_type = static_cast<char>(type);
  add(std::string_view(&inner_type, 1));
  int rest = 0;
  sealed = sealed && EVP_CipherFinal_ex(context_.get(), to, &rest) == 1 &&
           EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_GET_TAG, kTagBytes, to) == 1;
  if (!sealed) out.resize(begin);
  return sealed;
}

std::optional<RecordCipher::Opened> RecordCipher::Open(std::span<char> record) {
  if (record.size() < kHeaderBytes + 1 + kTagBytes) return std::nullopt;
  auto* const bytes = reinterpret_cast<unsigned char*>(record.data());
  unsigned char* const sealed = bytes + kHeaderBytes;
  const size_t size = record.size() - kHeaderBytes - kTagBytes;
  int opened = 0;
  int rest = 0;
  if (!Begin(bytes) ||
      EVP_CipherUpdate(context_.get(), sealed, &opened, sealed, static_cast<int>(size)) != 1 ||
      EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_SET_TAG, kTagBytes, sealed + size) != 1 ||
      EVP_CipherFinal_ex(context_.get(), sealed + opened, &rest) != 1) {
    return std::nullopt;
  }
  const std::string_view inner(record.data() + kHeaderBytes, size);
  const size_t last = inner.find_last_not_of('\0');
  if (last == std::string_view::npos) return Opened{.type = 0, .content = {}};
  return Opened{.type = static_cast<uint8_t>(inner[last]), .content = inner.substr(0, last)};
}

bool RecordCipher::Update() {
  std::array<unsigned char, 48> next{};
  broken_ = broken_ || !Derive(suite_, secret_.data(), "traffic upd", next, suite_.secret_bytes);
  secret_ = next;
  OPENSSL_cleanse(next.data(), next.size());
  sequence_ = 0;
  context_.reset();
  return !broken_;
}

}  // namespace apk
