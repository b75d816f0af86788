// Heads: what is read, and that whatever could be read in two ways is refused.
#include "data-plane/http/head_parser.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace apk {
namespace {

using State = HeadScanner::State;

constexpr char kGet[] = "GET / HTTP/1.1\r\n";
constexpr char kPost[] = "POST / HTTP/1.1\r\nHost: h\r\n";

// Whole, as the session does it: scanned, then parsed. kNone only for one whole head.
HeadError Read(std::string_view bytes, RequestHead& out, const HeadLimits& limits = {}) {
  HeadScanner scanner;
  switch (scanner.Scan(bytes, limits)) {
    case State::kError:
      return scanner.error();
    case State::kIncomplete:
      ADD_FAILURE() << "incomplete: " << bytes;
      return HeadError::kMalformed;
    case State::kComplete:
      break;
  }
  const size_t size = scanner.head_end() - scanner.head_begin();
  return ParseRequestHead(bytes.substr(scanner.head_begin(), size), limits, out);
}

HeadError Read(std::string_view bytes, const HeadLimits& limits = {}) {
  RequestHead head;
  return Read(bytes, head, limits);
}

// As Read(), with one byte more at a time.
HeadError ReadByteByByte(std::string_view bytes, RequestHead& out, const HeadLimits& limits = {}) {
  HeadScanner scanner;
  for (size_t size = 0; size <= bytes.size(); ++size) {
    const State state = scanner.Scan(bytes.substr(0, size), limits);
    if (state == State::kError) return scanner.error();
    if (state == State::kIncomplete) continue;
    EXPECT_EQ(size, scanner.head_end()) << "complete before its last byte: " << bytes;
    return ParseRequestHead(bytes.substr(scanner.head_begin(), size - scanner.head_begin()), limits,
                            out);
  }
  ADD_FAILURE() << "incomplete: " << bytes;
  return HeadError::kMalformed;
}

// Everything that is parsed, for comparison.
std::string Dump(const RequestHead& head) {
  std::string out = head.method + " " + head.authority + " " + head.host + " " + head.path;
  if (head.has_query) out += "?" + head.query;
  out += " 1." + std::to_string(head.minor_version);
  out += " framing " + std::to_string(static_cast<int>(head.framing.kind)) + " " +
         std::to_string(head.framing.length);
  out += head.keep_alive ? " keep" : " close";
  if (head.expect_continue) out += " expect";
  for (size_t i = 0; i < head.headers.size(); ++i) {
    out.append("|").append(head.headers.name(i)).append("=").append(head.headers.value(i));
  }
  return out;
}

// Of a request with these fields after "POST / HTTP/1.1" and Host.
HeadError ReadPost(const std::string& fields, RequestHead& out) {
  return Read(kPost + fields + "\r\n", out);
}

HeadError ReadResponse(std::string_view bytes, ResponseHead& out, bool request_was_head = false) {
  HeadScanner scanner;
  if (scanner.Scan(bytes, HeadLimits()) != State::kComplete) return HeadError::kMalformed;
  return ParseResponseHead(bytes, HeadLimits(), request_was_head, out);
}

TEST(HeadParser, ReadsAnOrdinaryRequest) {
  RequestHead head;
  ASSERT_EQ(
      Read("PUT /a/../b?c=%2F HTTP/1.1\r\nHost: Ex.Com:80\r\nX-A: \t v w \t\r\nx-a:\r\n\r\n", head),
      HeadError::kNone);
  EXPECT_EQ(Dump(head),
            "PUT Ex.Com:80 ex.com /b?c=%2F 1.1 framing 0 0 keep|Host=Ex.Com:80|X-A=v w|x-a=");
}

TEST(HeadParser, ForgetsTheHeadBefore) {
  RequestHead head;
  ASSERT_EQ(Read("POST /a?b HTTP/1.0\r\nHost: h\r\nContent-Length: 5\r\n\r\n", head),
            HeadError::kNone);
  ASSERT_EQ(Read("GET / HTTP/1.1\r\nHost: i\r\n\r\n", head), HeadError::kNone);
  EXPECT_EQ(Dump(head), "GET i i / 1.1 framing 0 0 keep|Host=i");
}

TEST(HeadParser, RefusesBrokenRequestLines) {
  for (const std::string line : {"GET",
                                 "GET /",
                                 "GET / ",
                                 "GET /HTTP/1.1",
                                 "GET  / HTTP/1.1",
                                 "GET /  HTTP/1.1",
                                 "GET / HTTP/1.1 ",
                                 " GET / HTTP/1.1",
                                 "GET\t/ HTTP/1.1",
                                 "GET /\tHTTP/1.1",
                                 "GET /a b HTTP/1.1",
                                 "G@T / HTTP/1.1",
                                 "G\x80T / HTTP/1.1",
                                 "G(T / HTTP/1.1",
                                 "/ HTTP/1.1",
                                 " / HTTP/1.1",
                                 "GET / http/1.1",
                                 "GET / HTTP/1,1",
                                 "GET / HTTP/1.",
                                 "GET / HTTP/11",
                                 "GET / HTTP/1.10",
                                 "GET / HTTP/01.1",
                                 "GET / HTTP/1.x",
                                 "GET / HTTP/x.1",
                                 "GET / HTTP 1.1",
                                 "GET / XTTP/1.1",
                                 "GET /\x01 HTTP/1.1",
                                 "GET /\x7f HTTP/1.1",
                                 "GET /\xe9 HTTP/1.1",
                                 "GET /#f HTTP/1.1",
                                 "GET /%2F HTTP/1.1",
                                 "GET /%00 HTTP/1.1",
                                 "GET /\\ HTTP/1.1",
                                 "GET /\r HTTP/1.1",
                                 "GET / HTTP/1.1\r",
                                 "\rGET / HTTP/1.1",
                                 "G\rET / HTTP/1.1"}) {
    EXPECT_EQ(Read(line + "\r\nHost: h\r\n\r\n"), HeadError::kMalformed) << line;
  }
}

TEST(HeadParser, MethodsAreTokensOfAtMost32Bytes) {
  for (const std::string& method :
       {std::string("x"), std::string("M-SEARCH!"), std::string(32, 'A')}) {
    RequestHead head;
    EXPECT_EQ(Read(method + " / HTTP/1.1\r\nHost: h\r\n\r\n", head), HeadError::kNone) << method;
    EXPECT_EQ(head.method, method);
  }
  EXPECT_EQ(Read(std::string(33, 'A') + " / HTTP/1.1\r\nHost: h\r\n\r\n"), HeadError::kMalformed);
}

TEST(HeadParser, OtherMajorVersionsAreSaidToBeSuch) {
  for (const std::string version : {"HTTP/0.9", "HTTP/2.0", "HTTP/3.0", "HTTP/9.9"}) {
    EXPECT_EQ(Read("GET / " + version + "\r\nHost: h\r\n\r\n"), HeadError::kVersion) << version;
  }
  EXPECT_EQ(Read("PRI * HTTP/2.0\r\n\r\n"), HeadError::kVersion);
}

TEST(HeadParser, LaterMinorVersionsAreReadAsOnePointOne) {
  RequestHead head;
  ASSERT_EQ(Read("GET / HTTP/1.7\r\nHost: h\r\n\r\n", head), HeadError::kNone);
  EXPECT_EQ(head.minor_version, 1);
}

TEST(HeadParser, RefusesFieldLinesThatTwoParsersCouldReadInTwoWays) {
  for (const std::string line : {" folded: x",
                                 "\tfolded: x",
                                 " folded",
                                 "A: b\r\n c",
                                 "A: b\r\n\tc",
                                 "A: b\r\n c: d",
                                 "A : b",
                                 "A\t: b",
                                 ": b",
                                 "A",
                                 "A b: c",
                                 "A(: b",
                                 "A\x01: b",
                                 "\xc3\xa9: b",
                                 "A\"b: c",
                                 "A/b: c",
                                 "A: b\rc",
                                 "A: b\r",
                                 "A: \rb",
                                 "A\r: b",
                                 "\rA: b",
                                 "A: b\x01",
                                 "A: \x0b",
                                 "A: \x0c",
                                 "A: \x7f",
                                 "A: \x1b",
                                 "A:\x0b"
                                 "5"}) {
    EXPECT_EQ(Read(kGet + line + "\r\nHost: h\r\n\r\n"), HeadError::kMalformed) << line;
    EXPECT_EQ(Read(std::string(kGet) + "Host: h\r\n" + line + "\r\n\r\n"), HeadError::kMalformed)
        << line;
  }
}

TEST(HeadParser, RefusesNulWhereverItStands) {
  const std::string good = "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n";
  for (size_t i = 0; i + 4 < good.size(); ++i) {
    std::string bad = good;
    bad.insert(i, 1, '\0');
    EXPECT_EQ(Read(bad), HeadError::kMalformed) << i;
  }
}

TEST(HeadParser, RefusesBareLineFeedAtEveryLine) {
  for (const std::string head :
       {"GET / HTTP/1.1\nHost: h\r\n\r\n", "GET / HTTP/1.1\r\nHost: h\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\n\n", "GET / HTTP/1.1\n\n",
        "\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", "\r\n\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET / HTTP/1.1\r\nA: b\nHost: h\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\nContent-Length: 5\r\n\r\n",
        "GET /\nHTTP/1.1\r\nHost: h\r\n\r\n"}) {
    RequestHead out;
    EXPECT_EQ(Read(head), HeadError::kMalformed) << head;
    EXPECT_EQ(ReadByteByByte(head, out), HeadError::kMalformed) << head;
  }
}

TEST(HeadParser, BareCarriageReturnInAnyPlaceIsRefused) {
  const std::string good = "GET /a HTTP/1.1\r\nHost: h\r\nA: b c\r\n\r\n";
  for (size_t i = 0; i + 4 < good.size(); ++i) {
    std::string bad = good;
    bad.insert(i, 1, '\r');
    EXPECT_EQ(Read(bad), HeadError::kMalformed) << i;
  }
}

TEST(HeadParser, ValuesMayHoldTabsAndHighBytes) {
  RequestHead head;
  ASSERT_EQ(ReadPost("A: b\tc \xc3\xa9\r\n", head), HeadError::kNone);
  EXPECT_EQ(head.headers.Get("a"), "b\tc \xc3\xa9");
}

TEST(HeadParser, FieldNamesHaveAtMost1024Bytes) {
  RequestHead head;
  EXPECT_EQ(ReadPost(std::string(1024, 'n') + ": v\r\n", head), HeadError::kNone);
  EXPECT_EQ(ReadPost(std::string(1025, 'n') + ": v\r\n", head), HeadError::kMalformed);
}

TEST(HeadParser, ReadsContentLengthWithLeadingZeros) {
  const std::pair<const char*, uint64_t> cases[] = {{"5", 5},
                                                    {"005", 5},
                                                    {" 5 ", 5},
                                                    {"\t5\t", 5},
                                                    {"000000000000000005", 5},
                                                    {"10", 10},
                                                    {"999999999999999999", 999999999999999999}};
  for (const auto& [value, length] : cases) {
    RequestHead head;
    EXPECT_EQ(ReadPost("Content-Length:" + std::string(value) + "\r\n", head), HeadError::kNone)
        << value;
    EXPECT_EQ(head.framing.kind, BodyFraming::Kind::kLength) << value;
    EXPECT_EQ(head.framing.length, length) << value;
  }
}

TEST(HeadParser, LengthZeroAndNoLengthMeanNoBody) {
  for (const std::string fields : {"", "Content-Length: 0\r\n", "Content-Length: 000\r\n"}) {
    RequestHead head;
    EXPECT_EQ(ReadPost(fields, head), HeadError::kNone) << fields;
    EXPECT_EQ(head.framing.kind, BodyFraming::Kind::kNone) << fields;
  }
}

TEST(HeadParser, RefusesEveryContentLengthThatIsNotDigits) {
  for (const std::string value : {"",
                                  "+5",
                                  "-5",
                                  "-0",
                                  "0x5",
                                  "5a",
                                  "a5",
                                  "5 5",
                                  "5,5",
                                  "5, 5",
                                  "5,",
                                  ",5",
                                  "5.0",
                                  "5e1",
                                  "\"5\"",
                                  "5;",
                                  "1_0",
                                  "0000000000000000005",
                                  "1000000000000000000",
                                  "18446744073709551615",
                                  "18446744073709551621",
                                  "99999999999999999999999",
                                  "\xd9\xa5"}) {
    RequestHead head;
    EXPECT_EQ(ReadPost("Content-Length: " + value + "\r\n", head), HeadError::kMalformed) << value;
  }
}

TEST(HeadParser, RefusesRepeatedContentLengthEvenIfEqual) {
  const std::pair<const char*, const char*> cases[] = {
      {"5", "5"}, {"5", "6"}, {"0", "0"}, {"0", "5"}, {"5", "x"}, {"x", "5"}, {"", "5"}, {"5", ""}};
  for (const auto& [first, second] : cases) {
    RequestHead head;
    EXPECT_EQ(ReadPost("Content-Length: " + std::string(first) +
                           "\r\nX: y\r\ncontent-LENGTH: " + second + "\r\n",
                       head),
              HeadError::kMalformed)
        << first << " and " << second;
  }
}

TEST(HeadParser, TakesChunkedInAnyCase) {
  for (const std::string field : {"Transfer-Encoding: chunked", "transfer-encoding:CHUNKED",
                                  "TRANSFER-ENCODING: \tChunked \t"}) {
    RequestHead head;
    EXPECT_EQ(ReadPost(field + "\r\n", head), HeadError::kNone) << field;
    EXPECT_EQ(head.framing.kind, BodyFraming::Kind::kChunked) << field;
  }
}

TEST(HeadParser, RefusesEveryTransferEncodingThatIsNotChunked) {
  for (const std::string value : {"",
                                  "xchunked",
                                  "chunkedx",
                                  "identity",
                                  "gzip",
                                  "gzip, chunked",
                                  "chunked, gzip",
                                  "chunked, chunked",
                                  "chunked,",
                                  ",chunked",
                                  ", chunked",
                                  "\"chunked\"",
                                  "'chunked'",
                                  "chunked;q=1",
                                  "chunked;",
                                  "chun ked",
                                  "chunke",
                                  "chunked identity",
                                  "x chunked",
                                  "identity, chunked",
                                  "chunked\xa0",
                                  "\xa0"
                                  "chunked"}) {
    RequestHead head;
    EXPECT_EQ(ReadPost("Transfer-Encoding: " + value + "\r\n", head), HeadError::kMalformed)
        << value;
  }
}

TEST(HeadParser, DisguisedTransferEncodingIsRefusedOrIsAnotherField) {
  for (const std::string line :
       {"Transfer-Encoding : chunked", " Transfer-Encoding: chunked",
        "Transfer-Encoding:\x0b"
        "chunked",
        "Transfer-Encoding\x0b: chunked", "Transfer-Encoding: chunked\r",
        "Transfer-Encoding:\r\n chunked", "X: y\rTransfer-Encoding: chunked",
        "X: y\nTransfer-Encoding: chunked"}) {
    RequestHead head;
    EXPECT_EQ(ReadPost("A: b\r\n" + line + "\r\n", head), HeadError::kMalformed) << line;
  }
  RequestHead head;
  EXPECT_EQ(ReadPost("Transfer_Encoding: chunked\r\n", head), HeadError::kNone);
  EXPECT_EQ(head.framing.kind, BodyFraming::Kind::kNone);
}

TEST(HeadParser, RefusesRepeatedTransferEncoding) {
  for (const std::string second : {"chunked", "identity", "", "xchunked"}) {
    RequestHead head;
    EXPECT_EQ(ReadPost("Transfer-Encoding: chunked\r\nTransfer-encoding: " + second + "\r\n", head),
              HeadError::kMalformed);
    EXPECT_EQ(ReadPost("Transfer-Encoding: " + second + "\r\nTransfer-encoding: chunked\r\n", head),
              HeadError::kMalformed);
  }
}

TEST(HeadParser, RefusesBothLengthsAtOnceInEitherOrder) {
  for (const std::string length : {"0", "5", "x"}) {
    const std::string content_length = "Content-Length: " + length + "\r\n";
    const std::string coding = "Transfer-Encoding: chunked\r\n";
    RequestHead head;
    EXPECT_EQ(ReadPost(content_length + coding, head), HeadError::kMalformed) << length;
    EXPECT_EQ(ReadPost(coding + content_length, head), HeadError::kMalformed) << length;
  }
}

TEST(HeadParser, RefusesTransferEncodingInVersionOnePointZero) {
  EXPECT_EQ(Read("POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"),
            HeadError::kMalformed);
}

TEST(HeadParser, RefusesAnyNumberOfHostsButOne) {
  for (const std::string fields :
       {"", "X-Host: h\r\n", "Host: a\r\nHost: a\r\n", "Host: a\r\nhOST: b\r\n",
        "Host: a\r\nHost:\r\n", "Host:\r\nHost: a\r\n"}) {
    EXPECT_EQ(Read(kGet + fields + "\r\n"), HeadError::kMalformed) << fields;
  }
  EXPECT_EQ(Read("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"), HeadError::kMalformed);
}

TEST(HeadParser, RefusesHostsThatAreNone) {
  for (const std::string host : {"", " ", "a b", "a,b", "a/b", "u@h", "h:x", "h:65536", "[::1",
                                 "a\\b", "a?", "h:80:80", "http://h", "\xc3\xa9"}) {
    EXPECT_EQ(Read(std::string(kGet) + "Host: " + host + "\r\n\r\n"), HeadError::kMalformed)
        << host;
  }
}

TEST(HeadParser, VersionOnePointZeroNeedsNoHost) {
  RequestHead head;
  ASSERT_EQ(Read("GET / HTTP/1.0\r\n\r\n", head), HeadError::kNone);
  EXPECT_EQ(Dump(head), "GET   / 1.0 framing 0 0 close");
  ASSERT_EQ(Read("GET / HTTP/1.0\r\nHost: H:1\r\n\r\n", head), HeadError::kNone);
  EXPECT_EQ(Dump(head), "GET H:1 h / 1.0 framing 0 0 close|Host=H:1");
  ASSERT_EQ(Read("GET http://T/a HTTP/1.0\r\n\r\n", head), HeadError::kNone);
  EXPECT_EQ(Dump(head), "GET T t /a 1.0 framing 0 0 close");
}

TEST(HeadParser, AbsoluteTargetsThatAgreeWithHostAreTaken) {
  const std::pair<const char*, const char*> cases[] = {
      {"http://a.b/c?d", "a.b"}, {"HTTP://A.b/c?d", "a.B"}, {"https://a.b:80/c?d", "a.b:80"}};
  for (const auto& [target, host] : cases) {
    RequestHead head;
    EXPECT_EQ(Read("GET " + std::string(target) + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n", head),
              HeadError::kNone)
        << target;
    EXPECT_EQ(head.host, "a.b");
    EXPECT_EQ(head.path, "/c");
    EXPECT_EQ(head.query, "d");
  }
}

TEST(HeadParser, RefusesAbsoluteTargetsThatDisagreeWithHost) {
  const std::pair<const char*, const char*> cases[] = {
      {"http://a/", "Host: b\r\n"},
      {"http://a/", ""},
      {"http://a/", "Host:\r\n"},
      {"http://a:80/", "Host: a\r\n"},
      {"http://a/", "Host: a:80\r\n"},
      {"http://b@a/", "Host: a\r\n"},
      {"http://b@a/", "Host: b@a\r\n"},
      {"http://a./", "Host: a\r\n"},
      {"ftp://a/", "Host: a\r\n"},
      {"http:///", "Host: a\r\n"},
      {"http://a/", "Host: a\r\nHost: a\r\n"},
      {"http://a/%2F", "Host: a\r\n"},
      {"http:/a", "Host: a\r\n"},
  };
  for (const auto& [target, host] : cases) {
    EXPECT_EQ(Read("GET " + std::string(target) + " HTTP/1.1\r\n" + host + "\r\n"),
              HeadError::kMalformed)
        << target << " " << host;
  }
}

TEST(HeadParser, AsteriskIsForOptionsOnly) {
  RequestHead head;
  ASSERT_EQ(Read("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", head), HeadError::kNone);
  EXPECT_EQ(head.path, "*");
  EXPECT_FALSE(head.has_query);
  for (const std::string line :
       {"GET *", "options *", "OPTIONS **", "OPTIONS *?a", "OPTIONS /a *"}) {
    EXPECT_EQ(Read(line + " HTTP/1.1\r\nHost: h\r\n\r\n"), HeadError::kMalformed) << line;
  }
}

TEST(HeadParser, RefusesAuthorityForm) {
  for (const std::string line :
       {"CONNECT h:443", "CONNECT h", "GET h:80", "GET a/b", "GET ?q", "GET %2F"}) {
    EXPECT_EQ(Read(line + " HTTP/1.1\r\nHost: h:443\r\n\r\n"), HeadError::kMalformed) << line;
  }
}

TEST(HeadParser, KeepAliveFollowsVersionAndConnection) {
  struct Case {
    const char* version;
    const char* fields;
    bool keep;
  };
  const Case cases[] = {
      {"1.1", "", true},
      {"1.0", "", false},
      {"1.1", "Connection: close\r\n", false},
      {"1.1", "Connection: CLOSE\r\n", false},
      {"1.1", "Connection: upgrade , close\r\n", false},
      {"1.1", "Connection: keep-alive\r\nConnection: close\r\n", false},
      {"1.1", "Connection: closed\r\n", true},
      {"1.1", "Connection:\r\n", true},
      {"1.1", "Connection: ,,\r\n", true},
      {"1.0", "Connection: Keep-Alive\r\n", true},
      {"1.0", "Connection: x,keep-alive,\r\n", true},
      {"1.0", "Connection: keep-alive, close\r\n", false},
      {"1.0", "Proxy-Connection: keep-alive\r\n", false},
  };
  for (const Case& c : cases) {
    RequestHead head;
    ASSERT_EQ(
        Read("GET / HTTP/" + std::string(c.version) + "\r\nHost: h\r\n" + c.fields + "\r\n", head),
        HeadError::kNone);
    EXPECT_EQ(head.keep_alive, c.keep) << c.version << " " << c.fields;
  }
}

TEST(HeadParser, ExpectationIsSeenInOnePointOneOnly) {
  RequestHead head;
  ASSERT_EQ(ReadPost("Expect: 100-Continue\r\n", head), HeadError::kNone);
  EXPECT_TRUE(head.expect_continue);
  ASSERT_EQ(ReadPost("Expect: 200-ok\r\n", head), HeadError::kNone);
  EXPECT_FALSE(head.expect_continue);
  ASSERT_EQ(Read("GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n", head), HeadError::kNone);
  EXPECT_FALSE(head.expect_continue);
}

TEST(HeadParser, TakesAsManyFieldsAsTheLimitAndNotOneMore) {
  std::string fields = "Host: h\r\n";
  for (int i = 1; i < 128; ++i) fields += "A: b\r\n";
  RequestHead head;
  EXPECT_EQ(Read(kGet + fields + "\r\n", head), HeadError::kNone);
  EXPECT_EQ(head.headers.size(), 128u);
  EXPECT_EQ(Read(kGet + fields + "A: b\r\n\r\n"), HeadError::kHeadTooLarge);
}

TEST(HeadParser, ThousandsOfFieldsAreTooLarge) {
  std::string fields = "Host: h\r\n";
  for (int i = 0; i < 5000; ++i) fields += "A: b\r\n";
  EXPECT_EQ(Read(kGet + fields + "\r\n"), HeadError::kHeadTooLarge);
}

TEST(HeadParser, RequestLinesAreTakenUpToTheLimit) {
  const HeadLimits limits;
  const std::string frame = "GET / HTTP/1.1";
  const auto request = [&](size_t line_size) {
    return "GET /" + std::string(line_size - frame.size(), 'a') + " HTTP/1.1\r\nHost: h\r\n\r\n";
  };
  EXPECT_EQ(Read(request(limits.request_line_bytes_max)), HeadError::kNone);
  EXPECT_EQ(Read(request(limits.request_line_bytes_max + 1)), HeadError::kTargetTooLong);
  RequestHead out;
  EXPECT_EQ(ReadByteByByte(request(limits.request_line_bytes_max - 1), out), HeadError::kNone);
  EXPECT_EQ(ReadByteByByte(request(limits.request_line_bytes_max + 1), out),
            HeadError::kTargetTooLong);
}

TEST(HeadScanner, RefusesARequestLineThatIsTooLongBeforeItsEnd) {
  const HeadLimits limits;
  HeadScanner scanner;
  const std::string bytes = "GET /" + std::string(limits.request_line_bytes_max, 'a');
  EXPECT_EQ(scanner.Scan(std::string_view(bytes).substr(0, limits.request_line_bytes_max), limits),
            State::kIncomplete);
  EXPECT_EQ(scanner.Scan(bytes, limits), State::kError);
  EXPECT_EQ(scanner.error(), HeadError::kTargetTooLong);
}

TEST(HeadScanner, HeadsAreTakenUpToTheLimit) {
  const HeadLimits limits;
  const std::string frame = "GET / HTTP/1.1\r\nHost: h\r\nA: \r\n\r\n";
  const auto request = [&](size_t size) {
    return "GET / HTTP/1.1\r\nHost: h\r\nA: " + std::string(size - frame.size(), 'a') + "\r\n\r\n";
  };
  RequestHead out;
  EXPECT_EQ(Read(request(limits.head_bytes_max)), HeadError::kNone);
  EXPECT_EQ(ReadByteByByte(request(limits.head_bytes_max), out), HeadError::kNone);
  EXPECT_EQ(Read(request(limits.head_bytes_max + 3)), HeadError::kHeadTooLarge);
  EXPECT_EQ(ReadByteByByte(request(limits.head_bytes_max + 3), out), HeadError::kHeadTooLarge);
}

TEST(HeadScanner, RefusesAHeadThatIsTooLargeBeforeItsEnd) {
  const HeadLimits limits;
  HeadScanner scanner;
  const std::string bytes = kGet + std::string(limits.head_bytes_max, 'a');
  EXPECT_EQ(scanner.Scan(bytes, limits), State::kError);
  EXPECT_EQ(scanner.error(), HeadError::kHeadTooLarge);
}

TEST(HeadScanner, CountsAFewEmptyLinesBeforeARequest) {
  const std::string request = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
  for (const size_t lines : {0u, 1u, 4u}) {
    std::string bytes;
    for (size_t i = 0; i < lines; ++i) bytes += "\r\n";
    HeadScanner scanner;
    ASSERT_EQ(scanner.Scan(bytes + request, HeadLimits()), State::kComplete) << lines;
    EXPECT_EQ(scanner.head_begin(), 2 * lines);
    EXPECT_EQ(scanner.head_end(), 2 * lines + request.size());
    RequestHead head;
    EXPECT_EQ(ReadByteByByte(bytes + request, head), HeadError::kNone);
  }
  EXPECT_EQ(Read("\r\n\r\n\r\n\r\n\r\n" + request), HeadError::kMalformed);
}

TEST(HeadScanner, LeavesWhatFollowsTheHead) {
  const std::string request = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
  HeadScanner scanner;
  ASSERT_EQ(scanner.Scan(request + request, HeadLimits()), State::kComplete);
  EXPECT_EQ(scanner.head_end(), request.size());
  scanner.Reset();
  EXPECT_EQ(scanner.Scan(request.substr(0, request.size() - 1), HeadLimits()), State::kIncomplete);
}

TEST(HeadScanner, ByteByByteGivesTheSameAsWhole) {
  for (const std::string bytes :
       {"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        "\r\n\r\nPOST /a?b HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nA: \r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n", "GET / HTTP/2.0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nA : b\r\n\r\n", "x\r\n\r\n", "\n", "a\n",
        "GET / HTTP/1.1\r\nHost: h\r\n\n", "\r\n\r\n\r\n\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\r\n\r\n"}) {
    RequestHead whole;
    RequestHead pieces;
    const HeadError error = Read(bytes, whole);
    EXPECT_EQ(ReadByteByByte(bytes, pieces), error) << bytes;
    if (error != HeadError::kNone) continue;
    EXPECT_EQ(Dump(pieces), Dump(whole)) << bytes;
  }
}

TEST(ResponseHeadParser, ReadsStatusReasonAndFields) {
  ResponseHead head;
  ASSERT_EQ(ReadResponse("HTTP/1.1 404 Not  Found\r\nA: b\r\nContent-Length: 7\r\n\r\n", head),
            HeadError::kNone);
  EXPECT_EQ(head.status, 404);
  EXPECT_EQ(head.reason, "Not  Found");
  EXPECT_EQ(head.headers.Get("a"), "b");
  EXPECT_EQ(head.framing.kind, BodyFraming::Kind::kLength);
  EXPECT_EQ(head.framing.length, 7u);
  EXPECT_TRUE(head.keep_alive);
}

TEST(ResponseHeadParser, TheReasonMayBeMissing) {
  for (const std::string line : {"HTTP/1.1 200", "HTTP/1.1 200 "}) {
    ResponseHead head;
    EXPECT_EQ(ReadResponse(line + "\r\nContent-Length: 0\r\n\r\n", head), HeadError::kNone) << line;
    EXPECT_EQ(head.status, 200);
    EXPECT_EQ(head.reason, "");
  }
}

TEST(ResponseHeadParser, RefusesBrokenStatusLines) {
  for (const std::string line :
       {"HTTP/1.1", "HTTP/1.1 ", "HTTP/1.1 20", "HTTP/1.1 2000", "HTTP/1.1 200OK", "HTTP/1.1  200",
        "HTTP/1.1 2x0", "HTTP/1.1 +20", "HTTP/1.1 099", "HTTP/1.1 000", "HTTP/1.1 600",
        "HTTP/1.1\t200 OK", "http/1.1 200 OK", "HTTP/1.1 200\tOK", "HTTP/1.1 200 O\x01K",
        "HTTP/1.1 200 O\rK", "ICY 200 OKOKOK", "HTTP/1.1 200 OK\r"}) {
    ResponseHead head;
    EXPECT_EQ(ReadResponse(line + "\r\n\r\n", head), HeadError::kMalformed) << line;
  }
  ResponseHead head;
  EXPECT_EQ(ReadResponse("HTTP/2.0 200 OK\r\n\r\n", head), HeadError::kVersion);
}

TEST(ResponseHeadParser, RefusesFramingThatIsAmbiguous) {
  for (const std::string fields :
       {"Content-Length: 5\r\nContent-Length: 5\r\n", "Content-Length: +5\r\n",
        "Content-Length: 5, 5\r\n", "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: identity\r\n", "Transfer-Encoding:\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", " folded: x\r\n",
        "A : b\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"}) {
    ResponseHead head;
    for (const bool request_was_head : {false, true}) {
      EXPECT_EQ(ReadResponse("HTTP/1.1 200 OK\r\n" + fields + "\r\n", head, request_was_head),
                HeadError::kMalformed)
          << fields;
    }
  }
  ResponseHead head;
  EXPECT_EQ(ReadResponse("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", head),
            HeadError::kMalformed);
}

TEST(ResponseHeadParser, TheBodyFollowsFromStatusMethodAndFields) {
  using Kind = BodyFraming::Kind;
  struct Case {
    const char* status;
    const char* fields;
    bool request_was_head;
    Kind kind;
    bool keep;
  };
  const Case cases[] = {
      {"200", "Content-Length: 5\r\n", false, Kind::kLength, true},
      {"200", "Content-Length: 0\r\n", false, Kind::kNone, true},
      {"200", "Transfer-Encoding: chunked\r\n", false, Kind::kChunked, true},
      {"200", "", false, Kind::kUntilClose, false},
      {"500", "Connection: keep-alive\r\n", false, Kind::kUntilClose, false},
      {"200", "Content-Length: 5\r\nConnection: close\r\n", false, Kind::kLength, false},
      {"200", "Content-Length: 5\r\n", true, Kind::kNone, true},
      {"200", "Transfer-Encoding: chunked\r\n", true, Kind::kNone, true},
      {"200", "", true, Kind::kNone, true},
      {"100", "", false, Kind::kNone, true},
      {"103", "Content-Length: 5\r\n", false, Kind::kNone, true},
      {"204", "", false, Kind::kNone, true},
      {"204", "Content-Length: 5\r\n", false, Kind::kNone, true},
      {"304", "Content-Length: 5\r\n", false, Kind::kNone, true},
      {"599", "Content-Length: 5\r\n", false, Kind::kLength, true},
  };
  for (const Case& c : cases) {
    ResponseHead head;
    ASSERT_EQ(ReadResponse("HTTP/1.1 " + std::string(c.status) + " X\r\n" + c.fields + "\r\n", head,
                           c.request_was_head),
              HeadError::kNone);
    EXPECT_EQ(head.framing.kind, c.kind) << c.status << " " << c.fields;
    EXPECT_EQ(head.keep_alive, c.keep) << c.status << " " << c.fields;
  }
}

// Whole words of a value are looked at together: each byte counts wherever it stands.
TEST(FieldValue, EveryByteIsJudgedAtEveryPlace) {
  for (const size_t size : {1u, 7u, 8u, 9u, 16u, 23u}) {
    std::string value(size, 'v');
    for (size_t place = 0; place < size; ++place) {
      for (int byte = 0; byte < 256; ++byte) {
        value[place] = static_cast<char>(byte);
        const bool allowed = byte == '\t' || (byte >= 0x20 && byte != 0x7f);
        ASSERT_EQ(IsFieldValue(value), allowed) << size << " bytes, " << byte << " at " << place;
      }
      value[place] = 'v';
    }
  }
}

}  // namespace
}  // namespace apk
