// Hello, offer, descriptors; serving, yours.
#include "data-plane/takeover/predecessor.h"

#include "common/status_macros.h"
#include "common/strings.h"

namespace apk {
namespace {

using Message = v1::TakeOverMessage;

constexpr std::chrono::seconds kOffer{30};  // It may be busy with a large snapshot.
constexpr std::chrono::seconds kYours{60};  // And with a certificate that is just being renewed.

absl::Status Unexpected() {
  return absl::InvalidArgumentError("the agent that runs said something else than expected");
}

}  // namespace

std::string TakeOverPath(const std::string& data_dir) { return data_dir + "/takeover.sock"; }

absl::StatusOr<Predecessor> Predecessor::Ask(const std::string& data_dir, const std::string& agent,
                                             const std::string& version) {
  absl::StatusOr<PacketSocket> socket = PacketSocket::Connect(TakeOverPath(data_dir));
  if (!socket.ok()) {
    return absl::UnavailableError(
        Concat(data_dir, " is in use by an agent that lets nobody take over (",
               std::string(socket.status().message()),
               "): it is of an older version, or just starts or ends; stop it, or try again"));
  }
  RETURN_IF_ERROR(socket->CheckPeer());
  Message hello;
  hello.mutable_hello()->set_protocol(1);
  hello.mutable_hello()->set_agent(agent);
  hello.mutable_hello()->set_version(version);
  RETURN_IF_ERROR(socket->Send(hello));
  Predecessor predecessor(*std::move(socket));
  RETURN_IF_ERROR(predecessor.ReceiveAll());
  return predecessor;
}

absl::Status Predecessor::ReceiveAll() {
  ASSIGN_OR_RETURN(PacketSocket::Packet first, socket_.Receive(kOffer));
  if (first.message.has_refusal()) {
    return absl::FailedPreconditionError(
        Concat("the agent that runs does not give over: ", first.message.refusal()));
  }
  if (!first.message.has_offer()) return Unexpected();
  const v1::TakeOverOffer& offer = first.message.offer();
  inheritance_.version = offer.version();
  inheritance_.snapshot_version = offer.snapshot_version();
  inheritance_.ticket_keys = DecodeTicketKeys(offer.ticket_keys());
  for (bool last = false; !last;) {
    ASSIGN_OR_RETURN(PacketSocket::Packet packet, socket_.Receive(kOffer));
    if (!packet.message.has_descriptors()) return Unexpected();
    const v1::TakeOverDescriptors& descriptors = packet.message.descriptors();
    if (static_cast<size_t>(descriptors.kinds_size()) != packet.descriptors.size()) {
      return absl::ResourceExhaustedError("not all sockets came: raise the limit of open files");
    }
    for (int i = 0; i < descriptors.kinds_size(); ++i) {
      AddTo(inheritance_, descriptors.kinds(i),
            std::move(packet.descriptors[static_cast<size_t>(i)]));
    }
    last = descriptors.last();
  }
  if (!inheritance_.lock) return Unexpected();
  return absl::OkStatus();
}

absl::Status Predecessor::Replace() {
  Message serving;
  serving.mutable_serving();
  RETURN_IF_ERROR(socket_.Send(serving));
  ASSIGN_OR_RETURN(const PacketSocket::Packet answer, socket_.Receive(kYours));
  return answer.message.has_yours() ? absl::OkStatus() : Unexpected();
}

}  // namespace apk
