// What bins keep, drop, mask and count.
#include "data-plane/inspector/bins.h"

#include <gtest/gtest.h>

#include "common/strings.h"
#include "common/uuid.h"

namespace apk::inspector {
namespace {

CapturedRequest Request(std::string target, std::string body = "") {
  CapturedRequest request;
  request.method = "POST";
  request.target = std::move(target);
  request.body_bytes = body.size();
  request.body = std::move(body);
  return request;
}

TEST(Bin, EvictsTheOldestByCountAndSaysSo) {
  Bin bin(BinLimits{.requests_max = 3, .bytes_max = 1 << 20});
  for (int i = 0; i < 5; ++i) bin.Add(Request("/token-01/"));
  EXPECT_EQ(bin.requests().size(), 3u);
  EXPECT_EQ(bin.requests().front().id, 3u);
  EXPECT_EQ(bin.received(), 5u);
  EXPECT_EQ(bin.evicted(), 2u);
  EXPECT_EQ(bin.Find(2), nullptr);
  ASSERT_NE(bin.Find(4), nullptr);
}

TEST(Bin, EvictsByBytesButKeepsTheNewest) {
  Bin bin(BinLimits{.requests_max = 100, .bytes_max = 4096});
  bin.Add(Request("/token-01/", std::string(3000, 'a')));
  bin.Add(Request("/token-01/", std::string(3000, 'b')));
  ASSERT_EQ(bin.requests().size(), 1u);
  bin.Add(Request("/token-01/", std::string(9000, 'c')));
  ASSERT_EQ(bin.requests().size(), 1u);
  EXPECT_EQ(bin.requests().front().body[0], 'c');
}

TEST(Bin, AccountsForEveryByteItGivesBack) {
  Bin bin(BinLimits{});
  bin.Add(Request("/token-01/", "abc"));
  const uint64_t id = bin.Add(Request("/token-01/", "def")).id;
  EXPECT_TRUE(bin.Delete(id));
  EXPECT_FALSE(bin.Delete(id));
  EXPECT_TRUE(bin.Delete(1));
  EXPECT_EQ(bin.bytes(), 0u);
  EXPECT_EQ(bin.generation(), 2u);
}

TEST(Bins, AnUnknownTokenMakesABinUpToTheCap) {
  BinsOptions options;
  options.bins_max = 2;
  Bins bins(options);
  EXPECT_TRUE(bins.Capture(Request("/token-01/a")).ok());
  EXPECT_TRUE(bins.Capture(Request("/token-02")).ok());
  EXPECT_EQ(bins.Capture(Request("/token-03/")).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(bins.Capture(Request("/token-01/b")).ok());
  EXPECT_EQ(bins.Find("token-01")->bin.received(), 2u);
}

TEST(Bins, OnlyListedBinsTakeRequestsWhenAsked) {
  BinsOptions options;
  options.accept_unknown = false;
  Bins bins(options);
  ASSERT_TRUE(bins.Create("token-01").ok());
  EXPECT_TRUE(bins.Capture(Request("/token-01/")).ok());
  EXPECT_EQ(bins.Capture(Request("/token-02/")).code(), absl::StatusCode::kNotFound);
}

TEST(Bins, TargetsWithoutATokenAreRefused) {
  Bins bins(BinsOptions{});
  for (const char* const target :
       {"/", "/short/", "*", "http://host/short/", "/token_01/", "/token%2d1/"}) {
    EXPECT_EQ(bins.Capture(Request(target)).code(), absl::StatusCode::kInvalidArgument) << target;
  }
}

TEST(Bins, MasksCredentialsAndKeepsTheirScheme) {
  Bins bins(BinsOptions{});
  CapturedRequest request = Request("/token-01/");
  request.headers = {{.name = "AUTHORIZATION", .value = "Bearer s3cret"},
                     {.name = "Proxy-Authorization", .value = "s3cret"},
                     {.name = "Cookie", .value = "id=s3cret a"},
                     {.name = "x-api-key", .value = "s3cret"},
                     {.name = "X-Other", .value = "stays"}};
  ASSERT_TRUE(bins.Capture(std::move(request)).ok());
  const CapturedRequest& kept = bins.Find("token-01")->bin.requests().front();
  EXPECT_EQ(kept.headers[0].value, "Bearer [masked]");
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_TRUE(kept.headers[i].masked);
    EXPECT_EQ(kept.headers[i].value.find("s3cret"), std::string::npos);
  }
  EXPECT_FALSE(kept.headers[4].masked);
  EXPECT_EQ(kept.headers[4].value, "stays");
}

TEST(Bins, NewTokensAreTokensAndDiffer) {
  const std::string token = NewUuid();
  EXPECT_TRUE(IsToken(token));
  EXPECT_NE(token, NewUuid());
}

}  // namespace
}  // namespace apk::inspector
