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

// In the order of the ids.
constexpr std::array kKnownNames = {
    KnownName{"Authorization", HeaderId::kAuthorization},
    KnownName{"Connection", HeaderId::kConnection},
    KnownName{"Content-Length", HeaderId::kContentLength},
    KnownName{"Cookie", HeaderId::kCookie},
    KnownName{"Date", HeaderId::kDate},
    KnownName{"Expect", HeaderId::kExpect},
    KnownName{"Forwarded", HeaderId::kForwarded},
    KnownName{"Host", HeaderId::kHost},
    KnownName{"HTTP2-Settings", HeaderId::kHttp2Settings},
    KnownName{"Keep-Alive", HeaderId::kKeepAlive},
    KnownName{"Proxy-Authenticate", HeaderId::kProxyAuthenticate},
    KnownName{"Proxy-Authorization", HeaderId::kProxyAuthorization},
    KnownName{"Proxy-Connection", HeaderId::kProxyConnection},
    KnownName{"Server", HeaderId::kServer},
    KnownName{"TE", HeaderId::kTe},
    KnownName{"Traceparent", HeaderId::kTraceparent},
    KnownName{"Trailer", HeaderId::kTrailer},
    KnownName{"Transfer-Encoding", HeaderId::kTransferEncoding},
    KnownName{"Upgrade", HeaderId::kUpgrade},
    KnownName{"Via", HeaderId::kVia},
    KnownName{"X-Forwarded-For", HeaderId::kXForwardedFor},
    KnownName{"X-Forwarded-Host", HeaderId::kXForwardedHost},
    KnownName{"X-Forwarded-Port", HeaderId::kXForwardedPort},
    KnownName{"X-Forwarded-Proto", HeaderId::kXForwardedProto},
    KnownName{"X-Request-Id", HeaderId::kXRequestId},
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

constexpr bool InOrderOfIds() {
  for (size_t i = 0; i < kKnownNames.size(); ++i) {
    if (static_cast<size_t>(kKnownNames[i].id) != i + 1) return false;
  }
  return true;
}
static_assert(InOrderOfIds());

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

std::string_view SpellingOf(HeaderId id) { return kKnownNames[static_cast<size_t>(id) - 1].name; }

void HeaderMap::Clear() {
  bytes_.clear();
  fields_.clear();
  seen_ = 0;
}

HeaderMap::Field HeaderMap::MakeField(HeaderId id, std::string_view name, std::string_view value) {
  const Field field{.id = id,
                    .name_size = static_cast<uint16_t>(name.size()),
                    .offset = static_cast<uint32_t>(bytes_.size()),
                    .value_size = static_cast<uint32_t>(value.size())};
  bytes_.append(name).append(": ", kColonBytes).append(value).append("\r\n", kEndBytes);
  seen_ |= Bit(field.id);
  return field;
}

void HeaderMap::Add(std::string_view name, std::string_view value) {
  fields_.push_back(MakeField(HeaderIdOf(name), name, value));
}

void HeaderMap::Add(HeaderId id, std::string_view value) {
  fields_.push_back(MakeField(id, SpellingOf(id), value));
}

void HeaderMap::Load(std::string_view lines) { bytes_.assign(lines); }

void HeaderMap::AddLoaded(size_t offset, std::string_view name, size_t value_size) {
  const Field field{.id = HeaderIdOf(name),
                    .name_size = static_cast<uint16_t>(name.size()),
                    .offset = static_cast<uint32_t>(offset),
                    .value_size = static_cast<uint32_t>(value_size)};
  seen_ |= Bit(field.id);
  fields_.push_back(field);
}

void HeaderMap::SetValue(size_t index, std::string_view value) {
  const std::string name(this->name(index));  // The bytes that it lies in are about to grow.
  fields_[index] = MakeField(fields_[index].id, name, value);
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
      SetValue(i, value);
      ++i;
    }
  }
  if (!found) Add(name, value);
}

void HeaderMap::Append(std::string_view name, std::string_view value) {
  AppendTo(HeaderIdOf(name), name, value);
}

void HeaderMap::Append(HeaderId id, std::string_view value) { AppendTo(id, SpellingOf(id), value); }

void HeaderMap::AppendTo(HeaderId id, std::string_view name, std::string_view value) {
  const bool sought = id == HeaderId::kOther || (seen_ & Bit(id)) != 0;
  for (size_t i = sought ? fields_.size() : 0; i-- > 0;) {
    if (fields_[i].id != id || !EqualsIgnoreCase(this->name(i), name)) continue;
    SetValue(i, this->value(i).empty() ? std::string(value) : Concat(this->value(i), ", ", value));
    return;
  }
  fields_.push_back(MakeField(id, name, value));
}

bool HeaderMap::Remove(std::string_view name) {
  return std::erase_if(fields_, [&](const Field& field) {
           return EqualsIgnoreCase(NameOf(field), name);
         }) > 0;
}

void HeaderMap::Remove(HeaderId id) {
  if ((seen_ & Bit(id)) == 0) return;
  std::erase_if(fields_, [id](const Field& field) { return field.id == id; });
}

void HeaderMap::RemoveAt(size_t index) {
  fields_.erase(fields_.begin() + static_cast<ptrdiff_t>(index));
}

std::optional<std::string_view> HeaderMap::Get(std::string_view name) const {
  for (const Field& field : fields_) {
    if (EqualsIgnoreCase(NameOf(field), name)) return ValueOf(field);
  }
  return std::nullopt;
}

std::optional<std::string_view> HeaderMap::Get(HeaderId id) const {
  if ((seen_ & Bit(id)) == 0) return std::nullopt;
  for (const Field& field : fields_) {
    if (field.id == id) return ValueOf(field);
  }
  return std::nullopt;
}

bool HeaderMap::Has(HeaderId id) const { return Get(id).has_value(); }

size_t HeaderMap::Count(HeaderId id) const {
  if ((seen_ & Bit(id)) == 0) return 0;
  return static_cast<size_t>(std::count_if(fields_.begin(), fields_.end(),
                                           [id](const Field& field) { return field.id == id; }));
}

void RequestHead::Clear() {
  method.clear();
  host.clear();
  authority.clear();
  authority_rewritten = false;
  path.clear();
  query.clear();
  target.clear();
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

bool IsSafe(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "OPTIONS" || method == "TRACE";
}

bool IsIdempotent(std::string_view method) {
  return IsSafe(method) || method == "PUT" || method == "DELETE";
}

}  // namespace apk
