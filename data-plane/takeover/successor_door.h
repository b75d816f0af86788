// Where an agent waits for a process that takes over from it. A thread of its own; one successor at
// a time.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <sys/types.h>

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "apk/v1/takeover.pb.h"
#include "common/descriptor.h"
#include "common/thread.h"
#include "data-plane/takeover/packet_socket.h"

namespace apk {

// What the agent does when a successor comes; all on the door's thread.
struct HandingOver {
  struct Estate {
    v1::TakeOverOffer offer;
    // By what they are. Closed once they were sent.
    std::vector<std::pair<v1::TakeOverDescriptors::Kind, Descriptor>> descriptors;
  };
  // Nothing of what is given may change from the return on. An error is what the successor is told.
  std::function<absl::StatusOr<Estate>(const v1::TakeOverHello&)> open;
  // The successor serves: whatever may be only once ends before the return.
  std::function<void()> withdraw;
  // The successor has got it all. `successor`: its process, 0 where it can't be seen.
  std::function<void(pid_t successor)> done;
  // After open or withdraw: the successor failed, and all is as it was before.
  std::function<void(const absl::Status& why)> resume;
};

class SuccessorDoor {
 public:
  SuccessorDoor(std::string path, HandingOver handing_over)
      : path_(std::move(path)), handing_over_(std::move(handing_over)) {}
  // A successor that is not done yet fails.
  ~SuccessorDoor();

  // From here on a successor finds the door, and waits there.
  absl::Status Open();
  // Lets it in: call when all that it may stop has been started. REQUIRES: the door is open.
  void Start();

 private:
  void Run();
  // True once everything is the successor's.
  bool Serve(PacketSocket& successor);
  absl::Status Give(PacketSocket& successor, HandingOver::Estate estate);

  const std::string path_;
  const HandingOver handing_over_;
  Descriptor listener_;
  Descriptor stop_;  // An event.
  std::mutex mutex_;
  PacketSocket* successor_ = nullptr;  // While there is one.
  Thread thread_;
};

}  // namespace apk
