#include "data-plane/http/h2_head.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace apk {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

const Fields kPlain = {{":method", "GET"},
                       {":scheme", "https"},
                       {":path", "/a/../b?c"},
                       {":authority", "Host.example:1"}};

HeadError Build(const Fields& fields, RequestHead& head, bool ends_stream = true) {
  const HeadLimits limits;
  H2RequestHeadBuilder builder(limits, head);
  for (const auto& [name, value] : fields) builder.Add(name, value);
  return builder.Finish(ends_stream);
}

HeadError BuildWith(const Fields& more, bool ends_stream = true) {
  Fields fields = kPlain;
  fields.insert(fields.end(), more.begin(), more.end());
  RequestHead head;
  return Build(fields, head, ends_stream);
}

TEST(H2RequestHead, IsWhatAnHttp1HeadWouldBe) {
  RequestHead head;
  Fields fields = kPlain;
  fields.emplace_back("cookie", "a=1");
  fields.emplace_back("x-mine", "1");
  fields.emplace_back("cookie", "b=2");
  ASSERT_EQ(Build(fields, head), HeadError::kNone);
  EXPECT_EQ(head.method, "GET");
  EXPECT_EQ(head.path, "/b");
  EXPECT_EQ(head.query, "c");
  EXPECT_EQ(head.authority, "Host.example:1");
  EXPECT_EQ(head.host, "host.example");
  EXPECT_EQ(head.major_version, 2);
  EXPECT_EQ(head.framing.kind, BodyFraming::Kind::kNone);
  EXPECT_EQ(head.headers.Get("cookie"), "a=1; b=2");
  EXPECT_EQ(head.headers.size(), 2u);
}

TEST(H2RequestHead, FramesItsBodyByLengthOrChunks) {
  RequestHead head;
  ASSERT_EQ(Build(kPlain, head, false), HeadError::kNone);
  EXPECT_EQ(head.framing.kind, BodyFraming::Kind::kChunked);
  Fields fields = kPlain;
  fields.emplace_back("content-length", "12");
  ASSERT_EQ(Build(fields, head, false), HeadError::kNone);
  EXPECT_EQ(head.framing.kind, BodyFraming::Kind::kLength);
  EXPECT_EQ(head.framing.length, 12u);
}

TEST(H2RequestHead, TakesHostWhereThereIsNoAuthority) {
  RequestHead head;
  ASSERT_EQ(Build({{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {"host", "a.b"}}, head),
            HeadError::kNone);
  EXPECT_EQ(head.authority, "a.b");
  EXPECT_EQ(Build({{":method", "GET"}, {":scheme", "http"}, {":path", "/"}}, head),
            HeadError::kMalformed);
  EXPECT_EQ(BuildWith({{"host", "host.example:1"}}), HeadError::kNone);
  EXPECT_EQ(BuildWith({{"host", "other"}}), HeadError::kMalformed);
  EXPECT_EQ(BuildWith({{"host", "host.example:1"}, {"host", "host.example:1"}}),
            HeadError::kMalformed);
}

TEST(H2RequestHead, RefusesWhatWouldSplitAnHttp1Message) {
  EXPECT_EQ(BuildWith({{"x", "a\r\nb: c"}}), HeadError::kMalformed);
  EXPECT_EQ(BuildWith({{"x\r\ny", "a"}}), HeadError::kMalformed);
  EXPECT_EQ(BuildWith({{"x y", "a"}}), HeadError::kMalformed);
  EXPECT_EQ(BuildWith({{"transfer-encoding", "chunked"}}, false), HeadError::kMalformed);
  EXPECT_EQ(BuildWith({{"content-length", "1"}, {"content-length", "1"}}, false),
            HeadError::kMalformed);
  EXPECT_EQ(BuildWith({{"content-length", "+1"}}, false), HeadError::kMalformed);
  RequestHead head;
  for (const std::string path : {"", "*", "a", "/a b", "/a\r\n", "http://a/", "/%2f", "/a#b"}) {
    Fields fields = kPlain;
    fields[2].second = path;
    EXPECT_EQ(Build(fields, head), HeadError::kMalformed) << path;
  }
  for (const std::string method : {"", "GE T", "GET\r\n"}) {
    Fields fields = kPlain;
    fields[0].second = method;
    EXPECT_EQ(Build(fields, head), HeadError::kMalformed) << method;
  }
}

TEST(H2RequestHead, HasLimits) {
  EXPECT_EQ(BuildWith(Fields(129, {"x", "1"})), HeadError::kHeadTooLarge);
  EXPECT_EQ(BuildWith(Fields(128, {"x", "1"})), HeadError::kNone);
  EXPECT_EQ(BuildWith({{"x", std::string(70'000, 'a')}}), HeadError::kHeadTooLarge);
  Fields fields = kPlain;
  fields[2].second = "/" + std::string(16 * 1024, 'a');
  RequestHead head;
  EXPECT_EQ(Build(fields, head), HeadError::kTargetTooLong);
}

TEST(H2RequestHead, ANameIsNoLongerThanHttp1MayHaveIt) {
  EXPECT_EQ(BuildWith({{std::string(kFieldNameBytesMax, 'a'), "1"}}), HeadError::kNone);
  EXPECT_EQ(BuildWith({{std::string(kFieldNameBytesMax + 1, 'a'), "1"}}), HeadError::kMalformed);
}

TEST(H2RequestHead, TakesExtendedConnectForWebSocketsOnly) {
  Fields fields = kPlain;
  fields[0].second = "CONNECT";
  fields.insert(fields.begin(), {":protocol", "websocket"});
  RequestHead head;
  ASSERT_EQ(Build(fields, head, false), HeadError::kNone);
  EXPECT_EQ(head.method, "GET");
  EXPECT_TRUE(head.websocket);
  EXPECT_EQ(head.framing.kind, BodyFraming::Kind::kNone);
  fields[0].second = "other";
  EXPECT_EQ(Build(fields, head, false), HeadError::kMalformed);
}

TEST(H2ResponseHead, ReadsStatusFieldsAndFraming) {
  const HeadLimits limits;
  ResponseHead head;
  H2ResponseHeadBuilder builder(limits, head);
  builder.Add(":status", "200");
  builder.Add("x", "1");
  EXPECT_TRUE(builder.Finish(false, false));
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.headers.Get("x"), "1");
  EXPECT_EQ(head.framing.kind, BodyFraming::Kind::kChunked);
}

TEST(H2ResponseHead, RefusesWhatIsNone) {
  const HeadLimits limits;
  for (const Fields& fields : {Fields{}, Fields{{":status", "20"}}, Fields{{":status", "2x0"}},
                               Fields{{":status", "200"}, {"x", "a\nb"}},
                               Fields{{":status", "200"}, {"transfer-encoding", "chunked"}},
                               Fields{{":status", "200"}, {"content-length", "x"}}}) {
    ResponseHead head;
    H2ResponseHeadBuilder builder(limits, head);
    for (const auto& [name, value] : fields) builder.Add(name, value);
    EXPECT_FALSE(builder.Finish(false, false));
  }
}

TEST(AddTrailer, KeepsWhatMayTrailWithinLimits) {
  HeaderMap trailers;
  EXPECT_TRUE(AddTrailer("grpc-status", "0", trailers));
  EXPECT_TRUE(AddTrailer("content-length", "5", trailers));
  EXPECT_EQ(trailers.size(), 1u);
  EXPECT_FALSE(AddTrailer("x", "a\r\nb", trailers));
  EXPECT_FALSE(AddTrailer("x", std::string(9000, 'a'), trailers));
  for (int i = 1; i < 32; ++i) EXPECT_TRUE(AddTrailer("x", "1", trailers));
  EXPECT_FALSE(AddTrailer("x", "1", trailers));
}

}  // namespace
}  // namespace apk
