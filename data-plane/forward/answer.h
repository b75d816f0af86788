// An answer of the gateway itself.
#pragma once

#include "data-plane/filters/filter.h"
#include "data-plane/forward/exchange_report.h"
#include "data-plane/session/exchange.h"

namespace apk {

// Notes it in `record`; to gRPC it is a status of that protocol. Where it can't be written the exchange is
// aborted. `exchange` and `record` outlive the call.
Task<> AnswerWith(ServerExchange* exchange, ExchangeRecord* record, Reply reply);

}  // namespace apk
