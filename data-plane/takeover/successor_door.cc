// The other half of predecessor.cc.
#include "data-plane/takeover/successor_door.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cerrno>

#include "common/log.h"
#include "common/status_macros.h"

namespace apk {
namespace {

using Message = v1::TakeOverMessage;

constexpr std::chrono::seconds kHello{5};
constexpr std::chrono::seconds kStart{60};  // For a successor to compile its snapshot and serve.

}  // namespace

SuccessorDoor::~SuccessorDoor() {
  if (stop_) eventfd_write(stop_.get(), 1);
  {
    const std::lock_guard lock(mutex_);
    if (successor_ != nullptr) successor_->Shut();
  }
  thread_.Join();
}

absl::Status SuccessorDoor::Open() {
  ASSIGN_OR_RETURN(listener_, PacketSocket::Listen(path_));
  stop_ = Descriptor(eventfd(0, EFD_CLOEXEC));
  return absl::OkStatus();
}

void SuccessorDoor::Start() {
  thread_ = Thread("successor-door", 0, [this] { Run(); });
}

void SuccessorDoor::Run() {
  for (;;) {
    pollfd wanted[] = {{.fd = listener_.get(), .events = POLLIN, .revents = 0},
                       {.fd = stop_.get(), .events = POLLIN, .revents = 0}};
    if (poll(wanted, 2, -1) < 0 && errno != EINTR) return;
    if (wanted[1].revents != 0) return;
    if (wanted[0].revents == 0) continue;
    Descriptor accepted(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!accepted) continue;
    PacketSocket successor(std::move(accepted));
    {
      const std::lock_guard lock(mutex_);
      successor_ = &successor;
    }
    const bool done = Serve(successor);
    const std::lock_guard lock(mutex_);
    successor_ = nullptr;
    if (done) return;
  }
}

absl::Status SuccessorDoor::Give(PacketSocket& successor, HandingOver::Estate estate) {
  Message offer;
  *offer.mutable_offer() = std::move(estate.offer);
  RETURN_IF_ERROR(successor.Send(offer));
  Message packet;
  std::vector<int> numbers;
  for (size_t i = 0; i < estate.descriptors.size(); ++i) {
    packet.mutable_descriptors()->add_kinds(estate.descriptors[i].first);
    numbers.push_back(estate.descriptors[i].second.get());
    const bool last = i + 1 == estate.descriptors.size();
    if (!last && numbers.size() < PacketSocket::kDescriptorsMax) continue;
    packet.mutable_descriptors()->set_last(last);
    RETURN_IF_ERROR(successor.Send(packet, numbers));
    packet.Clear();
    numbers.clear();
  }
  return absl::OkStatus();
}

bool SuccessorDoor::Serve(PacketSocket& successor) {
  if (const absl::Status peer = successor.CheckPeer(); !peer.ok()) {
    LogWarning("successor refused", {{"reason", std::string(peer.message())}});
    return false;
  }
  const absl::StatusOr<PacketSocket::Packet> hello = successor.Receive(kHello);
  if (!hello.ok() || !hello->message.has_hello()) return false;
  const pid_t process = successor.peer();
  absl::StatusOr<HandingOver::Estate> estate = handing_over_.open(hello->message.hello());
  if (!estate.ok()) {
    LogWarning("successor refused", {{"reason", std::string(estate.status().message())}});
    Message refusal;
    refusal.set_refusal(std::string(estate.status().message()));
    successor.Send(refusal).IgnoreError();
    return false;
  }
  LogInfo("a successor starts",
          {{"process", std::to_string(process)}, {"version", hello->message.hello().version()}});
  absl::Status status = Give(successor, *std::move(estate));
  if (status.ok()) {
    const absl::StatusOr<PacketSocket::Packet> serving = successor.Receive(kStart);
    status = serving.status();
    if (status.ok() && !serving->message.has_serving()) {
      status = absl::InvalidArgumentError("it said something else than expected");
    }
  }
  if (status.ok()) {
    handing_over_.withdraw();
    Message yours;
    yours.mutable_yours();
    status = successor.Send(yours);
  }
  if (status.ok()) {
    handing_over_.done(process);
  } else {
    handing_over_.resume(status);
  }
  return status.ok();
}

}  // namespace apk
