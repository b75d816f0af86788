// Lengths are read through a cursor that never leaves its piece.
#include "data-plane/net/client_hello.h"

#include <algorithm>

#include "common/strings.h"

namespace apk {
namespace {

constexpr uint8_t kHandshakeRecord = 22;
constexpr uint8_t kClientHelloMessage = 1;
constexpr uint16_t kServerNameExtension = 0;
constexpr size_t kRecordBytesMax = 16 * 1024;
constexpr size_t kNameBytesMax = 253;

class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : rest_(bytes) {}

  bool ok() const { return ok_; }
  bool empty() const { return rest_.empty(); }
  size_t Number(size_t bytes) {
    size_t number = 0;
    for (const char c : Take(bytes)) number = number << 8 | static_cast<unsigned char>(c);
    return number;
  }
  std::string_view Take(size_t bytes) {
    ok_ = ok_ && bytes <= rest_.size();
    if (!ok_) return {};
    const std::string_view taken = rest_.substr(0, bytes);
    rest_.remove_prefix(bytes);
    return taken;
  }
  // A piece that says its own length first, in so many bytes.
  std::string_view Vector(size_t length_bytes) { return Take(Number(length_bytes)); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

bool IsHostName(std::string_view name) {
  return !name.empty() && name.size() <= kNameBytesMax &&
         std::all_of(name.begin(), name.end(), [](char c) {
           const char lower = AsciiLower(c);
           return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
                  c == '.' || c == '_';
         });
}

bool ReadHello(std::string_view message, std::string& server_name) {
  Cursor hello(message);
  hello.Take(2 + 32);  // legacy_version, random
  hello.Vector(1);     // legacy_session_id
  hello.Vector(2);     // cipher_suites
  hello.Vector(1);     // legacy_compression_methods
  if (!hello.ok()) return false;
  if (hello.empty()) return true;  // TLS 1.2 may do without extensions.
  Cursor extensions(hello.Vector(2));
  if (!hello.ok() || !hello.empty()) return false;
  while (!extensions.empty()) {
    const size_t type = extensions.Number(2);
    const std::string_view body = extensions.Vector(2);
    if (!extensions.ok()) return false;
    if (type == kServerNameExtension && !ReadServerNameExtension(body, server_name)) return false;
  }
  return true;
}

}  // namespace

bool ReadServerNameExtension(std::string_view body, std::string& name) {
  Cursor extension(body);
  Cursor list(extension.Vector(2));
  if (!extension.ok() || !extension.empty()) return false;
  // The list has one entry in fact, a host_name (RFC 6066 3 allows one of each type).
  const size_t type = list.Number(1);
  const std::string_view host = list.Vector(2);
  if (!list.ok() || !list.empty() || type != 0 || !IsHostName(host)) return false;
  name = ToLower(host);
  return true;
}

ClientHello ParseClientHello(std::string_view bytes) {
  ClientHello hello;
  const auto malformed = [&hello]() -> ClientHello& {
    hello.state = ClientHello::State::kMalformed;
    return hello;
  };
  // The message may be cut into several records.
  std::string message;
  while (!bytes.empty()) {
    if (static_cast<uint8_t>(bytes[0]) != kHandshakeRecord) return malformed();
    if (bytes.size() >= 2 && bytes[1] != 3) return malformed();
    if (bytes.size() < 5) return hello;
    Cursor header(bytes.substr(3, 2));
    const size_t size = header.Number(2);
    if (size == 0 || size > kRecordBytesMax) return malformed();
    message += bytes.substr(5, size);
    if (!message.empty() && message[0] != kClientHelloMessage) return malformed();
    if (message.size() >= 4) {
      const size_t length = Cursor(std::string_view(message).substr(1, 3)).Number(3);
      if (length > kClientHelloBytesMax) return malformed();
      if (message.size() >= 4 + length) {
        if (!ReadHello(std::string_view(message).substr(4, length), hello.server_name)) {
          return malformed();
        }
        hello.state = ClientHello::State::kComplete;
        return hello;
      }
    }
    if (bytes.size() < 5 + size) return hello;
    bytes.remove_prefix(5 + size);
  }
  return hello;
}

}  // namespace apk
