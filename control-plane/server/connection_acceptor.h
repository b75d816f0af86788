// Accepts the connections of a gRPC port, instead of gRPC itself: so many and no more, of which one
// address gets a part. gRPC 1.51 takes as many as the process has file descriptors, and stops
// listening for good when there are none left. Own thread.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "common/clock.h"
#include "common/thread.h"
#include "control-plane/https/connection_shares.h"
#include "control-plane/server/listen_address.h"

namespace apk {

// As many connections as the file descriptors of the process allow, each of which takes two; half
// of them for an address.
ConnectionLimits AffordableConnections();
// The soft limit of file descriptors becomes the hard one.
void RaiseFileLimit();

class ConnectionAcceptor {
 public:
  // Gets the socket of a connection, and owns it.
  using Take = std::function<void(int socket)>;

  // Port 0 takes a free one; a wildcard is of both families. UNAVAILABLE where the port is taken or
  // the address is not of this machine.
  static absl::StatusOr<std::unique_ptr<ConnectionAcceptor>> Listen(const ListenAddress& address,
                                                                    const ConnectionLimits& limits);
  ~ConnectionAcceptor();

  void Start(Take take);
  // No more connections; those that there are stay.
  void Stop();
  uint16_t port() const { return port_; }

 private:
  explicit ConnectionAcceptor(const ConnectionLimits& limits) : shares_(limits) {}
  void Run();
  void AcceptSome();
  void Pause(bool paused);  // Accepting.
  // False where there is no room for it.
  bool Admit(int socket, const std::string& address);
  void Forget(int watched);

  uint16_t port_ = 0;
  int listener_ = -1;
  int poll_ = -1;
  int stop_ = -1;  // An eventfd.
  Take take_;
  // The thread's. A second descriptor of each connection tells when it has ended.
  std::map<int, std::string> watched_;
  ConnectionShares shares_;
  bool paused_ = false;
  TimePoint paused_until_{};
  Thread thread_;
};

}  // namespace apk
