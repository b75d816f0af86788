// Fields that are for one hop (RFC 9110 7.6.1), and those that the gateway adds for the next. Pure.
#pragma once

#include <cstdint>
#include <string_view>

#include "data-plane/http/message.h"

namespace apk {

// Removes Connection, what it names, and the other hop-by-hop fields. Host and framing stay.
void StripHopByHop(HeaderMap& headers);

// A GET of HTTP/1.1 that asks to go on as a WebSocket. Call before StripHopByHop.
bool AsksForWebSocket(const RequestHead& request);
// A 101 that grants it.
bool GrantsWebSocket(const ResponseHead& response);

// Whether a field may come behind a body: not where it would say how to frame, route or
// authenticate the message (RFC 9110 6.5.1).
bool MayTrail(std::string_view name);

struct ForwardedBy {
  std::string_view client_address;  // Without port.
  uint16_t listener_port = 0;
  uint64_t request_id = 0;  // For X-Request-Id where the client sent none.
};

// X-Forwarded-For is continued; X-Forwarded-Proto, -Host and -Port say what came to this gateway,
// whatever the client claims; Via is continued (RFC 9110 7.6.3).
void AddForwardingFields(const ForwardedBy& by, RequestHead& request);

}  // namespace apk
