// The fields of an HTTP/2 request, one "name\nvalue\n" after the other: what is accepted and written as HTTP/1.1
// is one request, and the same one.
#include <string>
#include <string_view>

#include "data-plane/http/h2_head.h"
#include "data-plane/http/head_parser.h"
#include "tests/fuzz/lines.h"
#include "tests/fuzz/written_again.h"

namespace apk {
namespace {

void Check(std::string_view bytes) {
  const HeadLimits limits;
  RequestHead head;
  H2RequestHeadBuilder builder(limits, head);
  bool ends_stream = false;
  while (!bytes.empty()) {
    const std::string_view name = TakeLine(bytes);
    const std::string_view value = TakeLine(bytes);
    if (name.empty()) ends_stream = true;
    builder.Add(name, value);
  }
  if (builder.Finish(ends_stream) != HeadError::kNone) return;
  HeadLimits wider;
  wider.head_bytes_max *= 2;
  wider.request_line_bytes_max = wider.head_bytes_max;
  wider.fields_max += 4;  // Cookie, Host and framing are added to those that were counted.
  const std::string written = WriteOneHead(head, wider);
  if (head.method == "CONNECT") return;  // Refused before it would be written.
  CheckReadAgain(written, head, wider);
}

}  // namespace
}  // namespace apk

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  apk::Check(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
