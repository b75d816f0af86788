// What a snapshot must be to be served at all.
#include "data-plane/routing/compile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/data-plane/routing/snapshot_builder.h"

namespace apk {
namespace {

using ::testing::HasSubstr;

std::string FirstError(const std::string& text) {
  const CompileResult result = Compile(SnapshotOf(text));
  if (result.errors.empty()) return "";
  EXPECT_EQ(result.table, nullptr);
  return result.errors[0].resource + ": " + result.errors[0].message;
}

std::string RuleError(const std::string& rule) {
  return FirstError("resources { name: 'r' route { name: 'r' rules { " + rule +
                    " matches { path { type: PATH_PREFIX value: '/' } } } } }");
}

TEST(CompileTest, DanglingBackendNamesTheRoute) {
  EXPECT_THAT(RuleError("backends { backend: 'b' weight: 1 }"), HasSubstr("r: refers to b"));
}

TEST(CompileTest, UnresolvedBackendIsNoError) {
  EXPECT_EQ(RuleError("backends { weight: 1 }"), "");
}

TEST(CompileTest, ModifiersCannotTouchFraming) {
  for (const std::string name : {"Content-Length", "transfer-encoding", "Connection", "Host"}) {
    EXPECT_THAT(RuleError("filters { request_header_modifier { remove: '" + name + "' } }"),
                HasSubstr(name == "Host" ? "URLRewrite" : "connection"))
        << name;
  }
}

TEST(CompileTest, HeaderValueCannotSplitTheHead) {
  EXPECT_THAT(
      RuleError("filters { response_header_modifier { set { name: 'x' value: 'a\\r\\nb' } } }"),
      HasSubstr("control characters"));
}

TEST(CompileTest, BrokenExpressionIsRefused) {
  EXPECT_THAT(FirstError(RouteText("r", "", {"path { type: REGULAR_EXPRESSION value: '/(' }"})),
              HasSubstr("regular expression"));
}

TEST(CompileTest, TlsAndPlainCannotShareAPort) {
  const CompileResult result =
      Compile(SnapshotOf(ListenerText("a", "a.example") +
                         "resources { name: 'b' listener { port: 80 protocol: HTTPS } }"));
  ASSERT_FALSE(result.errors.empty());
  EXPECT_THAT(result.errors.back().message, HasSubstr("mixes TLS and plain HTTP"));
}

TEST(CompileTest, CertificateMustBePem) {
  EXPECT_THAT(FirstError("resources { name: 'c' certificate { certificate_chain_pem: 'x' } }"),
              HasSubstr("c: certificate chain is no PEM"));
}

TEST(CompileTest, ConnectionKeyFollowsEndpointsAndTls) {
  const auto key = [](const std::string& body) {
    const CompileResult result =
        Compile(SnapshotOf("resources { name: 'b' backend { " + body + " } }"));
    EXPECT_TRUE(result.errors.empty());
    return result.table == nullptr ? 0 : result.table->backends()[0]->connection_key;
  };
  const std::string endpoint = "endpoints { host: 'a' port: 1 }";
  EXPECT_EQ(key(endpoint), key(endpoint + " base_path: '/x'"));
  EXPECT_NE(key(endpoint), key("endpoints { host: 'a' port: 2 }"));
  EXPECT_NE(key(endpoint), key(endpoint + " tls_enabled: true"));
  EXPECT_NE(key(endpoint + " tls_enabled: true"),
            key(endpoint + " tls_enabled: true tls { server_name: 'b' }"));
}

}  // namespace
}  // namespace apk
