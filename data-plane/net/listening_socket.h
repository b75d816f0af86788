// A socket that listens, on its way from one process or thread to another. The kernel's queue of
// its connections lives for as long as any process has it open.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/descriptor.h"

namespace apk {

struct ListeningSocket {
  Descriptor descriptor;
  std::string address;  // That it is bound to, as text.
  uint16_t port = 0;
};

// A second descriptor of the socket, with where it is bound; nullopt for one that does not listen
// to TCP, or where no descriptor is left.
std::optional<ListeningSocket> DuplicateListener(int descriptor);
// The same without a second descriptor.
std::optional<ListeningSocket> DescribeListener(Descriptor descriptor);

// Takes those out that are bound to the address and port.
std::vector<ListeningSocket> TakeListeners(std::vector<ListeningSocket>& sockets,
                                           const std::string& address, uint16_t port);

}  // namespace apk
