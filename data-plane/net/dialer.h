// Opens connections to backends and mirrors. One per loop.
#pragma once

#include <cstdint>
#include <memory>
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
  std::string ca_pem;
  std::string server_name;  // "": host.
  std::vector<std::string> allowed_names;
};

struct DialResult {
  std::unique_ptr<ByteStream> stream;  // nullptr where error is not kNone.
  DialError error = DialError::kNone;
};

class Dialer {
 public:
  Dialer(Executor executor, DeadlineList& deadlines)
      : executor_(executor), deadlines_(deadlines), resolver_(executor) {}

  // Tries each address in turn until `deadline`; the TLS handshake counts.
  Task<DialResult> Dial(DialTarget target, TimePoint deadline);

 private:
  struct ClientContext {
    std::string ca_pem;
    SslContext context;
  };

  Task<DialResult> SecureStream(TcpSocket* socket, const DialTarget* target, TimePoint deadline);
  // Contexts are few and kept; nullptr where the CA can't be read.
  SslContext ContextFor(const std::string& ca_pem);

  Executor executor_;
  DeadlineList& deadlines_;
  Resolver resolver_;
  std::vector<ClientContext> contexts_;
};

}  // namespace apk
