// HTTP/2 heads (RFC 9113 8.3) from their fields, one after the other as a decoder gives them,
// checked as strictly as HTTP/1.1 heads: what comes out may be written as HTTP/1.1. Pure. Order and
// number of pseudo-header fields are the decoder's to check.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "data-plane/http/head_parser.h"
#include "data-plane/http/message.h"

namespace apk {

class H2RequestHeadBuilder {
 public:
  // Both outlive the builder. `head` is cleared here and complete after Finish.
  H2RequestHeadBuilder(const HeadLimits& limits, RequestHead& head);

  // What is too much is counted and not kept.
  void Add(std::string_view name, std::string_view value);
  // `ends_stream`: no body follows.
  HeadError Finish(bool ends_stream);

  // Of all fields so far, as SETTINGS_MAX_HEADER_LIST_SIZE counts them.
  size_t list_bytes() const { return list_bytes_; }

 private:
  void Note(HeadError error);
  HeadError ReadTarget();
  HeadError ReadAuthority();

  const HeadLimits& limits_;
  RequestHead& head_;
  std::string protocol_;  // Of an extended CONNECT.
  std::string cookie_;    // Crumbs joined (RFC 9113 8.2.3).
  size_t list_bytes_ = 0;
  size_t host_fields_ = 0;
  HeadError error_ = HeadError::kNone;
};

class H2ResponseHeadBuilder {
 public:
  H2ResponseHeadBuilder(const HeadLimits& limits, ResponseHead& head);

  void Add(std::string_view name, std::string_view value);
  // False where the head is none.
  bool Finish(bool ends_stream, bool request_was_head);

 private:
  const HeadLimits& limits_;
  ResponseHead& head_;
  size_t list_bytes_ = 0;
  bool bad_ = false;
};

// Adds a trailer field where MayTrail allows it; false where there are too many or it is none.
bool AddTrailer(std::string_view name, std::string_view value, HeaderMap& trailers);

}  // namespace apk
