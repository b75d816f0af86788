// A response head: statuses in range, and no body where there can be none.
#include <string>
#include <string_view>

#include "data-plane/http/head_parser.h"
#include "tests/fuzz/require.h"

namespace apk {
namespace {

void Check(std::string_view bytes) {
  const HeadLimits limits;
  HeadScanner scanner;
  if (scanner.Scan(bytes, limits) != HeadScanner::State::kComplete || scanner.head_begin() > 0) {
    return;
  }
  for (const bool to_head : {false, true}) {
    ResponseHead head;
    const std::string_view text = bytes.substr(0, scanner.head_end());
    if (ParseResponseHead(text, limits, to_head, head) != HeadError::kNone) continue;
    Require(head.status >= 100 && head.status <= 599, "a status is one");
    const bool bodiless = to_head || head.status < 200 || head.status == 204 || head.status == 304;
    Require(!bodiless || head.framing.kind == BodyFraming::Kind::kNone, "no body where none can be");
    Require(head.framing.kind != BodyFraming::Kind::kUntilClose || !head.keep_alive,
            "the connection ends with such a body");
    std::string lines;
    head.headers.AppendLines(lines, [](HeaderId) { return true; });
    for (size_t i = 0; i < head.headers.size(); ++i) {
      Require(IsToken(head.headers.name(i)) && IsFieldValue(head.headers.value(i)), "a field is one");
    }
  }
}

}  // namespace
}  // namespace apk

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  apk::Check(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
