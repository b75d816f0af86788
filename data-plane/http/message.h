// A request and a response head as the gateway works with them. Plain values; one connection reuses
// its heads, so that a request in steady state allocates nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace apk {

// Names that the gateway itself reads or writes, for a quick look-up.
enum class HeaderId : uint8_t {
  kOther,
  kAuthorization,
  kConnection,
  kContentLength,
  kCookie,
  kDate,
  kExpect,
  kForwarded,
  kHost,
  kHttp2Settings,
  kKeepAlive,
  kProxyAuthenticate,
  kProxyAuthorization,
  kProxyConnection,
  kServer,
  kTe,
  kTrailer,
  kTransferEncoding,
  kUpgrade,
  kVia,
  kXForwardedFor,
  kXForwardedHost,
  kXForwardedPort,
  kXForwardedProto,
  kXRequestId,
};

HeaderId HeaderIdOf(std::string_view name);

// Fields in the order received, names spelled as received and compared without case. Views that it
// gives out are valid until the next change.
class HeaderMap {
 public:
  struct Field {
    HeaderId id;
    uint16_t name_size;
    uint32_t name_offset;
    uint32_t value_offset;
    uint32_t value_size;
  };

  void Clear();
  void Add(std::string_view name, std::string_view value);
  // Replaces the first of that name, removes the others; adds where there was none.
  void Set(std::string_view name, std::string_view value);
  // Appends ", value" to the last of that name, so that it stands last over all; adds where there
  // was none.
  void Append(std::string_view name, std::string_view value);
  bool Remove(std::string_view name);
  void Remove(HeaderId id);
  void RemoveAt(size_t index);
  // In one pass; `remove(HeaderId, name)` says which.
  template <class Predicate>
  void RemoveIf(Predicate remove) {
    std::erase_if(fields_, [&](const Field& field) {
      return remove(field.id, std::string_view(bytes_).substr(field.name_offset, field.name_size));
    });
  }

  // The first of that name.
  std::optional<std::string_view> Get(std::string_view name) const;
  std::optional<std::string_view> Get(HeaderId id) const;
  bool Has(HeaderId id) const;
  size_t Count(HeaderId id) const;

  size_t size() const { return fields_.size(); }
  HeaderId id(size_t index) const { return fields_[index].id; }
  std::string_view name(size_t index) const {
    const Field& field = fields_[index];
    return std::string_view(bytes_).substr(field.name_offset, field.name_size);
  }
  std::string_view value(size_t index) const {
    const Field& field = fields_[index];
    return std::string_view(bytes_).substr(field.value_offset, field.value_size);
  }

 private:
  std::string bytes_;  // Grows only; a replaced value stays behind until Clear().
  std::vector<Field> fields_;
};

struct BodyFraming {
  enum class Kind : uint8_t { kNone, kLength, kChunked, kUntilClose };
  Kind kind = Kind::kNone;
  uint64_t length = 0;  // kLength only.
};

struct RequestHead {
  std::string method;
  std::string host;       // Lower case, without port; "" only for HTTP/1.0.
  std::string authority;  // Host as received, with port: what is forwarded where Host is kept.
  std::string path;       // Normalised, begins with '/'. Matched and forwarded.
  std::string query;      // Without '?', as received.
  bool has_query = false;
  bool secure = false;  // Came over TLS.
  uint8_t major_version = 1;
  uint8_t minor_version = 1;  // Of HTTP/1.
  bool keep_alive = true;     // The client would keep the connection.
  bool expect_continue = false;
  bool websocket = false;  // Asks to go on as a WebSocket (RFC 6455; RFC 8441).
  BodyFraming framing;
  HeaderMap headers;

  void Clear();
};

// Safe to send again where an answer did not come (RFC 9110 9.2.2).
bool IsIdempotent(std::string_view method);

struct ResponseHead {
  uint16_t status = 0;
  std::string reason;
  uint8_t minor_version = 1;
  bool keep_alive = true;  // The backend would keep the connection.
  BodyFraming framing;
  HeaderMap headers;

  void Clear();
};

}  // namespace apk
