// What a load generator must know of an answer.
#pragma once

#include <strings.h>

#include <cstdlib>
#include <string_view>

// Bytes of the whole answer that `received` begins with; 0: not all of its head is there, or it has no
// Content-Length. The field's name may be in any case.
inline size_t AnswerSize(std::string_view received) {
  constexpr std::string_view kName = "\r\ncontent-length:";
  const size_t head = received.find("\r\n\r\n");
  if (head == std::string_view::npos) return 0;
  for (size_t at = received.find("\r\n"); at < head; at = received.find("\r\n", at + 2)) {
    if (strncasecmp(received.data() + at, kName.data(), kName.size()) == 0) {
      return head + 4 + std::strtoul(received.data() + at + kName.size(), nullptr, 10);
    }
  }
  return 0;
}
