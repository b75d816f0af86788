// The name that a TLS client asks for, read without taking it off the connection.
#pragma once

#include <optional>
#include <string>

#include "data-plane/net/tcp_stream.h"

namespace apk {

// Waits until the whole hello is there, at most until the stream's deadline. "" where the client
// says no name; nullopt where what it says is no hello, is too long, or the connection ends.
// Nothing was read from the stream before.
Task<std::optional<std::string>> PeekServerName(TcpStream* stream);

}  // namespace apk
