// A connection whose bytes are of no protocol known here: to a backend and back, as they come.
#pragma once

#include <memory>

#include "data-plane/forward/worker_context.h"
#include "data-plane/net/byte_stream.h"
#include "data-plane/routing/route_table.h"

namespace apk {

// Connects to a backend of the rule and copies in both directions, each at the pace of its receiver,
// until both have ended, one has broken, or nothing has come for too long. Where there is no
// backend the client's connection is closed. `sealed`: the bytes are TLS already, so none is added
// for the backend. `worker` outlives the call; `table` holds the rule.
Task<> ServeTunnel(WorkerContext* worker, std::shared_ptr<const RouteTable> table,
                   const TlsRule* rule, bool sealed, std::unique_ptr<ByteStream> client);

}  // namespace apk
