// What a WebSocket becomes once it is granted: bytes in both directions, until either side ends.
#pragma once

#include "data-plane/forward/exchange_report.h"
#include "data-plane/net/task.h"
#include "data-plane/session/exchange.h"

namespace apk {

// Both sides have begun the tunnel. Returns when nothing is at work on either any more; true where
// the backend ended it in order. The upstream is used up; `record` gets the bytes. All outlive the call.
Task<bool> RunTunnel(asio::io_context* io, ServerExchange* client, ClientExchange* upstream,
                     ExchangeRecord* record);

}  // namespace apk
