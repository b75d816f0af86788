// One resource, one scope, all spans.
#include "data-plane/otlp/encode_spans.h"

#include <algorithm>

#include "data-plane/observe/escape.h"
#include "otlp/v1/trace.pb.h"

namespace apk {
namespace {

namespace otlp = ::otlp::v1;

constexpr uint32_t kSampled = 0x01;
constexpr uint32_t kParentKnown = 0x100;
constexpr uint32_t kParentRemote = 0x200;

std::string Utf8(std::string_view text) {
  std::string valid;
  AppendUtf8(valid, text);
  return valid;
}

uint64_t UnixNanoseconds(WallTime time) {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count());
}

struct ValueWriter {
  otlp::AnyValue& out;

  void operator()(const std::string& text) const { out.set_string_value(Utf8(text)); }
  void operator()(int64_t number) const { out.set_int_value(number); }
  void operator()(bool yes) const { out.set_bool_value(yes); }
};

void AddText(std::string_view key, const std::string& text, otlp::Resource& resource) {
  otlp::KeyValue& attribute = *resource.add_attributes();
  attribute.set_key(std::string(key));
  attribute.mutable_value()->set_string_value(Utf8(text));
}

void Fill(const Span& span, otlp::Span& out) {
  out.set_trace_id(std::string(BytesOf(span.trace)));
  out.set_span_id(std::string(BytesOf(span.id)));
  const bool has_parent = span.parent != SpanId();
  if (has_parent) out.set_parent_span_id(std::string(BytesOf(span.parent)));
  out.set_trace_state(Utf8(span.trace_state));
  out.set_name(Utf8(span.name));
  const bool server = span.kind == Span::Kind::kServer;
  out.set_kind(server ? otlp::Span::SPAN_KIND_SERVER : otlp::Span::SPAN_KIND_CLIENT);
  out.set_start_time_unix_nano(UnixNanoseconds(span.begun));
  out.set_end_time_unix_nano(UnixNanoseconds(span.ended));
  for (const Attribute& attribute : span.attributes) {
    otlp::KeyValue& entry = *out.add_attributes();
    entry.set_key(std::string(attribute.key));
    std::visit(ValueWriter{*entry.mutable_value()}, attribute.value);
  }
  if (span.failed) out.mutable_status()->set_code(otlp::Status::STATUS_CODE_ERROR);
  out.set_flags(kSampled | kParentKnown | (span.parent_remote ? kParentRemote : 0));
}

}  // namespace

std::string EncodeSpans(const SpanSource& source, std::span<const SpanPtr> spans) {
  otlp::ExportTraceServiceRequest request;
  otlp::ResourceSpans& all = *request.add_resource_spans();
  AddText("service.name", source.service_name, *all.mutable_resource());
  AddText("service.instance.id", source.instance_id, *all.mutable_resource());
  AddText("service.version", source.version, *all.mutable_resource());
  otlp::ScopeSpans& scope = *all.add_scope_spans();
  scope.mutable_scope()->set_name("apk-data-plane");
  scope.mutable_scope()->set_version(source.version);
  for (const SpanPtr& span : spans) Fill(*span, *scope.add_spans());
  return request.SerializeAsString();
}

std::optional<PartialSuccess> ParseExportResponse(std::string_view bytes) {
  otlp::ExportTraceServiceResponse response;
  if (!response.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return std::nullopt;
  PartialSuccess partial;
  const int64_t rejected = response.partial_success().rejected_spans();
  partial.rejected = static_cast<uint64_t>(std::max<int64_t>(rejected, 0));
  partial.message = response.partial_success().error_message();
  return partial;
}

}  // namespace apk
