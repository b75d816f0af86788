// Names of attributes: OpenTelemetry's semantic conventions for HTTP spans, as they are stable
// since 1.23.
#include "data-plane/forward/exchange_trace.h"

#include <algorithm>
#include <array>

#include "common/strings.h"
#include "data-plane/forward/exchange_report.h"

namespace apk {
namespace {

constexpr std::string_view kMethod = "http.request.method";
constexpr std::string_view kStatus = "http.response.status_code";

// RFC 9110 and PATCH: others, which clients make up, would be names without end.
bool IsKnownMethod(std::string_view method) {
  constexpr std::array<std::string_view, 9> kKnown = {
      "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"};
  return std::find(kKnown.begin(), kKnown.end(), method) != kKnown.end();
}

// Of the attribute and, where it can be told from others, the span's name.
void SetMethod(std::string_view method, Span& span) {
  if (IsKnownMethod(method)) {
    span.Set(kMethod, method);
    span.name = method;
    return;
  }
  span.Set(kMethod, "_OTHER");
  if (!method.empty()) span.Set("http.request.method_original", method);
  span.name = "HTTP";
}

std::string UrlOf(const Backend& backend, const Endpoint& endpoint, std::string_view path) {
  const bool is_ipv6 = endpoint.host.find(':') != std::string::npos;
  return Concat(backend.tls.has_value() ? "https://" : "http://", is_ipv6 ? "[" : "", endpoint.host,
                is_ipv6 ? "]:" : ":", std::to_string(endpoint.port), path);
}

std::string PathAt(const Backend& backend, const RequestHead& request) {
  return request.path == "*" ? request.path : Concat(backend.base_path, request.path);
}

void SetPlace(const Backend& backend, size_t index, std::string_view path, Span& span) {
  const Endpoint& endpoint = backend.endpoints[index];
  span.Set("server.address", endpoint.host);
  span.Set("server.port", int64_t{endpoint.port});
  span.Set("url.full", UrlOf(backend, endpoint, path));
}

}  // namespace

std::unique_ptr<ExchangeTrace> ExchangeTrace::Begin(Tracer& tracer, const Arrival& arrival,
                                                    ServerExchange& exchange) {
  RequestHead& request = exchange.request();
  SpanPtr span = tracer.BeginServer(request);
  if (span == nullptr) return nullptr;
  SetMethod(request.method, *span);
  span->Set("url.scheme", arrival.tls ? "https" : "http");
  if (!request.path.empty()) span->Set("url.path", request.path);
  if (!request.host.empty()) span->Set("server.address", request.host);
  span->Set("server.port", int64_t{arrival.port});
  span->Set("client.address", exchange.client_address());
  const bool http2 = request.major_version == 2;
  span->Set("network.protocol.version", http2 ? "2" : request.minor_version == 0 ? "1.0" : "1.1");
  const auto user_agent = request.headers.Get("user-agent");
  if (user_agent.has_value()) span->Set("user_agent.original", *user_agent);
  return std::make_unique<ExchangeTrace>(tracer, std::move(span));
}

void ExchangeTrace::SetRoute(const MatchedPath& match, std::string_view path) {
  std::string route(match.base_path);
  if (match.is_prefix) {
    route.append(match.prefix).append("/*");
  } else if (!match.expression.empty()) {
    route.append(match.expression);
  } else {
    route = path;
    if (match.drop_trailing_slash && route.ends_with('/')) route.pop_back();
  }
  server_->name.append(1, ' ').append(route, 0, Span::kTextBytesMax);
  server_->Set("http.route", route);
}

SpanPtr ExchangeTrace::BeginClient(const RequestHead& request) {
  SpanPtr span = tracer_.BeginClient(*server_);
  SetMethod(request.method, *span);
  return span;
}

void ExchangeTrace::StartTry(const Backend& backend, const RequestHead& request) {
  EndTry(std::chrono::system_clock::now());
  try_ = BeginClient(request);
  try_->Set("apk.backend", backend.name);
  if (tries_ > 0) try_->Set("http.request.resend_count", int64_t{tries_});
  ++tries_;
  backend_ = &backend;
  try_path_ = PathAt(backend, request);
  try_parent_ = FormatTraceParent(try_->trace, try_->id, true);
}

void ExchangeTrace::NoteTry(size_t endpoint, std::optional<Failure> failure, uint16_t status) {
  if (try_ == nullptr) return;
  SetPlace(*backend_, endpoint, try_path_, *try_);
  if (failure.has_value()) {
    try_->Fail(FailureName(*failure));
    EndTry(std::chrono::system_clock::now());
    return;
  }
  try_->Set(kStatus, int64_t{status});
  if (status >= 400) try_->Fail(std::to_string(status));
}

void ExchangeTrace::EndTry(WallTime at) {
  if (try_ == nullptr) return;
  try_->End(at);
  tracer_.Finish(std::move(try_));
}

SpanPtr ExchangeTrace::StartCopy(const Mirror& mirror, size_t endpoint,
                                 const RequestHead& request) {
  if (tracer_.copies() == nullptr) return nullptr;
  SpanPtr span = BeginClient(request);
  span->name += " mirror";
  span->Set("apk.mirror", true);
  span->Set("apk.mirror.name", mirror.name);
  SetPlace(*mirror.backend, endpoint, PathAt(*mirror.backend, request), *span);
  return span;
}

std::string ExchangeTrace::CopyParent(const SpanPtr& copy) const {
  const bool recorded = copy != nullptr;
  return FormatTraceParent(server_->trace, recorded ? copy->id : server_->id, recorded);
}

void ExchangeTrace::End(const ExchangeRecord& record, std::chrono::steady_clock::duration took) {
  const WallTime end = server_->begun + std::chrono::duration_cast<WallTime::duration>(took);
  EndTry(end);
  Span& span = *server_;
  span.End(end);
  if (record.status != 0) span.Set(kStatus, int64_t{record.status});
  if (record.listener != nullptr) span.Set("apk.listener", record.listener->name);
  if (record.rule != nullptr) {
    span.Set("apk.route", record.rule->series->name);
    span.Set("apk.rule", record.rule->series->part);
  }
  if (record.backend != nullptr) span.Set("apk.backend", record.backend->name);
  if (!record.failure.empty()) span.Set("apk.failure", record.failure);
  // A client's own mistake is no failure of the server's (4xx).
  const bool whole = record.status != 0 && !record.cut_off;
  if (!whole) {
    span.Fail(record.failure.empty() ? "cut_off" : record.failure);
  } else if (record.status >= 500) {
    span.Fail(record.failure.empty() ? std::to_string(record.status) : std::string(record.failure));
  }
  tracer_.Finish(std::move(server_));
}

}  // namespace apk
