// Spans as OTLP has them (protobuf). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "data-plane/tracing/span.h"

namespace apk {

// Who tells of its spans.
struct SpanSource {
  std::string service_name;
  std::string instance_id;
  std::string version;
};

// An ExportTraceServiceRequest. Text that is no UTF-8, which collectors refuse, has U+FFFD where it
// is not.
std::string EncodeSpans(const SpanSource& source, std::span<const SpanPtr> spans);

// What an ExportTraceServiceResponse says of the spans that were not taken; nullopt where it is
// none.
struct PartialSuccess {
  uint64_t rejected = 0;
  std::string message;
};
std::optional<PartialSuccess> ParseExportResponse(std::string_view bytes);

}  // namespace apk
