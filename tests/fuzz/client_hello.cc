// The first message of a TLS client: once it is whole, more bytes change nothing.
#include <string_view>

#include "data-plane/net/client_hello.h"
#include "tests/fuzz/require.h"

namespace apk {
namespace {

void Check(std::string_view bytes) {
  const ClientHello whole = ParseClientHello(bytes);
  for (const char c : whole.server_name) Require(c < 'A' || c > 'Z', "a name is in lower case");
  bool decided = false;
  const size_t step = bytes.size() / 64 + 1;
  for (size_t size = 0; size < bytes.size(); size += step) {
    const ClientHello part = ParseClientHello(bytes.substr(0, size));
    Require(!decided || part.state != ClientHello::State::kIncomplete, "a verdict stays");
    if (part.state == ClientHello::State::kIncomplete) continue;
    decided = true;
    Require(part.state == whole.state && part.server_name == whole.server_name,
            "more bytes do not change a verdict");
  }
}

}  // namespace
}  // namespace apk

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  apk::Check(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
