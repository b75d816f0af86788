#include "data-plane/tracing/span.h"

#include <gtest/gtest.h>

#include "data-plane/tracing/span_buffer.h"

namespace apk {
namespace {

TEST(Span, KeepsTextShort) {
  Span span;
  span.Set("url.path", std::string(5000, 'x'));
  EXPECT_EQ(std::get<std::string>(span.attributes.at(0).value).size(), Span::kTextBytesMax);
  const std::string before(Span::kTextBytesMax - 1, 'x');
  span.Set("whole characters", before + "\u00e9");  // Others are no string of protobuf.
  EXPECT_EQ(std::get<std::string>(span.attributes.back().value), before);
}

TEST(Span, TellsTypesOfValuesApart) {
  Span span;
  span.Set("text", "a literal");
  span.Set("number", int64_t{7});
  span.Set("yes", true);
  EXPECT_EQ(std::get<std::string>(span.attributes.at(0).value), "a literal");
  EXPECT_EQ(std::get<int64_t>(span.attributes.at(1).value), 7);
  EXPECT_TRUE(std::get<bool>(span.attributes.at(2).value));
}

TEST(Span, NeverEndsBeforeItBegan) {
  Span span;
  span.begun = WallTime(std::chrono::hours(2));
  span.End(WallTime(std::chrono::hours(1)));
  EXPECT_EQ(span.ended, span.begun);
}

TEST(SpanBuffer, GivesInOrderAndDropsWhatFindsNoRoom) {
  SpanBuffer buffer;
  for (size_t i = 0; i < SpanBuffer::kSpansMax + 3; ++i) {
    auto span = std::make_unique<Span>();
    span->name = std::to_string(i);
    buffer.Push(std::move(span));
  }
  EXPECT_EQ(buffer.dropped(), 3u);
  SpanPtr span;
  size_t taken = 0;
  for (; buffer.TryPop(span); ++taken) EXPECT_EQ(span->name, std::to_string(taken));
  EXPECT_EQ(taken, SpanBuffer::kSpansMax);
  buffer.Push(std::make_unique<Span>());
  EXPECT_TRUE(buffer.TryPop(span));
}

}  // namespace
}  // namespace apk
