// nghttp2 has checked the grammar of fields before they come here; what could split a message once
// it is written as HTTP/1.1 is checked again.
#include "data-plane/http/h2_head.h"

#include <optional>

#include "common/strings.h"
#include "data-plane/http/hop_headers.h"
#include "data-plane/http/path.h"

namespace apk {
namespace {

constexpr size_t kFieldOverhead = 32;  // RFC 9113 6.5.2.
constexpr size_t kMethodSizeMax = 32;
constexpr size_t kTrailerBytesMax = 8 * 1024;
constexpr size_t kTrailerFieldsMax = 32;

}  // namespace

H2RequestHeadBuilder::H2RequestHeadBuilder(const HeadLimits& limits, RequestHead& head)
    : limits_(limits), head_(head) {
  head_.Clear();
  head_.major_version = 2;
}

// The first thing that is wrong decides.
void H2RequestHeadBuilder::Note(HeadError error) {
  if (error_ == HeadError::kNone) error_ = error;
}

void H2RequestHeadBuilder::Add(std::string_view name, std::string_view value) {
  list_bytes_ += name.size() + value.size() + kFieldOverhead;
  if (list_bytes_ > limits_.head_bytes_max) return Note(HeadError::kHeadTooLarge);
  if (!IsFieldValue(value)) return Note(HeadError::kMalformed);
  if (name.starts_with(':')) {
    if (name == ":method") {
      head_.method.assign(value);
    } else if (name == ":path") {
      head_.target.assign(value);
    } else if (name == ":authority") {
      head_.authority.assign(value);
    } else if (name == ":protocol") {
      protocol_.assign(value);
    }
    return;
  }
  if (name.size() > kFieldNameBytesMax || !IsToken(name)) return Note(HeadError::kMalformed);
  const HeaderId id = HeaderIdOf(name);
  if (id == HeaderId::kCookie) {
    if (!cookie_.empty()) cookie_ += "; ";
    cookie_ += value;
    return;
  }
  if (id == HeaderId::kHost) ++host_fields_;
  if (head_.headers.size() == limits_.fields_max) return Note(HeadError::kHeadTooLarge);
  head_.headers.Add(name, value);
}

HeadError H2RequestHeadBuilder::ReadTarget() {
  if (head_.method == "CONNECT") return HeadError::kNone;  // Has none.
  if (head_.target.size() > limits_.request_line_bytes_max) return HeadError::kTargetTooLong;
  const std::optional<TargetParts> target = SplitTarget(head_.target);
  if (!target.has_value()) return HeadError::kMalformed;
  if (target->form == TargetForm::kAsterisk) {
    head_.path = "*";
    return head_.method == "OPTIONS" ? HeadError::kNone : HeadError::kMalformed;
  }
  if (target->form != TargetForm::kOrigin) return HeadError::kMalformed;
  head_.has_query = target->has_query;
  head_.query.assign(target->query);
  return NormalizePath(target->path, head_.path) ? HeadError::kNone : HeadError::kMalformed;
}

// RFC 9113 8.3.1: Host is used where there is no :authority, and may not contradict it.
HeadError H2RequestHeadBuilder::ReadAuthority() {
  if (host_fields_ > 1) return HeadError::kMalformed;
  if (host_fields_ == 1) {
    const std::string_view host = *head_.headers.Get(HeaderId::kHost);
    if (head_.authority.empty()) {
      head_.authority.assign(host);
    } else if (!EqualsIgnoreCase(head_.authority, host)) {
      return HeadError::kMalformed;
    }
  }
  if (head_.authority.empty()) return HeadError::kMalformed;
  return ParseAuthority(head_.authority, head_.host) ? HeadError::kNone : HeadError::kMalformed;
}

HeadError H2RequestHeadBuilder::Finish(bool ends_stream) {
  if (error_ != HeadError::kNone) return error_;
  if (head_.method.size() > kMethodSizeMax || !IsToken(head_.method)) return HeadError::kMalformed;
  if (!cookie_.empty()) head_.headers.Add("cookie", cookie_);
  if (!protocol_.empty()) {
    // Extended CONNECT (RFC 8441): what follows is no body, and the other side may speak HTTP/1.1.
    if (head_.method != "CONNECT" || protocol_ != "websocket" || ends_stream) {
      return HeadError::kMalformed;
    }
    head_.method = "GET";
    head_.websocket = true;
  }
  HeadError error = ReadTarget();
  if (error == HeadError::kNone) error = ReadAuthority();
  if (error != HeadError::kNone) return error;
  const std::optional<DeclaredLength> length = ReadContentLength(head_.headers);
  if (!length.has_value() || head_.headers.Has(HeaderId::kTransferEncoding)) {
    return HeadError::kMalformed;
  }
  if (!ends_stream && !head_.websocket) {
    head_.framing.kind = BodyFraming::Kind::kChunked;
    if (length->present) {
      head_.framing.kind =
          length->bytes > 0 ? BodyFraming::Kind::kLength : BodyFraming::Kind::kNone;
      head_.framing.length = length->bytes;
    }
  }
  if (const auto expect = head_.headers.Get(HeaderId::kExpect); expect.has_value()) {
    head_.expect_continue = EqualsIgnoreCase(*expect, "100-continue");
  }
  return HeadError::kNone;
}

H2ResponseHeadBuilder::H2ResponseHeadBuilder(const HeadLimits& limits, ResponseHead& head)
    : limits_(limits), head_(head) {
  head_.Clear();
}

void H2ResponseHeadBuilder::Add(std::string_view name, std::string_view value) {
  list_bytes_ += name.size() + value.size() + kFieldOverhead;
  if (list_bytes_ > limits_.head_bytes_max || head_.headers.size() == limits_.fields_max ||
      !IsFieldValue(value)) {
    bad_ = true;
    return;
  }
  if (name.starts_with(':')) {
    if (name != ":status") return;
    bad_ = bad_ || value.size() != 3;
    for (const char digit : value) {
      bad_ = bad_ || digit < '0' || digit > '9';
      head_.status = static_cast<uint16_t>(head_.status * 10 + (digit - '0'));
    }
    return;
  }
  bad_ = bad_ || name.size() > kFieldNameBytesMax || !IsToken(name);
  head_.headers.Add(name, value);
}

bool H2ResponseHeadBuilder::Finish(bool ends_stream, bool request_was_head) {
  const std::optional<DeclaredLength> length = ReadContentLength(head_.headers);
  if (bad_ || !length.has_value() || head_.status < 100 || head_.status > 599) return false;
  if (head_.headers.Has(HeaderId::kTransferEncoding)) return false;
  const bool bodiless =
      request_was_head || head_.status < 200 || head_.status == 204 || head_.status == 304;
  if (ends_stream || bodiless) return true;
  head_.framing.kind = BodyFraming::Kind::kChunked;
  if (length->present) {
    head_.framing.kind = length->bytes > 0 ? BodyFraming::Kind::kLength : BodyFraming::Kind::kNone;
    head_.framing.length = length->bytes;
  }
  return true;
}

bool AddTrailer(std::string_view name, std::string_view value, HeaderMap& trailers) {
  if (!IsToken(name) || !IsFieldValue(value)) return false;
  size_t bytes = name.size() + value.size();
  for (size_t i = 0; i < trailers.size(); ++i) {
    bytes += trailers.name(i).size() + trailers.value(i).size();
  }
  if (bytes > kTrailerBytesMax || trailers.size() == kTrailerFieldsMax) return false;
  if (MayTrail(name)) trailers.Add(name, value);
  return true;
}

}  // namespace apk
