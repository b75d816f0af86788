// What a process that takes over from an agent gets from it.
#pragma once

#include <absl/status/status.h>

#include <optional>
#include <string>
#include <vector>

#include "apk/v1/takeover.pb.h"
#include "common/descriptor.h"
#include "data-plane/net/listening_socket.h"
#include "data-plane/net/ticket_keys.h"

namespace apk {

struct Inheritance {
  std::string version;           // Of the program that gave it.
  std::string snapshot_version;  // What that serves; "" where it has nothing.
  std::optional<TicketKeys::State> ticket_keys;
  Descriptor lock;  // Of the data directory: it is held for as long as one process has it open.
  std::vector<ListeningSocket> listeners;
  std::optional<ListeningSocket> admin;
};

v1::TicketKeyState EncodeTicketKeys(const TicketKeys::State& state);
// nullopt where there are none, or not as this version has them: clients then begin anew.
std::optional<TicketKeys::State> DecodeTicketKeys(const v1::TicketKeyState& encoded);

// Sorts a descriptor in; those of kinds that this version does not know are closed.
void AddTo(Inheritance& inheritance, v1::TakeOverDescriptors::Kind kind, Descriptor descriptor);

}  // namespace apk
