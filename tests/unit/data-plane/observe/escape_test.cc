#include "data-plane/observe/escape.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace apk {
namespace {

std::string Text(std::string_view value) {
  std::string out;
  AppendTextEscaped(out, value);
  return out;
}

std::string Json(std::string_view value) {
  std::string out = "\"";
  AppendJsonEscaped(out, value);
  return out + "\"";
}

std::string Label(std::string_view value) {
  std::string out;
  AppendLabelEscaped(out, value);
  return out;
}

TEST(Escape, LeavesWhatIsHarmlessAlone) {
  EXPECT_EQ(Text("GET /a b?c=é€😀"), "GET /a b?c=é€😀");
  EXPECT_EQ(Json("GET /a b?c=é€😀"), "\"GET /a b?c=é€😀\"");
  EXPECT_EQ(Text(""), "");
}

TEST(Escape, KeepsAValueWithinItsQuotesAndItsLine) {
  EXPECT_EQ(Text("a\"b\\c\r\nd\x7f"), "a\\x22b\\x5Cc\\x0D\\x0Ad\\x7F");
  EXPECT_EQ(Text(std::string_view("\0x", 2)), "\\x00x");
  EXPECT_EQ(Json("a\"b\\c\r\nd\x7f"), "\"a\\\"b\\\\c\\u000D\\u000Ad\\u007F\"");
}

TEST(Escape, HidesC1ControlsFromTerminals) {
  EXPECT_EQ(Text("\xC2\x9B" "31m"), "\\xC2\\x9B31m");
  EXPECT_EQ(Json("\xC2\x9B"), "\"\\u009B\"");
  EXPECT_EQ(Text("\xC2\xA0"), "\xC2\xA0");
}

TEST(Escape, MarksBytesThatAreNoUtf8) {
  EXPECT_EQ(Text("a\xFF"), "a\\xFF");
  EXPECT_EQ(Text("\xE2\x82"), "\\xE2\\x82");              // Cut short.
  EXPECT_EQ(Text("\xC0\xAF"), "\\xC0\\xAF");              // Overlong.
  EXPECT_EQ(Text("\xED\xA0\x80"), "\\xED\\xA0\\x80");     // A surrogate.
  EXPECT_EQ(Text("\xF4\x90\x80\x80"), "\\xF4\\x90\\x80\\x80");
  EXPECT_EQ(Json("\xFFz"), "\"\xEF\xBF\xBDz\"");
  EXPECT_EQ(Label("\xFFz"), "\xEF\xBF\xBDz");
}

TEST(Escape, MakesJsonOfAnyBytes) {
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      const std::string value = {static_cast<char>(first), static_cast<char>(second), 'x'};
      const std::string json = Json(value);
      EXPECT_TRUE(nlohmann::json::accept(json)) << json;
      for (const char c : json) EXPECT_FALSE(static_cast<unsigned char>(c) < 0x20) << json;
    }
  }
}

TEST(Escape, WritesLabelsAsPrometheusReadsThem) {
  EXPECT_EQ(Label("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
}

}  // namespace
}  // namespace apk
