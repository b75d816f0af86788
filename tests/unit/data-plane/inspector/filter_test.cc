// The language of the filter box.
#include "data-plane/inspector/filter.h"

#include <gtest/gtest.h>

#include <string>

namespace apk::inspector {
namespace {

CapturedRequest Order() {
  CapturedRequest request;
  request.method = "POST";
  request.target = "/token-01/orders/17?from=me&note=two%20words";
  request.headers = {{.name = "X-Env", .value = "Prod"},
                     {.name = "X-Tag", .value = "a"},
                     {.name = "X-Tag", .value = "b"}};
  request.body = R"({"reason": "refund please"})";
  request.body_bytes = request.body.size();
  request.source = "10.0.0.7:4711";
  request.received_at = WallTime(std::chrono::seconds(1'000'000));
  return request;
}

bool Matches(std::string_view text) {
  const absl::StatusOr<Filter> filter = Filter::Parse(text);
  EXPECT_TRUE(filter.ok()) << text << ": " << filter.status();
  return filter.ok() && filter->Matches(Order(), WallTime(std::chrono::seconds(1'000'060)));
}

TEST(Filter, AllTermsMustHold) {
  for (const char* const text : {"",
                                 "  ",
                                 "method:post",
                                 "path:/orders",
                                 "path=/orders/17",
                                 "header.x-env=prod",
                                 "header.x-env~ro",
                                 "header.x-env",
                                 "header.X-Tag=b",
                                 "query.from=me",
                                 "query.note=\"two words\"",
                                 "query.from",
                                 "body~refund",
                                 "body~\"refund please\"",
                                 "\"refund please\"",
                                 "source:10.0.",
                                 "after:2m",
                                 "PROD",
                                 "-method:GET",
                                 "method:POST path:/orders -header.absent",
                                 "body~\"\\\"reason\\\"\""}) {
    EXPECT_TRUE(Matches(text)) << text;
  }
  for (const char* const text :
       {"method:GET", "path=/orders", "path:/Orders", "header.x-env=pro", "header.absent",
        "query.from=you", "query.absent", "body~Refund", "source:11.", "after:30s", "nothing-of-it",
        "-method:POST", "method:POST path:/absent", "token-01"}) {
    EXPECT_FALSE(Matches(text)) << text;
  }
}

TEST(Filter, QuotesMakeAnythingPlainText) {
  EXPECT_FALSE(Matches("\"method:POST\""));
  EXPECT_FALSE(Matches("\"-method:GET\""));
}

TEST(Filter, MistakesAreExplained) {
  for (const char* const text :
       {"\"open", "method:", "header.=x", "after:soon", "after:m", "after:9999999s"}) {
    EXPECT_FALSE(Filter::Parse(text).ok()) << text;
  }
}

TEST(Filter, HasLimits) {
  EXPECT_FALSE(Filter::Parse(std::string(Filter::kBytesMax + 1, 'a')).ok());
  std::string many;
  for (size_t i = 0; i <= Filter::kTermsMax; ++i) many += "a ";
  EXPECT_FALSE(Filter::Parse(many).ok());
}

}  // namespace
}  // namespace apk::inspector
