// A chunked body: the same bytes, the same end and the same verdict however it is cut.
#include <algorithm>
#include <string>
#include <string_view>

#include "data-plane/http/body_decoder.h"
#include "tests/fuzz/require.h"

namespace apk {
namespace {

struct Decoded {
  std::string data;
  size_t consumed = 0;
  bool done = false;
  bool error = false;
  std::string trailers;
  bool operator==(const Decoded&) const = default;
};

// Gives the decoder `step` bytes more at a time.
Decoded Decode(std::string_view bytes, size_t step) {
  BodyDecoder decoder;
  decoder.Start(BodyFraming{.kind = BodyFraming::Kind::kChunked, .length = 0});
  Decoded decoded;
  for (size_t here = std::min(step, bytes.size());; here = std::min(here + step, bytes.size())) {
    for (;;) {
      const std::string_view input = bytes.substr(decoded.consumed, here - decoded.consumed);
      const BodyDecoder::Step taken = decoder.Next(input);
      Require(taken.consumed <= input.size(), "no more is taken than is there");
      if (taken.error) {
        decoded.error = true;
        return decoded;
      }
      decoded.data += taken.data;
      decoded.consumed += taken.consumed;
      decoded.done = taken.done;
      if (taken.done || taken.consumed == 0) break;
    }
    if (decoded.done || here == bytes.size()) break;
  }
  if (decoded.done && decoder.trailers() != nullptr) {
    decoder.trailers()->AppendLines(decoded.trailers, [](HeaderId) { return true; });
  }
  return decoded;
}

void Check(std::string_view bytes) {
  const Decoded whole = Decode(bytes, std::max<size_t>(bytes.size(), 1));
  const size_t step = bytes.empty() ? 1 : 1 + static_cast<unsigned char>(bytes.back()) % 5;
  const Decoded cut = Decode(bytes, step);
  Require(cut.error == whole.error && cut.done == whole.done, "the verdict does not depend on cuts");
  if (!whole.error) Require(cut == whole, "neither do the bytes, the end and the trailers");
}

}  // namespace
}  // namespace apk

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  apk::Check(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
