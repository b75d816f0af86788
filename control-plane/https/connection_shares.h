// How many connections a port takes, and how many of them one address: so that strangers at one
// place don't keep everybody else out. Not thread-safe: the thread's that accepts them.
#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "common/clock.h"

namespace apk {

struct ConnectionLimits {
  size_t connections = 0;
  size_t per_address = 0;
};

class ConnectionShares {
 public:
  explicit ConnectionShares(const ConnectionLimits& limits) : limits_(limits) {}
  // For the log.
  void SetPort(uint16_t port) { port_ = port; }

  // One more of this address, which GiveBack ends; false, and in the log, where there is no room
  // for it.
  bool Take(const std::string& address);
  void GiveBack(const std::string& address);
  // Not each one is logged, but a line every few seconds.
  void LogRefusal(const std::string& address, const char* why);

 private:
  const ConnectionLimits limits_;
  uint16_t port_ = 0;
  size_t taken_ = 0;
  std::map<std::string, size_t> by_address_;
  TimePoint logged_{};
  uint64_t left_out_ = 0;  // Of the log, since then.
};

// By what a client is known: its address, of IPv6 the first 64 bits, the least that a site has.
std::string HostOf(const sockaddr& address);

}  // namespace apk
