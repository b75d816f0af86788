// An answer of the gateway itself.
#pragma once

#include "data-plane/filters/filter.h"
#include "data-plane/forward/worker_context.h"
#include "data-plane/session/exchange.h"

namespace apk {

// Counts it as well; to gRPC it is a status of that protocol. Where it can't be written the exchange is
// aborted. `worker` and `exchange` outlive the call.
Task<> AnswerWith(WorkerContext* worker, ServerExchange* exchange, Reply reply);

}  // namespace apk
