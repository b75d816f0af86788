// The flat header store.
#include "data-plane/http/message.h"

#include <algorithm>
#include <array>

#include "common/strings.h"

namespace apk {
namespace {

struct KnownName {
  std::string_view name;
  HeaderId id;
};

constexpr std::array kKnownNames = {
    KnownName{"authorization", HeaderId::kAuthorization},
    KnownName{"connection", HeaderId::kConnection},
    KnownName{"content-length", HeaderId::kContentLength},
    KnownName{"cookie", HeaderId::kCookie},
    KnownName{"date", HeaderId::kDate},
    KnownName{"expect", HeaderId::kExpect},
    KnownName{"forwarded", HeaderId::kForwarded},
    KnownName{"host", HeaderId::kHost},
    KnownName{"http2-settings", HeaderId::kHttp2Settings},
    KnownName{"keep-alive", HeaderId::kKeepAlive},
    KnownName{"proxy-authenticate", HeaderId::kProxyAuthenticate},
    KnownName{"proxy-authorization", HeaderId::kProxyAuthorization},
    KnownName{"proxy-connection", HeaderId::kProxyConnection},
    KnownName{"server", HeaderId::kServer},
    KnownName{"te", HeaderId::kTe},
    KnownName{"trailer", HeaderId::kTrailer},
    KnownName{"transfer-encoding", HeaderId::kTransferEncoding},
    KnownName{"upgrade", HeaderId::kUpgrade},
    KnownName{"via", HeaderId::kVia},
    KnownName{"x-forwarded-for", HeaderId::kXForwardedFor},
    KnownName{"x-forwarded-host", HeaderId::kXForwardedHost},
    KnownName{"x-forwarded-port", HeaderId::kXForwardedPort},
    KnownName{"x-forwarded-proto", HeaderId::kXForwardedProto},
    KnownName{"x-request-id", HeaderId::kXRequestId},
};

// A bucket by length and first letter holds few names; most foreign names meet none.
constexpr size_t BucketOf(size_t size, char first) {
  return (size * 7 + static_cast<size_t>(first | 0x20)) % 64;
}

struct Buckets {
  std::array<std::array<uint8_t, 4>, 64> names{};  // Index + 1 into kKnownNames; 0 is empty.
};

constexpr Buckets MakeBuckets() {
  Buckets buckets;
  for (size_t i = 0; i < kKnownNames.size(); ++i) {
    auto& bucket = buckets.names[BucketOf(kKnownNames[i].name.size(), kKnownNames[i].name[0])];
    size_t slot = 0;
    while (bucket.at(slot) != 0) ++slot;  // Not constant if a bucket overflows: a compile error.
    bucket.at(slot) = static_cast<uint8_t>(i + 1);
  }
  return buckets;
}

constexpr Buckets kBuckets = MakeBuckets();

}  // namespace

HeaderId HeaderIdOf(std::string_view name) {
  if (name.empty()) return HeaderId::kOther;
  for (const uint8_t index : kBuckets.names[BucketOf(name.size(), name[0])]) {
    if (index == 0) break;
    const KnownName& known = kKnownNames[index - 1];
    if (EqualsIgnoreCase(known.name, name)) return known.id;
  }
  return HeaderId::kOther;
}

void HeaderMap::Clear() {
  bytes_.clear();
  fields_.clear();
}

void HeaderMap::Add(std::string_view name, std::string_view value) {
  Field field{.id = HeaderIdOf(name),
              .name_size = static_cast<uint16_t>(name.size()),
              .name_offset = static_cast<uint32_t>(bytes_.size()),
              .value_offset = static_cast<uint32_t>(bytes_.size() + name.size()),
              .value_size = static_cast<uint32_t>(value.size())};
  bytes_.append(name);
  bytes_.append(value);
  fields_.push_back(field);
}

void HeaderMap::Set(std::string_view name, std::string_view value) {
  bool found = false;
  for (size_t i = 0; i < fields_.size();) {
    if (!EqualsIgnoreCase(this->name(i), name)) {
      ++i;
    } else if (found) {
      RemoveAt(i);
    } else {
      found = true;
      fields_[i].value_offset = static_cast<uint32_t>(bytes_.size());
      fields_[i].value_size = static_cast<uint32_t>(value.size());
      bytes_.append(value);
      ++i;
    }
  }
  if (!found) Add(name, value);
}

void HeaderMap::Append(std::string_view name, std::string_view value) {
  for (size_t i = fields_.size(); i-- > 0;) {
    if (!EqualsIgnoreCase(this->name(i), name)) continue;
    const std::string joined =
        this->value(i).empty() ? std::string(value) : Concat(this->value(i), ", ", value);
    fields_[i].value_offset = static_cast<uint32_t>(bytes_.size());
    fields_[i].value_size = static_cast<uint32_t>(joined.size());
    bytes_.append(joined);
    return;
  }
  Add(name, value);
}

bool HeaderMap::Remove(std::string_view name) {
  return std::erase_if(fields_, [&](const Field& field) {
           return EqualsIgnoreCase(
               std::string_view(bytes_).substr(field.name_offset, field.name_size), name);
         }) > 0;
}

void HeaderMap::Remove(HeaderId id) {
  std::erase_if(fields_, [id](const Field& field) { return field.id == id; });
}

void HeaderMap::RemoveAt(size_t index) {
  fields_.erase(fields_.begin() + static_cast<ptrdiff_t>(index));
}

std::optional<std::string_view> HeaderMap::Get(std::string_view name) const {
  for (size_t i = 0; i < fields_.size(); ++i) {
    if (EqualsIgnoreCase(this->name(i), name)) return value(i);
  }
  return std::nullopt;
}

std::optional<std::string_view> HeaderMap::Get(HeaderId id) const {
  for (size_t i = 0; i < fields_.size(); ++i) {
    if (fields_[i].id == id) return value(i);
  }
  return std::nullopt;
}

bool HeaderMap::Has(HeaderId id) const {
  return std::any_of(fields_.begin(), fields_.end(),
                     [id](const Field& field) { return field.id == id; });
}

size_t HeaderMap::Count(HeaderId id) const {
  return static_cast<size_t>(std::count_if(fields_.begin(), fields_.end(),
                                           [id](const Field& field) { return field.id == id; }));
}

void RequestHead::Clear() {
  method.clear();
  host.clear();
  authority.clear();
  path.clear();
  query.clear();
  has_query = false;
  major_version = 1;
  minor_version = 1;
  keep_alive = true;
  expect_continue = false;
  websocket = false;
  framing = BodyFraming();
  headers.Clear();
}

void ResponseHead::Clear() {
  status = 0;
  reason.clear();
  minor_version = 1;
  keep_alive = true;
  framing = BodyFraming();
  headers.Clear();
}

bool IsIdempotent(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "PUT" || method == "DELETE" ||
         method == "OPTIONS" || method == "TRACE";
}

}  // namespace apk
