// The first message of a TLS client, as far as routing needs it (RFC 8446 4.1.2, RFC 6066 3). Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace apk {

// A hello with everything that clients put in today is under 4 KiB.
inline constexpr size_t kClientHelloBytesMax = 16 * 1024;

struct ClientHello {
  enum class State : uint8_t { kIncomplete, kMalformed, kComplete };
  State state = State::kIncomplete;
  std::string server_name;  // SNI in lower case; "" where there is none.
};

// Of a connection's first bytes, however little of it is there.
ClientHello ParseClientHello(std::string_view bytes);

// The name in the body of a server_name extension, in lower case. False where it is malformed.
bool ReadServerNameExtension(std::string_view body, std::string& name);

}  // namespace apk
