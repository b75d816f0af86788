// Standard error for who must not wait: a pipe that nobody reads, a terminal that was stopped.
// Thread-safe.
#pragma once

#include <chrono>
#include <cstddef>
#include <string_view>

namespace apk {

// How many of the bytes were written; where that is not all, errno says why: EAGAIN where there was
// no room for so long. In between others may write: keep a line within PIPE_BUF.
size_t WriteStandardError(std::string_view bytes, std::chrono::milliseconds patience);

}  // namespace apk
