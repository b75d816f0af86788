// The flat header store: order, names without case, and what replacing leaves behind.
#include "data-plane/http/message.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace apk {
namespace {

// "Name=value|Name=value", in order.
std::string Dump(const HeaderMap& headers) {
  std::string out;
  for (size_t i = 0; i < headers.size(); ++i) {
    if (i > 0) out += '|';
    out.append(headers.name(i)).append("=").append(headers.value(i));
  }
  return out;
}

HeaderMap Map(const std::vector<std::pair<std::string, std::string>>& fields) {
  HeaderMap headers;
  for (const auto& [name, value] : fields) headers.Add(name, value);
  return headers;
}

TEST(HeaderId, KnownNamesAreFoundInAnyCase) {
  const std::pair<const char*, HeaderId> cases[] = {
      {"authorization", HeaderId::kAuthorization},
      {"connection", HeaderId::kConnection},
      {"content-length", HeaderId::kContentLength},
      {"cookie", HeaderId::kCookie},
      {"date", HeaderId::kDate},
      {"expect", HeaderId::kExpect},
      {"forwarded", HeaderId::kForwarded},
      {"host", HeaderId::kHost},
      {"http2-settings", HeaderId::kHttp2Settings},
      {"keep-alive", HeaderId::kKeepAlive},
      {"proxy-authenticate", HeaderId::kProxyAuthenticate},
      {"proxy-authorization", HeaderId::kProxyAuthorization},
      {"proxy-connection", HeaderId::kProxyConnection},
      {"server", HeaderId::kServer},
      {"te", HeaderId::kTe},
      {"traceparent", HeaderId::kTraceparent},
      {"trailer", HeaderId::kTrailer},
      {"transfer-encoding", HeaderId::kTransferEncoding},
      {"upgrade", HeaderId::kUpgrade},
      {"via", HeaderId::kVia},
      {"x-forwarded-for", HeaderId::kXForwardedFor},
      {"x-forwarded-host", HeaderId::kXForwardedHost},
      {"x-forwarded-port", HeaderId::kXForwardedPort},
      {"x-forwarded-proto", HeaderId::kXForwardedProto},
      {"x-request-id", HeaderId::kXRequestId},
  };
  for (const auto& [name, id] : cases) {
    EXPECT_EQ(HeaderIdOf(name), id) << name;
    std::string upper = name;
    for (char& c : upper) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    EXPECT_EQ(HeaderIdOf(upper), id) << upper;
    EXPECT_EQ(HeaderIdOf(SpellingOf(id)), id) << name;
  }
}

TEST(HeaderId, NamesThatOnlyResembleAKnownOneAreOther) {
  for (const std::string name : {"", "hos", "hosts", "host ", "hOs7", "content_length", "tf", "T",
                                 "transfer-encodinG-", "x-request-ie", "xia", "connectiom"}) {
    EXPECT_EQ(HeaderIdOf(name), HeaderId::kOther) << name;
  }
}

TEST(HeaderMap, KeepsOrderSpellingAndRepetition) {
  const HeaderMap headers = Map({{"B", "1"}, {"a", "2"}, {"b", ""}, {"Host", "h"}});
  EXPECT_EQ(Dump(headers), "B=1|a=2|b=|Host=h");
  EXPECT_EQ(headers.id(3), HeaderId::kHost);
  EXPECT_EQ(headers.id(0), HeaderId::kOther);
}

TEST(HeaderMap, GetFindsTheFirstWithoutCase) {
  const HeaderMap headers = Map({{"X-A", "1"}, {"x-a", "2"}, {"COOKIE", "3"}});
  EXPECT_EQ(headers.Get("x-A"), "1");
  EXPECT_EQ(headers.Get("cookie"), "3");
  EXPECT_EQ(headers.Get(HeaderId::kCookie), "3");
  EXPECT_EQ(headers.Get("x-"), std::nullopt);
  EXPECT_EQ(headers.Get(""), std::nullopt);
  EXPECT_EQ(headers.Get(HeaderId::kHost), std::nullopt);
}

TEST(HeaderMap, AnEmptyValueIsNotAnAbsentOne) {
  const HeaderMap headers = Map({{"Te", ""}});
  EXPECT_EQ(headers.Get(HeaderId::kTe), "");
  EXPECT_TRUE(headers.Has(HeaderId::kTe));
}

TEST(HeaderMap, CountCountsEveryRepetition) {
  const HeaderMap headers = Map({{"Host", "a"}, {"X", "b"}, {"hOST", "c"}});
  EXPECT_EQ(headers.Count(HeaderId::kHost), 2u);
  EXPECT_EQ(headers.Count(HeaderId::kVia), 0u);
  EXPECT_FALSE(headers.Has(HeaderId::kVia));
}

TEST(HeaderMap, SetReplacesTheFirstInPlaceAndRemovesTheOthers) {
  HeaderMap headers = Map({{"A", "1"}, {"X-B", "2"}, {"x-b", "3"}, {"X-b", "4"}, {"C", "5"}});
  headers.Set("x-B", "a longer value than before");
  EXPECT_EQ(Dump(headers), "A=1|X-B=a longer value than before|C=5");
  headers.Set("X-B", "");
  EXPECT_EQ(Dump(headers), "A=1|X-B=|C=5");
}

TEST(HeaderMap, SetAndAppendAddWhatIsNotThere) {
  HeaderMap headers = Map({{"A", "1"}});
  headers.Set("Via", "x");
  headers.Append("Cookie", "y");
  EXPECT_EQ(Dump(headers), "A=1|Via=x|Cookie=y");
  EXPECT_EQ(headers.Get(HeaderId::kVia), "x");
}

TEST(HeaderMap, FieldsThatAreKnownByIdAreSpelledAsUsual) {
  HeaderMap headers = Map({{"VIA", "a"}});
  headers.Append(HeaderId::kVia, "b");
  headers.Append(HeaderId::kXForwardedFor, "c");
  headers.Add(HeaderId::kDate, "d");
  EXPECT_EQ(Dump(headers), "VIA=a, b|X-Forwarded-For=c|Date=d");
}

TEST(HeaderMap, AppendStandsLastOverAllFieldsOfTheName) {
  HeaderMap headers = Map({{"Via", "a"}, {"X", "b"}, {"via", "c"}});
  headers.Append("VIA", "d");
  headers.Append("via", "e");
  EXPECT_EQ(Dump(headers), "Via=a|X=b|via=c, d, e");
}

TEST(HeaderMap, RemoveByNameTakesAllAndSaysWhetherThereWereAny) {
  HeaderMap headers = Map({{"X-A", "1"}, {"B", "2"}, {"x-a", "3"}});
  EXPECT_TRUE(headers.Remove("X-a"));
  EXPECT_EQ(Dump(headers), "B=2");
  EXPECT_FALSE(headers.Remove("X-a"));
}

TEST(HeaderMap, RemoveByIdTakesAllOfThatIdOnly) {
  HeaderMap headers = Map({{"Te", "1"}, {"X-Other", "2"}, {"TE", "3"}, {"Host", "4"}});
  headers.Remove(HeaderId::kTe);
  EXPECT_EQ(Dump(headers), "X-Other=2|Host=4");
}

TEST(HeaderMap, RemoveAtKeepsTheOrderOfTheRest) {
  HeaderMap headers = Map({{"A", "1"}, {"B", "2"}, {"C", "3"}});
  headers.RemoveAt(1);
  EXPECT_EQ(Dump(headers), "A=1|C=3");
}

TEST(HeaderMap, RemoveIfSeesIdAndNameAsReceived) {
  HeaderMap headers = Map({{"Host", "1"}, {"X-Drop", "2"}, {"x-drop", "3"}, {"Via", "4"}});
  headers.RemoveIf(
      [](HeaderId id, std::string_view name) { return id == HeaderId::kVia || name == "X-Drop"; });
  EXPECT_EQ(Dump(headers), "Host=1|x-drop=3");
}

TEST(HeaderMap, ClearForgetsEverything) {
  HeaderMap headers = Map({{"Host", "1"}, {"A", "2"}});
  headers.Clear();
  EXPECT_EQ(headers.size(), 0u);
  EXPECT_FALSE(headers.Has(HeaderId::kHost));
  headers.Add("B", "3");
  EXPECT_EQ(Dump(headers), "B=3");
}

TEST(RequestHead, ClearLeavesNothingOfTheMessageBefore) {
  RequestHead head;
  head.method = "POST";
  head.host = head.authority = "h";
  head.path = "/p";
  head.query = "q";
  head.has_query = head.expect_continue = true;
  head.minor_version = 0;
  head.keep_alive = false;
  head.framing = {BodyFraming::Kind::kLength, 5};
  head.headers.Add("A", "1");
  head.Clear();
  EXPECT_EQ(head.method + head.host + head.authority + head.path + head.query, "");
  EXPECT_FALSE(head.has_query);
  EXPECT_FALSE(head.expect_continue);
  EXPECT_EQ(head.minor_version, 1);
  EXPECT_TRUE(head.keep_alive);
  EXPECT_EQ(head.framing.kind, BodyFraming::Kind::kNone);
  EXPECT_EQ(head.framing.length, 0u);
  EXPECT_EQ(head.headers.size(), 0u);
}

TEST(ResponseHead, ClearLeavesNothingOfTheMessageBefore) {
  ResponseHead head;
  head.status = 200;
  head.reason = "OK";
  head.minor_version = 0;
  head.keep_alive = false;
  head.framing.kind = BodyFraming::Kind::kChunked;
  head.headers.Add("A", "1");
  head.Clear();
  EXPECT_EQ(head.status, 0);
  EXPECT_EQ(head.reason, "");
  EXPECT_EQ(head.minor_version, 1);
  EXPECT_TRUE(head.keep_alive);
  EXPECT_EQ(head.framing.kind, BodyFraming::Kind::kNone);
  EXPECT_EQ(head.headers.size(), 0u);
}

TEST(HeaderMap, LinesAreWrittenInOrderWhateverTheyWereMadeOf) {
  HeaderMap headers;
  const std::string loaded = "Host: a\r\nX-One: 1\r\nX-Two:2\r\nX-Three: 3\r\n\r\n";
  headers.Load(loaded);
  headers.AddLoaded(0, "Host", 1);
  headers.AddLoaded(9, "X-One", 1);
  headers.Add("X-Two", "2");  // Its line was none to take as it stands.
  headers.AddLoaded(loaded.find("X-Three"), "X-Three", 1);
  headers.Set("x-one", "eins");
  headers.Append("x-three", "drei");
  std::string out;
  headers.AppendLines(out, [](HeaderId id) { return id != HeaderId::kHost; });
  EXPECT_EQ(out, "X-One: eins\r\nX-Two: 2\r\nX-Three: 3, drei\r\n");
  EXPECT_EQ(headers.Get(HeaderId::kHost), "a");
}

TEST(HeaderMap, LinesBetweenThoseThatAreLeftOutStay) {
  HeaderMap headers;
  for (const char* name : {"Via", "A", "B", "Via", "C", "Via"}) headers.Add(name, name);
  headers.RemoveAt(2);
  std::string out;
  headers.AppendLines(out, [](HeaderId id) { return id != HeaderId::kVia; });
  EXPECT_EQ(out, "A: A\r\nC: C\r\n");
  out.clear();
  headers.AppendLines(out, [](HeaderId id) { return id == HeaderId::kCookie; });
  EXPECT_EQ(out, "");
}

}  // namespace
}  // namespace apk
