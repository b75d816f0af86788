#include "data-plane/mirror/mirror_trace.h"

#include <gtest/gtest.h>

#include <map>

namespace apk {
namespace {

using Values = std::map<std::string_view, std::variant<std::string, int64_t, bool>>;

class MirrorTraceTest : public testing::Test {
 protected:
  // The attributes of a copy's span, and whether it failed.
  std::pair<Values, bool> End(MirrorResult result, uint16_t status = 0) {
    MirrorTrace trace{.span = std::make_unique<Span>(), .to = &buffer_, .status = status};
    trace.End(result);
    EXPECT_EQ(trace.span, nullptr);
    SpanPtr span;
    EXPECT_TRUE(buffer_.TryPop(span));
    Values values;
    for (const Attribute& attribute : span->attributes) values[attribute.key] = attribute.value;
    return {values, span->failed};
  }

  SpanBuffer buffer_;
};

TEST_F(MirrorTraceTest, TellsTheOutcomeAndTheAnswer) {
  const auto [values, failed] = End(MirrorResult::kSent, 204);
  EXPECT_FALSE(failed);
  EXPECT_EQ(values,
            (Values{{"apk.mirror.outcome", "sent"}, {"http.response.status_code", int64_t{204}}}));
}

TEST_F(MirrorTraceTest, FailsWhereTheMirrorSaysSo) {
  const auto [values, failed] = End(MirrorResult::kSent, 500);
  EXPECT_TRUE(failed);
  EXPECT_EQ(values.at("apk.mirror.outcome"), Values::mapped_type("sent"));
  EXPECT_EQ(values.at("error.type"), Values::mapped_type("500"));
}

TEST_F(MirrorTraceTest, FailsWithTheReason) {
  const auto [values, failed] = End(MirrorResult::kDroppedQueue);
  EXPECT_TRUE(failed);
  EXPECT_EQ(values, (Values{{"apk.mirror.outcome", "dropped"},
                            {"apk.mirror.reason", "queue"},
                            {"error.type", "queue"}}));
  EXPECT_EQ(End(MirrorResult::kTimeout).first.at("error.type"), Values::mapped_type("timeout"));
}

}  // namespace
}  // namespace apk
