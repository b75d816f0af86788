// The straight line of the data plane: one request, from its head to the last byte of the answer.
#pragma once

#include "data-plane/forward/worker_context.h"
#include "data-plane/session/exchange.h"

namespace apk {

// Answers the exchange in every case; where the answer can't be completed it is aborted. `worker`,
// `arrival` and `exchange` outlive the call.
Task<> ServeRequest(WorkerContext* worker, const Arrival* arrival, ServerExchange* exchange);

}  // namespace apk
