// Names to addresses, over c-ares on the loop itself: a slow name holds up nobody but those who ask
// for it. One per loop. /etc/hosts comes first, then the servers of /etc/resolv.conf or those
// given.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/strings.h"
#include "data-plane/net/deadline.h"
#include "data-plane/net/task.h"
#include "data-plane/net/timer.h"

struct ares_addrinfo;
struct ares_channeldata;

namespace apk {

using TcpEndpoint = asio::ip::tcp::endpoint;

struct Resolution {
  std::vector<TcpEndpoint> endpoints;  // In the order to try; none where the name does not resolve.
  bool timed_out = false;              // Nothing is known yet and the deadline has passed.
};

class Resolver {
 public:
  static constexpr std::chrono::seconds kTtlMin{1};
  static constexpr std::chrono::seconds kTtlMax{300};
  static constexpr std::chrono::seconds kFailedFor{
      2};  // Until a name that failed is asked for again.
  // An answer that has run out is used while it is asked for again if it ran out no longer ago than
  // this,
  static constexpr std::chrono::seconds kStaleFor{60};
  // and for as long as this where asking fails.
  static constexpr std::chrono::hours kStaleMax{1};
  static constexpr size_t kNamesMax = 4096;
  static constexpr int kTryTimeoutMs = 600;  // Of the first try; each has twice as long as the last.
  static constexpr int kTries = 3;

  // `servers`: "address:port" each; none: those of /etc/resolv.conf. Lives until the loop has
  // ended. When the deadlines are expired all at once, look-ups under way end.
  Resolver(Executor executor, DeadlineList& deadlines, const std::vector<std::string>& servers);
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // Addresses of `host` (an IP address or a name) with `port`, which take turns at coming first.
  // Askers of the same name share one look-up. Waits until `deadline` at most.
  Task<Resolution> Resolve(std::string host, uint16_t port, TimePoint deadline);

 private:
  struct Entry {
    std::vector<asio::ip::address> preferred;  // Of the family that came first.
    std::vector<asio::ip::address> others;
    TimePoint fresh_until{};
    TimePoint stale_until{};
    TimePoint last_resort_until{};
    size_t turn = 0;
    bool asking = false;
    std::vector<Timer*> waiters;  // Cancelled when the look-up has ended.
  };
  struct Query;   // A look-up under way, as c-ares keeps it.
  struct Socket;  // One of c-ares' sockets, watched.
  class Shutdown;

  static std::vector<TcpEndpoint> InTurn(Entry& entry, uint16_t port);
  Entry& FindEntry(const std::string& host, TimePoint now);
  void Ask(const std::string& host, Entry& entry);
  void Take(const std::string& host, int status, const ares_addrinfo* answer);
  void WatchSocket(int descriptor, bool readable, bool writable);
  void WaitForSocket(const std::shared_ptr<Socket>& socket, bool write);
  void Process(int readable, int writable);

  Executor executor_;
  std::unique_ptr<Shutdown> shutdown_;
  ares_channeldata* channel_ =
      nullptr;   // nullptr where c-ares could not be set up: nothing resolves.
  Timer retry_;  // When c-ares wants to look at its time-outs.
  std::vector<std::shared_ptr<Socket>> sockets_;
  StringMap<std::unique_ptr<Entry>> cache_;
};

// "address:port" or "[address]:port", as Resolver takes it.
bool IsDnsServer(std::string_view text);

}  // namespace apk
