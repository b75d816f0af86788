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
  kTraceparent,
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
// As it is mostly spelled. REQUIRES: not kOther.
std::string_view SpellingOf(HeaderId id);

// Fields in the order received, names spelled as received and compared without case. Each is kept
// as the line that HTTP/1.1 has for it ("name: value" CRLF), so that it is written as it stands.
// Views that it gives out are valid until the next change.
class HeaderMap {
 public:
  struct Field {
    HeaderId id;
    uint16_t name_size;
    uint32_t offset;  // Of its line.
    uint32_t value_size;
  };

  void Clear();
  void Add(std::string_view name, std::string_view value);
  void Add(HeaderId id, std::string_view value);
  // Takes the bytes of many lines at once, no fields yet. REQUIRES: empty.
  void Load(std::string_view lines);
  // Makes a field of what was loaded: its line begins at `offset` and has nothing but ": " between
  // name and value, nothing but CRLF behind.
  void AddLoaded(size_t offset, std::string_view name, size_t value_size);
  // Replaces the first of that name, removes the others; adds where there was none.
  void Set(std::string_view name, std::string_view value);
  // Appends ", value" to the last of that name, so that it stands last over all; adds where there
  // was none.
  void Append(std::string_view name, std::string_view value);
  void Append(HeaderId id, std::string_view value);
  bool Remove(std::string_view name);
  void Remove(HeaderId id);
  void RemoveAt(size_t index);
  // In one pass; `remove(HeaderId, name)` says which.
  template <class Predicate>
  void RemoveIf(Predicate remove) {
    std::erase_if(fields_, [&](const Field& field) { return remove(field.id, NameOf(field)); });
  }
  // Appends the lines of those that `keep(HeaderId)` says.
  template <class Predicate>
  void AppendLines(std::string& out, Predicate keep) const {
    size_t begin = 0;  // Lines that lie together are copied together.
    size_t end = 0;
    for (const Field& field : fields_) {
      if (!keep(field.id)) continue;
      if (field.offset != end) {
        out.append(bytes_, begin, end - begin);
        begin = field.offset;
      }
      end = field.offset + LineSize(field);
    }
    out.append(bytes_, begin, end - begin);
  }

  // The first of that name.
  std::optional<std::string_view> Get(std::string_view name) const;
  std::optional<std::string_view> Get(HeaderId id) const;
  bool Has(HeaderId id) const;
  size_t Count(HeaderId id) const;

  size_t size() const { return fields_.size(); }
  HeaderId id(size_t index) const { return fields_[index].id; }
  std::string_view name(size_t index) const { return NameOf(fields_[index]); }
  std::string_view value(size_t index) const { return ValueOf(fields_[index]); }

 private:
  static constexpr size_t kColonBytes = 2;  // ": "
  static constexpr size_t kEndBytes = 2;    // CRLF

  static size_t LineSize(const Field& field) {
    return field.name_size + kColonBytes + field.value_size + kEndBytes;
  }
  std::string_view NameOf(const Field& field) const {
    return std::string_view(bytes_.data() + field.offset, field.name_size);
  }
  std::string_view ValueOf(const Field& field) const {
    return std::string_view(bytes_.data() + field.offset + field.name_size + kColonBytes,
                            field.value_size);
  }
  // Writes the line of a field behind the others. REQUIRES: the views are not of this map's own
  // bytes.
  Field MakeField(HeaderId id, std::string_view name, std::string_view value);
  void AppendTo(HeaderId id, std::string_view name, std::string_view value);
  void SetValue(size_t index, std::string_view value);
  static uint32_t Bit(HeaderId id) { return uint32_t{1} << static_cast<uint32_t>(id); }

  std::string bytes_;  // Grows only; a replaced line stays behind until Clear().
  std::vector<Field> fields_;
  // A bit each of the ids that were ever added: what was not need not be sought.
  uint32_t seen_ = 0;
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
  bool authority_rewritten = false;  // By a filter: forwarded whatever the backend's own Host is.
  std::string path;                  // Normalised, begins with '/'. Matched and forwarded.
  std::string query;                 // Without '?', as received.
  bool has_query = false;
  std::string target;   // As received; for HTTP/2 :path.
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

// Asks for nothing to be changed (RFC 9110 9.2.1).
bool IsSafe(std::string_view method);
// Can be sent again where an answer did not come (RFC 9110 9.2.2).
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
