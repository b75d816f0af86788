// Opens connections to backends and mirrors. One per loop.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data-plane/net/byte_stream.h"
#include "data-plane/net/resolver.h"
#include "data-plane/net/tcp_stream.h"
#include "data-plane/net/tls_context.h"

namespace apk {

enum class DialError : uint8_t { kNone, kDns, kConnect, kTimeout, kTls };

struct DialTarget {
  std::string host;
  uint16_t port = 0;
  bool tls = false;
  ClientSettings settings;
  ServerNames names;  // server_name "": host.
  bool offer_http2 = false;  // Where tls.
};

struct DialResult {
  std::unique_ptr<ByteStream> stream;  // nullptr where error is not kNone.
  DialError error = DialError::kNone;
  bool http2 = false;  // The TLS handshake chose it.
};

class Dialer {
 public:
  static constexpr size_t kAddressesMax = 8;  // Of one name.
  // Before the next address is tried beside one that does not answer (RFC 8305 5).
  static constexpr std::chrono::milliseconds kStagger{250};

  Dialer(Executor executor, DeadlineList& deadlines, const std::vector<std::string>& dns_servers)
      : executor_(executor), deadlines_(deadlines), resolver_(executor, deadlines, dns_servers) {}

  // Takes the first address of the host that accepts. All of it, look-up and TLS handshake
  // included, until `deadline`.
  Task<DialResult> Dial(DialTarget target, TimePoint deadline);

 private:
  // Connections that may resume each other's sessions: same settings, place and names.
  struct ClientContext {
    ClientSettings settings;
    SslContext context;
    std::map<std::string, std::shared_ptr<SessionSlot>> sessions;
  };

  class ConnectDeadline;
  struct Race;

  Task<std::optional<TcpSocket>> Connect(TcpEndpoint endpoint, ConnectDeadline* guard);
  Task<std::optional<TcpSocket>> ConnectToFirst(const std::vector<TcpEndpoint>* endpoints,
                                                TimePoint deadline, bool* timed_out);
  Task<> RunRacer(std::shared_ptr<Race> race, TcpEndpoint endpoint, TimePoint deadline);
  Task<DialResult> SecureStream(TcpSocket* socket, const DialTarget* target, TimePoint deadline);
  // Contexts are few and kept; nullptr where the settings can't be read.
  ClientContext* ContextFor(const DialTarget& target);
  static std::shared_ptr<SessionSlot> SlotFor(ClientContext& context, const DialTarget& target);

  // Logs it, unless it did so lately.
  void Complain(const DialTarget& target, const std::string& reason);

  // Of TLS with one server.
  struct Complaint {
    std::string reason;
    TimePoint next;  // When the same may be logged again.
  };

  Executor executor_;
  DeadlineList& deadlines_;
  Resolver resolver_;
  std::vector<std::unique_ptr<ClientContext>> contexts_;
  std::map<std::string, Complaint> complaints_;
};

}  // namespace apk
