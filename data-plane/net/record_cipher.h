// One direction of a TLS 1.3 connection: records sealed, or opened, with the keys of one traffic
// secret after another (RFC 8446 5.2, 7.2, 7.3). The handshake that agreed on the first one was
// OpenSSL's.
#pragma once

#include <openssl/evp.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace apk {

// As a TLS 1.3 suite defines them.
struct RecordSuite {
  const EVP_CIPHER* cipher;
  const EVP_MD* digest;
  size_t secret_bytes;
  size_t key_bytes;
};

// By the number of the suite; nullptr where it is none that is known here. Lives for ever.
const RecordSuite* FindRecordSuite(uint16_t number);

enum class ContentType : uint8_t { kAlert = 21, kHandshake = 22, kApplicationData = 23 };

class RecordCipher {
 public:
  static constexpr size_t kHeaderBytes = 5;
  static constexpr size_t kPlainBytesMax = 16 * 1024;
  static constexpr size_t kSealedBytesMax = kPlainBytesMax + 256;  // Without the header.
  static constexpr size_t kOverheadBytes = 5 + 1 + 16;

  enum class Direction : uint8_t { kSeal, kOpen };

  // `sequence`: how many records were sealed, or opened, with the secret already.
  // REQUIRES: as many bytes of it as the suite has.
  RecordCipher(const RecordSuite& suite, Direction direction, std::string_view secret,
               uint64_t sequence);
  ~RecordCipher();
  RecordCipher(const RecordCipher&) = delete;
  RecordCipher& operator=(const RecordCipher&) = delete;

  // Appends the record of all `parts`, at most kPlainBytesMax; false where OpenSSL fails.
  bool Seal(ContentType type, std::span<const std::string_view> parts, std::string& out);

  struct Opened {
    uint8_t type;  // 0: there is nothing but padding.
    std::string_view content;
  };
  // `record`: the header and what it announces, which is opened in place. nullopt: it is not the
  // peer's.
  std::optional<Opened> Open(std::span<char> record);

  // Goes on with the next secret. False where OpenSSL fails: nothing is sealed or opened any more,
  // since the secret that is there has been used.
  bool Update();
  // Of the secret in use.
  uint64_t sequence() const { return sequence_; }
  // Gives back what can be made of the secret again, for as long as nothing is to be done.
  void Rest() { context_.reset(); }

 private:
  bool Begin(const unsigned char* header);

  const RecordSuite& suite_;
  const Direction direction_;
  std::array<unsigned char, 48> secret_;
  std::array<unsigned char, 12> iv_{};
  uint64_t sequence_;
  bool broken_ = false;
  std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context_{nullptr,
                                                                           &EVP_CIPHER_CTX_free};
};

}  // namespace apk
