// Steps decide nothing for their caller: ServeRequest reads top to bottom.
#include "data-plane/forward/serve_request.h"

#include "data-plane/forward/answer.h"
#include "data-plane/forward/forwarding.h"
#include "data-plane/http/hop_headers.h"

namespace apk {
namespace {

// A head for HTTP/1.1 needs a key, which an extended CONNECT does not carry (RFC 8441 5).
void AddWebSocketKey(FastRandom& random, HeaderMap& headers) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string key(21, 'A');
  for (char& digit : key) digit = kAlphabet[random.Below(kAlphabet.size())];
  headers.Set("Sec-WebSocket-Key",
              key + "A==");  // 16 bytes in base64: the last digit has two bits.
}

// A browser's question is answered before anything else: it carries no token, and a rule for one
// method alone is meant where the page wants to use that method.
std::optional<Reply> AnswerPreflightFor(const Listener& listener,
                                        const std::optional<RouteMatch>& match,
                                        RequestHead& request) {
  if (!IsPreflight(request)) return std::nullopt;
  const Rule* rule = match.has_value() ? match->rule : nullptr;
  if (rule == nullptr) {
    std::string method(*request.headers.Get("access-control-request-method"));
    std::swap(request.method, method);
    const std::optional<RouteMatch> asked = RouteTable::Match(listener, request);
    std::swap(request.method, method);
    if (asked.has_value()) rule = asked->rule;
  }
  if (rule == nullptr || !rule->cross_origin) return std::nullopt;
  std::optional<Reply> reply = AnswerPreflight(rule->filters, request);
  for (const WeightedBackend& backend : rule->backends) {
    if (reply.has_value()) break;
    if (backend.weight > 0) reply = AnswerPreflight(backend.filters, request);
  }
  return reply;
}

// The client must ask again on a connection of its own: this one was made for another listener, or
// under other rules for clients (RFC 9110 15.5.20).
bool IsMisdirected(const Port& port, const Listener& listener, const Arrival& arrival) {
  if (!arrival.tls) return false;
  if (listener.client_rules != 0 && listener.client_rules != arrival.handshake.client_rules) {
    return true;
  }
  const std::string& server_name = arrival.handshake.server_name;
  return !server_name.empty() && port.FindListener(server_name) != &listener;
}

}  // namespace

Task<> ServeRequest(WorkerContext* worker, const Arrival* arrival, ServerExchange* exchange) {
  const std::shared_ptr<const RouteTable> table =
      worker->table;  // One table for the whole request.
  ExchangeReport report(*worker, *arrival, *exchange);
  ExchangeRecord* const record = &report.record();
  RequestHead& request = exchange->request();

  std::optional<Failure> failure;
  std::optional<Reply> reply;
  std::optional<RouteMatch> match;
  const Port* const port = table->FindPort(arrival->address, arrival->port);
  const Listener* const listener = port == nullptr ? nullptr : port->FindListener(request.host);
  record->listener = listener;
  if (listener != nullptr && IsMisdirected(*port, *listener, *arrival)) {
    failure = Failure::kMisdirected;
  } else if (request.method == "CONNECT") {
    failure = Failure::kUpgrade;
  } else if (listener != nullptr) {
    match = RouteTable::Match(*listener, request);
    if (match.has_value()) record->rule = match->rule;
    if (match.has_value() && record->trace != nullptr) {
      record->trace->SetRoute(match->path, request.path);
    }
    reply = AnswerPreflightFor(*listener, match, request);
    if (reply.has_value()) {
      co_await AnswerWith(exchange, record, *std::move(reply));
      co_return;
    }
  }
  if (!match.has_value() && !failure.has_value()) failure = Failure::kNoRoute;
  if (failure.has_value()) {
    worker->metrics.failures[static_cast<size_t>(*failure)].Add();
    record->Fail(*failure);
    reply = ReplyFor(*failure);
    co_await AnswerWith(exchange, record, *std::move(reply));
    co_return;
  }

  const Rule& rule = *match->rule;
  const bool came_back = worker->mirror_marks.IsOn(table->mirror_loop_key(), request);
  if (rule.authentication.has_value()) {
    reply = Authenticate(*rule.authentication, request, *worker->keys, worker->verdicts,
                         std::chrono::system_clock::now());
    if (reply.has_value()) {
      worker->metrics.unauthorized.Add();
      record->failure = "unauthorized";
      MirrorTee rejected(*worker, record->trace, came_back);
      rejected.Prepare(rule, rule.mirrors, request);
      rejected.Reject();
      co_await AnswerWith(exchange, record, *std::move(reply));
      co_return;
    }
    if (!rule.authentication->send_token_to_upstream) {
      request.headers.Remove(rule.authentication->header);
    }
  }

  if (request.websocket) {
    AddWebSocketKey(worker->random, request.headers);
  } else {
    request.websocket = AsksForWebSocket(request);
  }
  StripHopByHop(request.headers);
  ForwardedBy by;
  by.client_address = exchange->client_address();
  by.listener_port = arrival->port;
  by.request_id = worker->random.Next();
  AddForwardingFields(by, request);
  FilterContext filters;
  filters.path = &match->path;
  filters.listener_port = arrival->port;
  if (rule.redirects) filters.original_path = request.path;
  if (rule.cross_origin) filters.origin = request.headers.Get("origin").value_or("");
  CutBasePath(match->path, request);
  reply = ApplyRequestFilters(rule.filters, filters, request);
  if (reply.has_value()) {
    co_await AnswerWith(exchange, record, *std::move(reply));
    co_return;
  }
  Forwarding forwarding(*worker, *exchange, *record, filters, came_back);
  co_await forwarding.Run();
}

}  // namespace apk
