// Heads to bytes: framing is written once and anew, and what is written can be read again.
#include "data-plane/http/head_writer.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <utility>

#include "data-plane/http/head_parser.h"

namespace apk {
namespace {

RequestHead Get() {
  RequestHead head;
  head.method = "GET";
  head.path = "/a";
  return head;
}

std::string Write(const RequestHead& head, std::string_view base_path = "") {
  std::string out;
  AppendRequestHead(
      out, {.head = &head, .base_path = base_path, .host = "backend:1", .mirror_mark = {}});
  return out;
}

TEST(HeadWriter, WritesLineHostFieldsAndEnd) {
  RequestHead head = Get();
  head.headers.Add("X-A", "b");
  head.headers.Add("x-a", "");
  EXPECT_EQ(Write(head), "GET /a HTTP/1.1\r\nHost: backend:1\r\nX-A: b\r\nx-a: \r\n\r\n");
}

TEST(HeadWriter, AppendsToWhatIsThere) {
  const RequestHead head = Get();
  std::string out = "before";
  AppendRequestHead(out, {.head = &head, .base_path = "", .host = "h", .mirror_mark = {}});
  EXPECT_EQ(out, "beforeGET /a HTTP/1.1\r\nHost: h\r\n\r\n");
}

TEST(HeadWriter, PutsTheBaseBeforeThePathAndTheQueryBehind) {
  RequestHead head = Get();
  head.has_query = true;
  EXPECT_TRUE(Write(head, "/base").starts_with("GET /base/a? HTTP/1.1\r\n"));
  head.query = "b=%2F?c";
  EXPECT_TRUE(Write(head).starts_with("GET /a?b=%2F?c HTTP/1.1\r\n"));
  head.has_query = false;
  EXPECT_TRUE(Write(head).starts_with("GET /a HTTP/1.1\r\n"));
}

TEST(HeadWriter, NamesTheTraceInPlaceOfWhatCame) {
  RequestHead head = Get();
  head.headers.Add("TraceParent", "theirs");
  head.headers.Add("X-A", "b");
  head.headers.Add("traceparent", "theirs too");
  std::string out;
  AppendRequestHead(
      out,
      {.head = &head, .base_path = "", .host = "h", .mirror_mark = {}, .trace_parent = "ours"});
  EXPECT_EQ(out, "GET /a HTTP/1.1\r\nHost: h\r\nX-A: b\r\ntraceparent: ours\r\n\r\n");
}

TEST(HeadWriter, ACopyIsMarkedInTheGatewaysOwnMemberOfVia) {
  RequestHead head = Get();
  head.headers.Add("Via", "1.1 first");
  head.headers.Append("Via", "1.1 apk");
  std::string out;
  AppendRequestHead(
      out, {.head = &head, .base_path = "", .host = "h", .mirror_mark = "(mirror 12)"});
  EXPECT_EQ(out, "GET /a HTTP/1.1\r\nHost: h\r\nVia: 1.1 first, 1.1 apk (mirror 12)\r\n\r\n");
  EXPECT_EQ(Write(head).find("mirror"), std::string::npos);
  head.headers.Remove(HeaderId::kVia);
  out.clear();
  AppendRequestHead(
      out, {.head = &head, .base_path = "", .host = "h", .mirror_mark = "(mirror 12)"});
  EXPECT_EQ(out, "GET /a HTTP/1.1\r\nHost: h\r\nVia: 1.1 apk (mirror 12)\r\n\r\n");
}

TEST(HeadWriter, AlwaysSpeaksOnePointOne) {
  RequestHead head = Get();
  head.minor_version = 0;
  EXPECT_TRUE(Write(head).starts_with("GET /a HTTP/1.1\r\n"));
}

TEST(HeadWriter, HostIsTheOneGivenWhateverWasReceived) {
  RequestHead head = Get();
  head.host = head.authority = "received";
  head.headers.Add("Host", "received");
  head.headers.Add("hOST", "twice");
  EXPECT_EQ(Write(head), "GET /a HTTP/1.1\r\nHost: backend:1\r\n\r\n");
}

TEST(HeadWriter, FramingIsAnewWhateverFieldsWereReceived) {
  using Kind = BodyFraming::Kind;
  const std::pair<BodyFraming, const char*> cases[] = {
      {{.kind = Kind::kLength, .length = 12}, "Content-Length: 12\r\n"},
      {{.kind = Kind::kLength, .length = 999999999999999999},
       "Content-Length: 999999999999999999\r\n"},
      {{.kind = Kind::kChunked}, "Transfer-Encoding: chunked\r\n"},
  };
  for (const auto& [framing, field] : cases) {
    RequestHead head = Get();
    head.framing = framing;
    head.headers.Add("content-length", "0012");
    head.headers.Add("Content-Length", "7");
    head.headers.Add("transfer-encoding", "identity");
    head.headers.Add("A", "b");
    EXPECT_EQ(Write(head),
              "GET /a HTTP/1.1\r\nHost: backend:1\r\nA: b\r\n" + std::string(field) + "\r\n");
  }
}

TEST(HeadWriter, AnEmptyBodyThatWasDeclaredStaysDeclared) {
  RequestHead head = Get();
  EXPECT_EQ(Write(head), "GET /a HTTP/1.1\r\nHost: backend:1\r\n\r\n");
  head.headers.Add("Content-Length", "000");
  head.headers.Add("A", "b");
  EXPECT_EQ(Write(head), "GET /a HTTP/1.1\r\nHost: backend:1\r\nA: b\r\nContent-Length: 0\r\n\r\n");
}

TEST(HeadWriter, AppendFramingWritesNothingForNoBodyAndUntilClose) {
  std::string out;
  AppendFraming(out, {});
  AppendFraming(out, {.kind = BodyFraming::Kind::kUntilClose});
  EXPECT_EQ(out, "");
  AppendFraming(out, {.kind = BodyFraming::Kind::kLength, .length = 0});
  EXPECT_EQ(out, "Content-Length: 0\r\n");
}

TEST(HeadWriter, WhatIsWrittenIsReadAsTheSameRequest) {
  for (const std::string bytes :
       {"GET / HTTP/1.1\r\nHost: backend:1\r\n\r\n",
        "POST /a/%2e%2e/b?c HTTP/1.1\r\nContent-Length: 0005\r\nHost: backend:1\r\nA:\tb \r\n\r\n",
        "PUT http://backend:1/x? HTTP/1.1\r\nHost: BACKEND:1\r\ntransfer-encoding: "
        "Chunked\r\n\r\n"}) {
    RequestHead first;
    RequestHead second;
    ASSERT_EQ(ParseRequestHead(bytes, HeadLimits(), first), HeadError::kNone) << bytes;
    const std::string written = Write(first);
    ASSERT_EQ(ParseRequestHead(written, HeadLimits(), second), HeadError::kNone) << written;
    EXPECT_EQ(second.method, first.method);
    EXPECT_EQ(second.path, first.path);
    EXPECT_EQ(second.query, first.query);
    EXPECT_EQ(second.has_query, first.has_query);
    EXPECT_EQ(second.host, first.host);
    EXPECT_EQ(second.framing.kind, first.framing.kind);
    EXPECT_EQ(second.framing.length, first.framing.length);
    EXPECT_EQ(second.headers.Get("a"), first.headers.Get("a"));
    EXPECT_EQ(Write(second), written);
  }
}

TEST(HeadWriter, StatusLineHasTheReasonGivenOrTheRegisteredOne) {
  struct Case {
    uint16_t status;
    const char* reason;
    const char* line;
  };
  const Case cases[] = {
      {200, "", "HTTP/1.1 200 OK\r\n"},
      {200, "Fine", "HTTP/1.1 200 Fine\r\n"},
      {431, "", "HTTP/1.1 431 Request Header Fields Too Large\r\n"},
      {599, "", "HTTP/1.1 599 \r\n"},
      {599, "Odd", "HTTP/1.1 599 Odd\r\n"},
  };
  for (const Case& c : cases) {
    std::string out;
    AppendStatusLine(out, c.status, c.reason);
    EXPECT_EQ(out, c.line);
  }
}

TEST(HeadWriter, EveryStatusTheGatewayAnswersWithHasAPhrase) {
  for (const int status : {100, 301, 302, 303, 307, 308, 400, 401, 403, 404, 405, 408,
                           413, 414, 421, 426, 429, 431, 500, 501, 502, 503, 504, 505}) {
    EXPECT_NE(ReasonPhrase(static_cast<uint16_t>(status)), "") << status;
  }
  EXPECT_EQ(ReasonPhrase(299), "");
  EXPECT_EQ(ReasonPhrase(0), "");
}

TEST(HeadWriter, FieldsAndEndsAreWrittenPlainly) {
  std::string out;
  AppendField(out, "A", "b c");
  AppendField(out, "D", "");
  AppendHeadEnd(out);
  EXPECT_EQ(out, "A: b c\r\nD: \r\n\r\n");
}

TEST(HeadWriter, NumbersAreDecimalUpToTheLargest) {
  std::string out;
  AppendNumber(out, 0);
  out += ' ';
  AppendNumber(out, std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(out, "0 18446744073709551615");
}

TEST(HeadWriter, ChunkHeadersAreHexAndFitTheBuffer) {
  const std::pair<size_t, const char*> cases[] = {
      {0, "0\r\n"},
      {1, "1\r\n"},
      {31, "1f\r\n"},
      {65536, "10000\r\n"},
      {std::numeric_limits<size_t>::max(), "ffffffffffffffff\r\n"}};
  for (const auto& [size, header] : cases) {
    char buffer[20];
    const size_t written = FormatChunkHeader(buffer, size);
    EXPECT_EQ(std::string(buffer, written), header);
  }
}

}  // namespace
}  // namespace apk
