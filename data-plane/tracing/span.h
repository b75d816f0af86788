// What is told of one piece of work: names and kinds are those of OpenTelemetry. Plain values.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/clock.h"
#include "data-plane/tracing/trace_ids.h"

namespace apk {

struct Attribute {
  std::string_view key;  // Static.
  std::variant<std::string, int64_t, bool> value;
};

struct Span {
  static constexpr size_t kTextBytesMax = 1024;

  enum class Kind : uint8_t { kServer, kClient };

  TraceId trace{};
  SpanId id{};
  SpanId parent{};             // None: the trace begins with this one.
  bool parent_remote = false;  // Another program's.
  Kind kind = Kind::kServer;
  bool failed = false;
  std::string trace_state;  // As received, where the trace was.
  std::string name;
  WallTime begun;
  WallTime ended;  // Not before `begun`.
  std::vector<Attribute> attributes;

  // Text beyond kTextBytesMax is cut off. May have bytes that are no UTF-8.
  void Set(std::string_view key, std::string_view text);
  void Set(std::string_view key, const char* text) { Set(key, std::string_view(text)); }
  void Set(std::string_view key, int64_t number);
  void Set(std::string_view key, bool yes);
  // `type`: one of few (error.type).
  void Fail(std::string_view type);
  void End(WallTime at);
};

using SpanPtr = std::unique_ptr<Span>;

}  // namespace apk
