// SOCK_SEQPACKET keeps messages apart and tells when the peer has gone; SCM_RIGHTS carries
// descriptors.
#include "data-plane/takeover/packet_socket.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "common/clock.h"
#include "common/strings.h"

namespace apk {
namespace {

constexpr size_t kPacketBytesMax = 64 * 1024;
constexpr int kBacklog = 8;
constexpr timeval kSend{.tv_sec = 5, .tv_usec = 0};  // For a peer that does not read, or accept.

absl::Status SystemError(const std::string& what) {
  return absl::UnavailableError(Concat(what, ": ", std::strerror(errno)));
}

absl::StatusOr<sockaddr_un> AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return absl::InvalidArgumentError(
        Concat(path, " is too long for a socket's name, which has at most ",
               std::to_string(sizeof address.sun_path - 1), " bytes"));
  }
  path.copy(address.sun_path, path.size());
  return address;
}

Descriptor NewSocket() { return Descriptor(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)); }

ucred CredentialsOf(int descriptor) {
  ucred credentials{.pid = 0, .uid = static_cast<uid_t>(-1), .gid = static_cast<gid_t>(-1)};
  socklen_t size = sizeof credentials;
  getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &size);
  return credentials;
}

// Descriptors that came with a message; they are this process's from now on, whatever else is wrong
// with it.
std::vector<Descriptor> TakeDescriptors(msghdr& header) {
  std::vector<Descriptor> descriptors;
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int number = -1;
      std::memcpy(&number, CMSG_DATA(part) + i * sizeof number, sizeof number);
      descriptors.emplace_back(number);
    }
  }
  return descriptors;
}

}  // namespace

PacketSocket::PacketSocket(Descriptor descriptor) : descriptor_(std::move(descriptor)) {
  setsockopt(descriptor_.get(), SOL_SOCKET, SO_SNDTIMEO, &kSend, sizeof kSend);
}

void PacketSocket::Shut() { shutdown(descriptor_.get(), SHUT_RDWR); }

// Bound beside its place and moved there: at every moment the path leads to one that listens or
// did.
absl::StatusOr<Descriptor> PacketSocket::Listen(const std::string& path) {
  const std::string temporary = path + ".new";
  const absl::StatusOr<sockaddr_un> address = AddressOf(temporary);
  if (!address.ok()) return address.status();
  Descriptor socket = NewSocket();
  unlink(temporary.c_str());
  const auto* const bound = reinterpret_cast<const sockaddr*>(&*address);
  if (!socket || bind(socket.get(), bound, sizeof *address) != 0) {
    return SystemError(Concat("can't listen at ", temporary));
  }
  if (chmod(temporary.c_str(), 0600) != 0 || listen(socket.get(), kBacklog) != 0 ||
      rename(temporary.c_str(), path.c_str()) != 0) {
    return SystemError(Concat("can't listen at ", path));
  }
  return socket;
}

absl::StatusOr<PacketSocket> PacketSocket::Connect(const std::string& path) {
  const absl::StatusOr<sockaddr_un> address = AddressOf(path);
  if (!address.ok()) return address.status();
  PacketSocket socket(NewSocket());  // What limits sending limits waiting to be accepted, too.
  const auto* const there = reinterpret_cast<const sockaddr*>(&*address);
  int connected;
  do {
    connected = connect(socket.descriptor_.get(), there, sizeof *address);
  } while (connected != 0 && errno == EINTR);
  if (connected != 0) return SystemError(Concat("can't connect to ", path));
  return socket;
}

absl::Status PacketSocket::Send(const v1::TakeOverMessage& message,
                                const std::vector<int>& descriptors) {
  std::string bytes = message.SerializeAsString();
  iovec piece{.iov_base = bytes.data(), .iov_len = bytes.size()};
  msghdr header{};
  header.msg_iov = &piece;
  header.msg_iovlen = 1;
  std::vector<char> control(CMSG_SPACE(descriptors.size() * sizeof(int)));
  if (!descriptors.empty()) {
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    cmsghdr* const part = CMSG_FIRSTHDR(&header);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(descriptors.size() * sizeof(int));
    std::memcpy(CMSG_DATA(part), descriptors.data(), descriptors.size() * sizeof(int));
  }
  ssize_t sent;
  do {
    sent = sendmsg(descriptor_.get(), &header, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent < 0 ? SystemError("can't send") : absl::OkStatus();
}

absl::StatusOr<PacketSocket::Packet> PacketSocket::Receive(std::chrono::milliseconds patience) {
  const TimePoint latest = Now() + patience;
  std::vector<char> bytes(kPacketBytesMax);
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kDescriptorsMax * sizeof(int))> control;
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(latest - Now()).count();
    pollfd wanted{.fd = descriptor_.get(), .events = POLLIN, .revents = 0};
    const int ready = poll(&wanted, 1, left > 0 ? static_cast<int>(left) : 0);
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0) return absl::DeadlineExceededError("no answer in time");
    iovec piece{.iov_base = bytes.data(), .iov_len = bytes.size()};
    msghdr header{};
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    const ssize_t size = recvmsg(descriptor_.get(), &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (size < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (size < 0) return SystemError("can't receive");
    if (size == 0) return absl::UnavailableError("the other process has gone");
    Packet packet{.message = {}, .descriptors = TakeDescriptors(header)};
    if ((header.msg_flags & (MSG_CTRUNC | MSG_TRUNC)) != 0) {
      return absl::InvalidArgumentError("not all of a message came: too few descriptors are left");
    }
    if (!packet.message.ParseFromArray(bytes.data(), static_cast<int>(size))) {
      return absl::InvalidArgumentError("what came is no message");
    }
    return packet;
  }
}

absl::Status PacketSocket::CheckPeer() const {
  const ucred credentials = CredentialsOf(descriptor_.get());
  if (credentials.uid == geteuid() || credentials.uid == 0) return absl::OkStatus();
  return absl::PermissionDeniedError(
      Concat("the other process is of user ", std::to_string(credentials.uid)));
}

pid_t PacketSocket::peer() const { return CredentialsOf(descriptor_.get()).pid; }

}  // namespace apk
