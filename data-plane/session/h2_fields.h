// A header block on its way out, for nghttp2: names in lower case, without the fields that HTTP/2
// has no place for (RFC 9113 8.2.2).
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data-plane/http/message.h"

namespace apk {

class H2FieldBlock {
 public:
  void Clear();
  void Add(std::string_view name, std::string_view value);
  // All but Host and what only HTTP/1.1 means; Content-Length where `with_length`, traceparent
  // where `with_trace`.
  void AddAll(const HeaderMap& headers, bool with_length, bool with_trace = true);
  // Valid until the next change.
  const std::vector<nghttp2_nv>& Get();

 private:
  struct Extent {
    size_t name_size;
    size_t value_size;
  };

  std::string bytes_;
  std::vector<Extent> extents_;
  std::vector<nghttp2_nv> fields_;
};

}  // namespace apk
