// Bytes in one string; pointers are made when all of it is there.
#include "data-plane/session/h2_fields.h"

namespace apk {
namespace {

bool IsForHttp1(HeaderId id) {
  switch (id) {
    case HeaderId::kConnection:
    case HeaderId::kHost:
    case HeaderId::kHttp2Settings:
    case HeaderId::kKeepAlive:
    case HeaderId::kProxyConnection:
    case HeaderId::kTe:
    case HeaderId::kTransferEncoding:
    case HeaderId::kUpgrade:
      return true;
    default:
      return false;
  }
}

}  // namespace

void H2FieldBlock::Clear() {
  bytes_.clear();
  extents_.clear();
}

void H2FieldBlock::Add(std::string_view name, std::string_view value) {
  for (const char c : name) bytes_ += c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  bytes_.append(value);
  extents_.push_back(Extent{.name_size = name.size(), .value_size = value.size()});
}

void H2FieldBlock::AddAll(const HeaderMap& headers, bool with_length, bool with_trace) {
  for (size_t i = 0; i < headers.size(); ++i) {
    const HeaderId id = headers.id(i);
    if (IsForHttp1(id) || (id == HeaderId::kContentLength && !with_length)) continue;
    if (id == HeaderId::kTraceparent && !with_trace) continue;
    Add(headers.name(i), headers.value(i));
  }
}

const std::vector<nghttp2_nv>& H2FieldBlock::Get() {
  fields_.clear();
  auto* at = reinterpret_cast<uint8_t*>(bytes_.data());
  for (const Extent& extent : extents_) {
    fields_.push_back(nghttp2_nv{.name = at,
                                 .value = at + extent.name_size,
                                 .namelen = extent.name_size,
                                 .valuelen = extent.value_size,
                                 .flags = NGHTTP2_NV_FLAG_NONE});
    at += extent.name_size + extent.value_size;
  }
  return fields_;
}

}  // namespace apk
