#include "data-plane/http/trace_context.h"

#include <gtest/gtest.h>

namespace apk {
namespace {

constexpr std::string_view kTraceId = "0af7651916cd43dd8448eb211c80319c";

std::string Value(std::string_view version = "00", std::string_view trace_id = kTraceId,
                  std::string_view parent_id = "b7ad6b7169203331", std::string_view flags = "01") {
  std::string value;
  for (const std::string_view part : {version, trace_id, parent_id, flags}) {
    if (!value.empty()) value += '-';
    value += part;
  }
  return value;
}

TEST(TraceParent, IsTakenApart) {
  const std::string value = Value();
  const auto parent = ParseTraceParent(value);
  ASSERT_TRUE(parent.has_value());
  EXPECT_EQ(parent->trace_id, kTraceId);
  EXPECT_EQ(parent->parent_id, "b7ad6b7169203331");
  EXPECT_TRUE(parent->sampled);
}

TEST(TraceParent, IsSampledByTheLowestFlagAlone) {
  EXPECT_FALSE(ParseTraceParent(Value("00", kTraceId, "b7ad6b7169203331", "fe"))->sampled);
  EXPECT_TRUE(ParseTraceParent(Value("00", kTraceId, "b7ad6b7169203331", "ff"))->sampled);
}

TEST(TraceParent, IsRefusedWhereItIsNotWellFormed) {
  EXPECT_FALSE(ParseTraceParent("").has_value());
  EXPECT_FALSE(ParseTraceParent(Value("ff")).has_value());
  EXPECT_FALSE(ParseTraceParent(Value("0x")).has_value());
  EXPECT_FALSE(ParseTraceParent(Value("00", std::string(32, '0'))).has_value());
  EXPECT_FALSE(ParseTraceParent(Value("00", "0AF7651916CD43DD8448EB211C80319C")).has_value());
  EXPECT_FALSE(ParseTraceParent(Value("00", kTraceId, "0000000000000000")).has_value());
  EXPECT_FALSE(ParseTraceParent(Value("00", kTraceId, "b7ad6b7169203331", "0g")).has_value());
  EXPECT_FALSE(ParseTraceParent(Value() + "-00").has_value());
  EXPECT_FALSE(ParseTraceParent(Value().substr(1)).has_value());
}

TEST(TraceParent, OfALaterVersionIsReadAsFarAsThisOneGoes) {
  EXPECT_TRUE(ParseTraceParent(Value("cc")).has_value());
  EXPECT_TRUE(ParseTraceParent(Value("cc") + "-what-the-future-brings").has_value());
  EXPECT_FALSE(ParseTraceParent(Value("cc") + ".what").has_value());
}

TEST(TraceParent, StandsOnceInARequest) {
  HeaderMap headers;
  EXPECT_FALSE(FindTraceParent(headers).has_value());
  headers.Add("TraceParent", Value());
  EXPECT_TRUE(FindTraceParent(headers).has_value());
  headers.Add("traceparent", Value());
  EXPECT_FALSE(FindTraceParent(headers).has_value());
}

}  // namespace
}  // namespace apk
