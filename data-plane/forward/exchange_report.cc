// The log's part costs nothing where there is no log.
#include "data-plane/forward/exchange_report.h"

#include "common/strings.h"
#include "data-plane/http/trace_context.h"
#include "data-plane/observe/access_log.h"

namespace apk {
namespace {

std::string_view ProtocolOf(const RequestHead& request) {
  if (request.method.empty()) return "";  // Not understood that far.
  if (request.major_version == 2) return "HTTP/2";
  return request.minor_version == 0 ? "HTTP/1.0" : "HTTP/1.1";
}

std::string_view TlsName(uint16_t version) {
  constexpr uint16_t kTls12 = 0x0303;
  constexpr uint16_t kTls13 = 0x0304;
  return version == kTls13 ? "TLSv1.3" : version == kTls12 ? "TLSv1.2" : "";
}

}  // namespace

ExchangeReport::ExchangeReport(WorkerContext& worker, const Arrival& arrival,
                               ServerExchange& exchange)
    : worker_(worker),
      arrival_(arrival),
      exchange_(exchange),
      begun_(std::chrono::steady_clock::now()) {
  if (worker_.tracer != nullptr) {
    trace_ = ExchangeTrace::Begin(*worker_.tracer, arrival_, exchange_);
    record_.trace = trace_.get();
  }
  if (worker_.access_log == nullptr) return;
  const RequestHead& request = exchange_.request();
  received_.host = request.authority;
  received_.user_agent = request.headers.Get("user-agent").value_or("");
  if (trace_ != nullptr) {
    received_.trace_id = Hex(BytesOf(trace_->trace_id()));
    return;
  }
  const std::optional<TraceParent> trace = FindTraceParent(request.headers);
  if (trace.has_value()) received_.trace_id = trace->trace_id;
}

ExchangeReport::~ExchangeReport() {
  const TimePoint end =
      record_.ended == TimePoint() ? std::chrono::steady_clock::now() : record_.ended;
  const size_t code_class = record_.cut_off ? 0 : record_.status / 100;
  worker_.metrics.responses_by_class[code_class].Add();
  if (code_class == 5 && !record_.failure.empty()) worker_.metrics.gateway_errors.Add();
  ExchangeCounts& counts = worker_.metrics.exchanges;
  if (record_.listener != nullptr) {
    counts.listeners.Mine(*record_.listener->series).requests[code_class].Add();
  }
  if (record_.rule != nullptr) {
    RuleCounts& rule = counts.rules.Mine(*record_.rule->series);
    rule.requests[code_class].Add();
    if (record_.status != 101) rule.duration.Observe(end - begun_);  // A tunnel's is its users'.
    if (record_.answered != TimePoint()) rule.upstream.Observe(record_.answered - record_.sent);
  }
  if (record_.backend != nullptr) {
    counts.backends.Mine(*record_.backend->series).requests[code_class].Add();
  }
  if (worker_.access_log != nullptr) Log(end);
  if (trace_ != nullptr) trace_->End(record_, end - begun_);
}

void ExchangeReport::Log(TimePoint end) const {
  using std::chrono::duration_cast;
  using std::chrono::microseconds;
  const RequestHead& request = exchange_.request();
  AccessRecord line;
  line.duration = duration_cast<microseconds>(end - begun_);
  line.time = std::chrono::system_clock::now() - line.duration;
  line.client = exchange_.client_address();
  line.method = request.method;
  line.host = received_.host;
  line.path = request.target;
  line.protocol = ProtocolOf(request);
  line.status = record_.status;
  line.bytes_in = record_.bytes_in;
  line.bytes_out = record_.bytes_out;
  if (record_.answered != TimePoint()) {
    line.upstream = duration_cast<microseconds>(record_.answered - record_.sent);
  }
  if (record_.listener != nullptr) line.listener = record_.listener->name;
  if (record_.rule != nullptr) {
    line.route = record_.rule->series->name;
    line.rule = record_.rule->series->part;
  }
  std::string endpoint;
  if (record_.backend != nullptr) {
    line.backend = record_.backend->name;
  }
  if (record_.endpoint.has_value()) {
    const Endpoint& chosen = record_.backend->endpoints[*record_.endpoint];
    const bool is_ipv6 = chosen.host.find(':') != std::string::npos;
    endpoint =
        Concat(is_ipv6 ? "[" : "", chosen.host, is_ipv6 ? "]:" : ":", std::to_string(chosen.port));
    line.endpoint = endpoint;
  }
  line.request_id = request.headers.Get(HeaderId::kXRequestId).value_or("");
  line.trace_id = received_.trace_id;
  line.user_agent = received_.user_agent;
  line.tls = TlsName(arrival_.handshake.version);
  line.server_name = arrival_.handshake.server_name;
  line.failure = record_.failure;
  if (record_.cut_off && line.failure.empty()) line.failure = "cut_off";
  worker_.access_log->Write(line);
}

}  // namespace apk
