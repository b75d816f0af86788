// The agent that runs, as the process sees it that takes over from it. Until that process says that
// it serves, and if it never does, the agent goes on as if nothing had happened.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <string>

#include "data-plane/takeover/inheritance.h"
#include "data-plane/takeover/packet_socket.h"

namespace apk {

// Where an agent listens for its successor.
std::string TakeOverPath(const std::string& data_dir);

class Predecessor {
 public:
  // Asks the agent of the data directory for all that it listens by. `agent`: its id, which is this
  // process's, too. An error says why it gives nothing, and what to do.
  static absl::StatusOr<Predecessor> Ask(const std::string& data_dir, const std::string& agent,
                                         const std::string& version);

  Inheritance& inheritance() { return inheritance_; }
  // Says that this process accepts connections, and waits until the data directory and the agent's
  // name are its alone. An error: the agent has taken it all back, and this process must end.
  absl::Status Replace();

 private:
  explicit Predecessor(PacketSocket socket) : socket_(std::move(socket)) {}
  absl::Status ReceiveAll();

  PacketSocket socket_;
  Inheritance inheritance_;
};

}  // namespace apk
