// The JSON API without sockets.
#include "data-plane/inspector/api.h"

#include <gtest/gtest.h>

namespace apk::inspector {
namespace {

class ApiTest : public ::testing::Test {
 protected:
  ApiTest() : bins_(BinsOptions{}), api_(bins_, ApiOptions{}) {}

  Reply Call(std::string method, std::string target) {
    CapturedRequest request;
    request.method = std::move(method);
    request.target = std::move(target);
    return api_.Handle(request);
  }

  void Capture(std::string target, std::string body) {
    CapturedRequest request;
    request.method = "POST";
    request.target = std::move(target);
    request.body_bytes = body.size();
    request.body = std::move(body);
    ASSERT_TRUE(bins_.Capture(std::move(request)).ok());
  }

  static std::string Header(const Reply& reply, std::string_view name) {
    for (const auto& [key, value] : reply.headers) {
      if (key == name) return value;
    }
    return "";
  }

  Bins bins_;
  Api api_;
};

TEST_F(ApiTest, ListsTheNewestFirstUpToTheLimitAndFiltered) {
  for (const char* const path : {"a", "b", "c"}) Capture(std::string("/token-01/") + path, path);
  const Json all = Json::parse(Call("GET", "/api/bins/token-01/requests?limit=2").body);
  ASSERT_EQ(all["requests"].size(), 2u);
  EXPECT_EQ(all["requests"][0]["path"], "/c");
  const Json some = Json::parse(Call("GET", "/api/bins/token-01/requests?filter=body~b").body);
  ASSERT_EQ(some["requests"].size(), 1u);
  EXPECT_EQ(Call("GET", "/api/bins/token-01/requests?filter=method%3A").status, 400);
}

TEST_F(ApiTest, RefusesALimitThatIsNoNumber) {
  Capture("/token-01/", "");
  for (const char* const limit : {"x", "-1", "1x", "99999999999999999999"}) {
    const Reply reply = Call("GET", std::string("/api/bins/token-01/requests?limit=") + limit);
    EXPECT_EQ(reply.status, 400) << limit;
    EXPECT_NE(reply.body.find("limit: "), std::string::npos) << reply.body;
  }
}

TEST_F(ApiTest, AbsoluteFormTargetsTheSameBin) {
  Capture("http://inspector.example:9600/token-01/a?b=c", "");
  const Json all = Json::parse(Call("GET", "/api/bins/token-01/requests").body);
  ASSERT_EQ(all["requests"].size(), 1u);
  EXPECT_EQ(all["requests"][0]["path"], "/a");
}

TEST_F(ApiTest, BodiesAreDownloadedNeverRendered) {
  Capture("/token-01/", "<script>alert(1)</script>");
  const Reply raw = Call("GET", "/api/bins/token-01/requests/1/body");
  EXPECT_EQ(raw.body, "<script>alert(1)</script>");
  EXPECT_EQ(Header(raw, "Content-Type"), "application/octet-stream");
  EXPECT_TRUE(Header(raw, "Content-Disposition").starts_with("attachment"));
}

TEST_F(ApiTest, BytesThatAreNoTextComeInBase64AndBreakNoJson) {
  Capture("/token-01/\xff", std::string("\xff\x00", 2));
  const Json detail = Json::parse(Call("GET", "/api/bins/token-01/requests/1").body);
  EXPECT_EQ(detail["body"]["base64"], "/wA=");
  EXPECT_FALSE(detail["body"].contains("text"));
}

TEST_F(ApiTest, DeletesOneAllAndTheBin) {
  Capture("/token-01/", "");
  Capture("/token-01/", "");
  EXPECT_EQ(Call("DELETE", "/api/bins/token-01/requests/1").status, 204);
  EXPECT_EQ(Call("DELETE", "/api/bins/token-01/requests/1").status, 404);
  EXPECT_EQ(bins_.Find("token-01")->bin.requests().size(), 1u);
  EXPECT_EQ(Call("DELETE", "/api/bins/token-01/requests").status, 204);
  EXPECT_TRUE(bins_.Find("token-01")->bin.requests().empty());
  EXPECT_EQ(Call("DELETE", "/api/bins/token-01").status, 204);
  EXPECT_EQ(bins_.Find("token-01"), nullptr);
}

TEST_F(ApiTest, MakesBinsByNameAndRefusesBadNames) {
  EXPECT_EQ(Call("POST", "/api/bins?token=my-new-bin").status, 201);
  EXPECT_NE(bins_.Find("my-new-bin"), nullptr);
  EXPECT_EQ(Call("POST", "/api/bins?token=../etc").status, 400);
  EXPECT_EQ(Call("POST", "/api/bins").status, 201);
  EXPECT_EQ(bins_.all().size(), 2u);
}

TEST_F(ApiTest, ServesThePageAndNothingElse) {
  EXPECT_EQ(Header(Call("GET", "/bins/token-01"), "Content-Type"), "text/html; charset=utf-8");
  EXPECT_EQ(Call("GET", "/app.js").status, 200);
  EXPECT_EQ(Call("GET", "/../main.cc").status, 404);
  EXPECT_EQ(Call("POST", "/").status, 405);
  EXPECT_EQ(Call("GET", "/api/bins/absent-01/requests").status, 404);
}

}  // namespace
}  // namespace apk::inspector
