// A request to certify a key, which anybody may send to the port where agents join.
#include "control-plane/identity/signing_request.h"

#include <cstdint>
#include <string_view>

#include "tests/fuzz/require.h"

namespace apk {
namespace {

void Check(std::string_view bytes) {
  const auto request = ParseSigningRequest(bytes);
  if (!request.ok()) {
    Require(!request.status().message().empty(), "a refusal says why");
    return;
  }
  Require(request->key != nullptr && request->key_hash == HashOfKey(request->key.get()),
          "it has the key's hash");
  Require(request->key_hash.size() == 64, "a hash is 64 digits");
}

}  // namespace
}  // namespace apk

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  apk::Check(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
