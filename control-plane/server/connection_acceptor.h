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
#include "control-plane/server/listen_address.h"

namespace apk {

struct ConnectionLimits {
  size_t connections = 0;
  size_t per_address = 0;
};
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
  explicit ConnectionAcceptor(const ConnectionLimits& limits) : limits_(limits) {}
  void Run();
  void AcceptSome();
  void Pause(bool paused);  // Accepting.
  // False where there is no room for it.
  bool Admit(int socket, const std::string& address);
  void Forget(int watched);
  void LogRefusal(const std::string& address, const char* why);

  const ConnectionLimits limits_;
  uint16_t port_ = 0;
  int listener_ = -1;
  int poll_ = -1;
  int stop_ = -1;  // An eventfd.
  Take take_;
  // The thread's. A second descriptor of each connection tells when it has ended.
  std::map<int, std::string> watched_;
  std::map<std::string, size_t> by_address_;
  bool paused_ = false;
  TimePoint paused_until_{};
  TimePoint logged_{};
  uint64_t left_out_ = 0;  // Of the log, since then.
  Thread thread_;
};

}  // namespace apk
