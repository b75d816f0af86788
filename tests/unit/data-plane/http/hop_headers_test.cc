// What ends at this hop, and what the gateway says to the next whatever the client claims.
#include "data-plane/http/hop_headers.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace apk {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

HeaderMap Map(const Fields& fields) {
  HeaderMap headers;
  for (const auto& [name, value] : fields) headers.Add(name, value);
  return headers;
}

// "Name=value|Name=value", in order.
std::string Dump(const HeaderMap& headers) {
  std::string out;
  for (size_t i = 0; i < headers.size(); ++i) {
    if (i > 0) out += '|';
    out.append(headers.name(i)).append("=").append(headers.value(i));
  }
  return out;
}

std::string Stripped(const Fields& fields) {
  HeaderMap headers = Map(fields);
  StripHopByHop(headers);
  return Dump(headers);
}

RequestHead Request(const Fields& fields = {}) {
  RequestHead request;
  request.authority = "Ex.Com:8080";
  request.host = "ex.com";
  request.headers = Map(fields);
  AddForwardingFields({.client_address = "10.0.0.1", .listener_port = 8080, .request_id = 0xabc},
                      request);
  return request;
}

TEST(StripHopByHop, RemovesEveryHopByHopFieldAlsoWhereConnectionIsAbsent) {
  for (const std::string name :
       {"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization",
        "TE", "Trailer", "Upgrade", "HTTP2-Settings", "Expect", "kEEP-aLIVE", "te"}) {
    EXPECT_EQ(Stripped({{"A", "1"}, {name, "x"}, {"B", "2"}, {name, "y"}}), "A=1|B=2") << name;
  }
}

TEST(StripHopByHop, LeavesEndToEndFieldsInOrder) {
  EXPECT_EQ(Stripped({{"Host", "h"}, {"Cookie", "c"}, {"X-A", "1"}, {"Via", "v"}, {"x-a", "2"}}),
            "Host=h|Cookie=c|X-A=1|Via=v|x-a=2");
}

TEST(StripHopByHop, RemovesWhatConnectionNames) {
  for (const std::string connection :
       {"X-A", "x-a", "close, X-A", "X-A,close", " keep-alive ,\tX-A\t", ",,X-A,,", "X-B, X-A, X-C",
        "upgrade, X-A"}) {
    EXPECT_EQ(Stripped({{"X-A", "1"}, {"Connection", connection}, {"X-AB", "2"}, {"X-a", "3"}}),
              "X-AB=2")
        << connection;
  }
}

TEST(StripHopByHop, RemovesWhatAnyOfManyConnectionFieldsNames) {
  EXPECT_EQ(Stripped({{"Connection", "close"},
                      {"X-A", "1"},
                      {"connection", "X-A"},
                      {"Connection", ""},
                      {"X-B", "2"},
                      {"X-C", "3"},
                      {"Connection", "X-B"}}),
            "X-C=3");
}

TEST(StripHopByHop, NamesAreComparedWhole) {
  EXPECT_EQ(Stripped({{"Connection", "X-Ab, -A, X A"}, {"X-A", "1"}, {"X", "2"}, {"A", "3"}}),
            "X-A=1|X=2|A=3");
}

TEST(StripHopByHop, ConnectionCannotRemoveWhatTheMessageNeeds) {
  for (const std::string name : {"Host", "Content-Length", "Transfer-Encoding", "Authorization"}) {
    EXPECT_EQ(Stripped({{name, "v"}, {"Connection", "close, " + name}, {"X", "1"}}),
              name + "=v|X=1");
    EXPECT_EQ(Stripped({{"Connection", name}, {"Connection", "X"}, {name, "v"}, {"X", "1"}}),
              name + "=v");
  }
}

TEST(StripHopByHop, PlainOptionsNameNoOtherField) {
  for (const std::string option : {"close", "keep-alive", "Keep-Alive", "CLOSE", ""}) {
    EXPECT_EQ(Stripped({{"Connection", option}, {"A", "1"}}), "A=1") << option;
  }
}

TEST(AddForwardingFields, SaysWhatCameToTheGateway) {
  EXPECT_EQ(Dump(Request().headers),
            "X-Forwarded-For=10.0.0.1|X-Forwarded-Proto=http|X-Forwarded-Host=Ex.Com:8080|"
            "X-Forwarded-Port=8080|X-Request-Id=abc|Via=1.1 apk");
}

TEST(AddForwardingFields, ContinuesForAndVia) {
  const RequestHead request =
      Request({{"x-forwarded-for", "1.1.1.1, 2.2.2.2"}, {"Via", "1.0 first"}});
  EXPECT_EQ(request.headers.Get("X-Forwarded-For"), "1.1.1.1, 2.2.2.2, 10.0.0.1");
  EXPECT_EQ(request.headers.Get("Via"), "1.0 first, 1.1 apk");
}

TEST(AddForwardingFields, WhatTheClientClaimsOfTheGatewayIsReplaced) {
  const RequestHead request = Request({{"X-Forwarded-Proto", "https"},
                                       {"x-forwarded-proto", "https"},
                                       {"X-Forwarded-Host", "evil"},
                                       {"X-Forwarded-Port", "1"},
                                       {"x-forwarded-port", "2"}});
  EXPECT_EQ(request.headers.Count(HeaderId::kXForwardedProto), 1u);
  EXPECT_EQ(request.headers.Count(HeaderId::kXForwardedHost), 1u);
  EXPECT_EQ(request.headers.Count(HeaderId::kXForwardedPort), 1u);
  EXPECT_EQ(request.headers.Get(HeaderId::kXForwardedProto), "http");
  EXPECT_EQ(request.headers.Get(HeaderId::kXForwardedHost), "Ex.Com:8080");
  EXPECT_EQ(request.headers.Get(HeaderId::kXForwardedPort), "8080");
}

TEST(AddForwardingFields, TlsIsSaidToBeHttps) {
  RequestHead request;
  request.secure = true;
  AddForwardingFields({.client_address = "::1", .listener_port = 65535, .request_id = 0}, request);
  EXPECT_EQ(request.headers.Get("X-Forwarded-Proto"), "https");
  EXPECT_EQ(request.headers.Get("X-Forwarded-For"), "::1");
  EXPECT_EQ(request.headers.Get("X-Forwarded-Port"), "65535");
}

TEST(AddForwardingFields, WithoutAnAuthorityNoHostIsSaidAndNoneIsBelieved) {
  RequestHead request;
  request.minor_version = 0;
  request.headers.Add("X-Forwarded-Host", "evil");
  AddForwardingFields({.client_address = "a"}, request);
  EXPECT_FALSE(request.headers.Has(HeaderId::kXForwardedHost));
  EXPECT_EQ(request.headers.Get("Via"), "1.0 apk");
}

TEST(AddForwardingFields, TheRequestIdOfTheClientIsKept) {
  EXPECT_EQ(Request({{"x-request-id", "mine"}}).headers.Get("X-Request-Id"), "mine");
  EXPECT_EQ(Request({{"x-request-id", "mine"}}).headers.Count(HeaderId::kXRequestId), 1u);
}

TEST(AddForwardingFields, AClientCannotHaveThemStrippedByNamingThemInConnection) {
  RequestHead request;
  request.authority = "h";
  request.headers = Map({{"Connection", "X-Forwarded-For, X-Forwarded-Proto, Via, X-Request-Id"},
                         {"X-Forwarded-For", "1.1.1.1"},
                         {"X-Request-Id", "mine"}});
  StripHopByHop(request.headers);
  AddForwardingFields({.client_address = "10.0.0.1", .listener_port = 80, .request_id = 1},
                      request);
  EXPECT_EQ(
      Dump(request.headers),
      "X-Forwarded-For=10.0.0.1|X-Forwarded-Proto=http|X-Forwarded-Host=h|X-Forwarded-Port=80|"
      "X-Request-Id=1|Via=1.1 apk");
}

}  // namespace
}  // namespace apk
