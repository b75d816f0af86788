#include "data-plane/tracing/trace_ids.h"

#include <gtest/gtest.h>

#include <set>

#include "data-plane/http/trace_context.h"

namespace apk {
namespace {

constexpr std::string_view kTrace = "0af7651916cd43dd8448eb211c80319c";
constexpr std::string_view kSpan = "b7ad6b7169203331";

TEST(TraceIds, AreTheBytesOfTheirDigits) {
  EXPECT_EQ(BytesOf(SpanIdOf(kSpan)), "\xb7\xad\x6b\x71\x69\x20\x33\x31");
  EXPECT_EQ(BytesOf(TraceIdOf(kTrace)).substr(0, 3), "\x0a\xf7\x65");
}

TEST(TraceIds, ComeBackFromTheFieldThatNamesThem) {
  const std::string value = FormatTraceParent(TraceIdOf(kTrace), SpanIdOf(kSpan), true);
  EXPECT_EQ(value, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  EXPECT_TRUE(FormatTraceParent(TraceIdOf(kTrace), SpanIdOf(kSpan), false).ends_with("-00"));
  const auto parent = ParseTraceParent(value);
  ASSERT_TRUE(parent.has_value());
  EXPECT_EQ(parent->trace_id, kTrace);
  EXPECT_EQ(parent->parent_id, kSpan);
}

TEST(IdSource, NeverRepeatsItself) {
  IdSource first;
  IdSource second;
  std::set<TraceId> traces;
  std::set<SpanId> spans;
  for (int i = 0; i < 1000; ++i) {  // More than are fetched at a time.
    traces.insert(first.NextTrace());
    traces.insert(second.NextTrace());
    spans.insert(first.NextSpan());
  }
  EXPECT_EQ(traces.size(), 2000u);
  EXPECT_EQ(spans.size(), 1000u);
}

}  // namespace
}  // namespace apk
