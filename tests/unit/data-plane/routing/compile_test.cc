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

// An HTTP listener on port 80.
std::string ListenerAt(const std::string& name, const std::string& hostname,
                       const std::string& address) {
  return "resources { name: '" + name + "' listener { port: 80 protocol: HTTP hostname: '" +
         hostname + "' addresses: '" + address + "' } }\n";
}

TEST(CompileTest, AListenerThatNamesTheAgentsAddressSharesThePortOfThoseThatNameNone) {
  Compiler compiler("127.0.0.1");
  const CompileResult result = compiler.Compile(
      SnapshotOf(ListenerText("l", "l.example") + ListenerAt("a", "a.example", "127.0.0.1") +
                 ListenerAt("b", "b.example", "127.0.0.2")));
  ASSERT_NE(result.table, nullptr);
  ASSERT_EQ(result.table->ports().size(), 2u);
  const Port* const own = result.table->FindPort("", 80);
  ASSERT_NE(own, nullptr);
  ASSERT_EQ(own->listeners.size(), 2u);
  EXPECT_EQ(own->listeners[0].address, "127.0.0.1");
  EXPECT_EQ(own->listeners[1].address, "");
  EXPECT_TRUE(result.table->refused().empty());
}

TEST(CompileTest, WhatNamesNoAddressGoesBeforeWhatNamesTheAgents) {
  Compiler compiler("127.0.0.1");
  const std::string both =
      ListenerText("l", "l.example") + ListenerAt("a", "l.example", "127.0.0.1");
  const CompileResult hosts = compiler.Compile(SnapshotOf(both));
  ASSERT_NE(hosts.table, nullptr);
  EXPECT_EQ(hosts.table->FindPort("", 80)->listeners.size(), 1u);
  ASSERT_EQ(hosts.table->refused().size(), 1u);
  EXPECT_EQ(hosts.table->refused()[0].name, "a");
  EXPECT_EQ(hosts.table->refused()[0].address, "127.0.0.1");
  EXPECT_THAT(hosts.table->refused()[0].message, HasSubstr("l has port 80 and the same hostname"));

  const CompileResult protocols = compiler.Compile(SnapshotOf(
      "resources { name: 'z' listener { port: 80 protocol: TLS tls_passthrough: true } }" +
      ListenerAt("a", "l.example", "127.0.0.1")));
  ASSERT_NE(protocols.table, nullptr);
  ASSERT_EQ(protocols.table->refused().size(), 1u);
  EXPECT_THAT(protocols.table->refused()[0].message,
              HasSubstr("z has port 80 with another protocol"));
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

TEST(CompileTest, AnEndpointIsNamedWithoutTheSchemesOwnPort) {
  const auto host_of = [](const std::string& host, int port, bool tls) {
    const CompileResult result = Compile(SnapshotOf(
        "resources { name: 'b' backend { rewrite_host: true endpoints { host: '" + host +
        "' port: " + std::to_string(port) + " }" + (tls ? " tls_enabled: true tls {}" : "") +
        " } }"));
    return std::string(result.table->backends().at(0)->HostFor(0, "asked.example"));
  };
  EXPECT_EQ(host_of("b.example", 80, false), "b.example");
  EXPECT_EQ(host_of("b.example", 443, true), "b.example");
  EXPECT_EQ(host_of("b.example", 443, false), "b.example:443");
  EXPECT_EQ(host_of("b.example", 80, true), "b.example:80");
  EXPECT_EQ(host_of("::1", 8080, false), "[::1]:8080");
}

TEST(CompileTest, TheClientsHostIsKeptWhereTheBackendDoesNotRewriteIt) {
  const CompileResult result = Compile(
      SnapshotOf("resources { name: 'b' backend { endpoints { host: 'b.example' port: 80 } } }"));
  EXPECT_EQ(result.table->backends().at(0)->HostFor(0, "asked.example"), "asked.example");
}

TEST(CompileTest, NamesStandOnce) {
  EXPECT_EQ(FirstError(ListenerText("l", "") + ListenerText("l", "")),
            "l: stands twice in the snapshot");
}

TEST(CompileTest, SessionsNeedAKey) {
  EXPECT_THAT(RuleError("session_persistence { name: 's' cookie_path: '/' key: 'short' }"),
              HasSubstr("key that is too short"));
}

TEST(CompileTest, OriginsAreChecked) {
  EXPECT_THAT(RuleError("filters { cors { allow_origins: 'ftp://a' } }"),
              HasSubstr("'ftp://a' is no origin"));
}

// One of a snapshot of these, by hand: hashes say what changed.
std::string Backend(const std::string& name, int port, const std::string& hash) {
  return "resources { name: '" + name + "' hash: '" + hash +
         "' backend { endpoints { host: 'h' port: " + std::to_string(port) + " } } }\n";
}

std::string Route(const std::string& name, const std::string& backend, const std::string& hash,
                  const std::string& listener = "l") {
  return "resources { name: 'r/" + name + "' hash: '" + hash + "' route { name: '" + name +
         "' attachments { listener: '" + listener + "' hostnames: '" + name +
         ".example' } rules { matches { path { type: PATH_PREFIX value: '/' } } backends { "
         "backend: '" +
         backend + "' weight: 1 } } } }\n";
}

const Rule* RuleOf(const RouteTable& table, const std::string& route) {
  RequestHead request;
  request.host = route + ".example";
  request.path = "/";
  const auto match = RouteTable::Match(table.ports()[0].listeners[0], request);
  return match.has_value() ? match->rule : nullptr;
}

TEST(CompilerTest, SharesWhatDidNotChange) {
  Compiler compiler;
  const std::string listener = ListenerText("l", "");
  const auto first =
      compiler.Compile(SnapshotOf(Backend("b", 1, "1") + Backend("c", 1, "1") + listener +
                                  Route("x", "b", "1") + Route("y", "c", "1")));
  ASSERT_NE(first.table, nullptr);
  const auto second = compiler.Compile(SnapshotOf(Backend("b", 1, "1") + Backend("c", 2, "2") +
                                                  listener + Route("x", "b", "1") +
                                                  Route("y", "c", "1") + Route("z", "b", "1")));
  ASSERT_NE(second.table, nullptr);
  EXPECT_EQ(RuleOf(*first.table, "x"), RuleOf(*second.table, "x"));
  EXPECT_EQ(RuleOf(*first.table, "z"), nullptr);
  EXPECT_NE(RuleOf(*second.table, "z"), nullptr);
  // The route itself is the same, what it points to is not.
  EXPECT_EQ(RuleOf(*second.table, "y")->backends[0].backend->endpoints[0].port, 2);
  EXPECT_EQ(RuleOf(*first.table, "y")->backends[0].backend->endpoints[0].port, 1);
}

TEST(CompilerTest, AnErrorLeavesTheTableBeforeToShareWith) {
  Compiler compiler;
  const std::string good = Backend("b", 1, "1") + ListenerText("l", "") + Route("x", "b", "1");
  const auto first = compiler.Compile(SnapshotOf(good));
  ASSERT_NE(first.table, nullptr);
  EXPECT_EQ(compiler.Compile(SnapshotOf(good + Route("y", "missing", "1"))).table, nullptr);
  const auto third = compiler.Compile(SnapshotOf(good + Route("y", "b", "2")));
  ASSERT_NE(third.table, nullptr);
  EXPECT_EQ(RuleOf(*first.table, "x"), RuleOf(*third.table, "x"));
  EXPECT_NE(RuleOf(*third.table, "y"), nullptr);
}

TEST(CompilerTest, TheLoopKeyIsTheInstallationsAndUntilThenTheAgentsOwn) {
  Compiler compiler;
  const auto own = compiler.Compile(SnapshotOf(""));
  ASSERT_NE(own.table, nullptr);
  EXPECT_EQ(own.table->mirror_loop_key().size(), 16u);
  EXPECT_NE(own.table->mirror_loop_key(), Compile(SnapshotOf("")).table->mirror_loop_key());
  const auto shared = compiler.Compile(SnapshotOf(
      "resources { name: 'installation' installation { mirror_loop_key: '0123456789abcdef' } }"));
  ASSERT_NE(shared.table, nullptr);
  EXPECT_EQ(shared.table->mirror_loop_key(), "0123456789abcdef");
  const auto bad = compiler.Compile(SnapshotOf(
      "resources { name: 'installation' installation { mirror_loop_key: 'short' } }"));
  ASSERT_FALSE(bad.errors.empty());
  EXPECT_EQ(bad.errors[0].message, "must have a mirror loop key of 16 bytes");
}

TEST(CompilerTest, AListenerThatGoesTakesNoRouteAlong) {
  Compiler compiler;
  const std::string route = Route("x", "b", "1");
  ASSERT_NE(
      compiler.Compile(SnapshotOf(Backend("b", 1, "1") + ListenerText("l", "") + route)).table,
      nullptr);
  const auto without = compiler.Compile(SnapshotOf(Backend("b", 1, "1") + route));
  ASSERT_FALSE(without.errors.empty());
  EXPECT_EQ(without.errors[0].message, "refers to l, which is not in the snapshot");
  const auto other = compiler.Compile(
      SnapshotOf(Backend("b", 1, "1") + ListenerText("m", "") + Route("x", "b", "2", "m")));
  ASSERT_NE(other.table, nullptr);
  EXPECT_NE(RuleOf(*other.table, "x"), nullptr);
}

}  // namespace
}  // namespace apk
