// A request head: the same verdict however it is cut, and what is written of it is read as the same request.
#include <algorithm>
#include <string>
#include <string_view>

#include "data-plane/http/head_parser.h"
#include "data-plane/http/path.h"
#include "tests/fuzz/require.h"
#include "tests/fuzz/written_again.h"

namespace apk {
namespace {

void Check(std::string_view bytes) {
  const HeadLimits limits;
  HeadScanner whole;
  const HeadScanner::State state = whole.Scan(bytes, limits);
  HeadScanner cut;
  HeadScanner::State cut_state = HeadScanner::State::kIncomplete;
  const size_t step = bytes.empty() ? 1 : 1 + static_cast<unsigned char>(bytes.back()) % 7;
  for (size_t size = 0; cut_state == HeadScanner::State::kIncomplete && size <= bytes.size();
       size = size == bytes.size() ? size + 1 : std::min(size + step, bytes.size())) {
    cut_state = cut.Scan(bytes.substr(0, size), limits);
  }
  Require(cut_state == state && cut.error() == whole.error(), "the verdict does not depend on cuts");
  if (state != HeadScanner::State::kComplete) return;
  Require(cut.head_begin() == whole.head_begin() && cut.head_end() == whole.head_end(),
          "neither does the end");
  RequestHead head;
  const std::string_view text =
      bytes.substr(whole.head_begin(), whole.head_end() - whole.head_begin());
  if (ParseRequestHead(text, limits, head) != HeadError::kNone) return;
  Require(head.path == "*" || head.path.starts_with('/'), "a path begins with a slash");
  std::string normal;
  Require(head.path == "*" || (NormalizePath(head.path, normal) && normal == head.path),
          "a path is normal");
  HeadLimits wider = limits;
  wider.head_bytes_max *= 2;
  wider.request_line_bytes_max *= 2;
  wider.fields_max += 2;  // Host and framing are added to those that were counted.
  CheckReadAgain(WriteOneHead(head, wider), head, wider);
}

}  // namespace
}  // namespace apk

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  apk::Check(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
