// What a transfer of libcurl brings, as text of a bounded size.
#pragma once

#include <cstddef>
#include <string>

namespace apk {

// For CURLOPT_WRITEFUNCTION, with a std::string as CURLOPT_WRITEDATA: more than `kBytesMax` ends
// the transfer with an error.
template <size_t kBytesMax>
size_t AppendUpTo(char* data, size_t size, size_t count, void* target) {
  auto* const text = static_cast<std::string*>(target);
  const size_t bytes = size * count;
  if (text->size() + bytes > kBytesMax) return 0;
  text->append(data, bytes);
  return bytes;
}

}  // namespace apk
