// One end of a connection between two processes of one user on one host: messages, each with file
// descriptors. Used by one thread; every wait has a limit.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

#include "apk/v1/takeover.pb.h"
#include "common/descriptor.h"

namespace apk {

class PacketSocket {
 public:
  static constexpr size_t kDescriptorsMax = 200;  // Of one message; the kernel takes 253.

  explicit PacketSocket(Descriptor descriptor);

  // Listens at the path, in place of whoever did before.
  static absl::StatusOr<Descriptor> Listen(const std::string& path);
  // UNAVAILABLE where nobody listens, or accepts in time.
  static absl::StatusOr<PacketSocket> Connect(const std::string& path);

  struct Packet {
    v1::TakeOverMessage message;
    std::vector<Descriptor> descriptors;
  };
  absl::Status Send(const v1::TakeOverMessage& message, const std::vector<int>& descriptors = {});
  // UNAVAILABLE where the peer has gone, DEADLINE_EXCEEDED, or INVALID_ARGUMENT for what is no
  // message.
  absl::StatusOr<Packet> Receive(std::chrono::milliseconds patience);

  // PERMISSION_DENIED unless the peer is of this process's user, or root.
  absl::Status CheckPeer() const;
  // Ends it for both sides: who waits is told that the other has gone. From any thread.
  void Shut();
  // The peer's process, as this process sees it; 0 where it can't (another container).
  pid_t peer() const;

 private:
  Descriptor descriptor_;
};

}  // namespace apk
