// Handshakes between our contexts, and with OpenSSL's own, over memory.
#include "data-plane/net/tls_context.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "tests/unit/data-plane/net/test_certificates.h"
#include "tests/unit/data-plane/net/test_ocsp.h"

namespace apk {
namespace {

using SslPtr = std::unique_ptr<SSL, decltype(&SSL_free)>;

ServerSettings Settings(const std::string& hostname,
                        const std::vector<const TestCertificate*>& certificates) {
  ServerSettings settings;
  settings.name = "listener " + hostname;
  settings.hostname = hostname;
  for (const TestCertificate* const certificate : certificates) {
    settings.certificates.push_back(
        {.chain_pem = certificate->pem(), .key_pem = certificate->key_pem(), .ocsp_response = ""});
  }
  settings.protocols = {"http/1.1"};
  return settings;
}

SslContext Server(const std::vector<ServerSettings>& settings,
                  std::shared_ptr<TicketKeys> tickets = std::make_shared<TicketKeys>()) {
  absl::StatusOr<SslContext> context = MakeServerContext(settings, std::move(tickets));
  EXPECT_TRUE(context.ok()) << context.status();
  return *context;
}

// A client that verifies nothing.
SslContext AnyClient() {
  SslContext context(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free);
  SSL_CTX_set_security_level(context.get(), 0);
  return context;
}

struct Pair {
  Pair(const SslContext& server_context, const SslContext& client_context)
      : server(SSL_new(server_context.get()), &SSL_free),
        client(SSL_new(client_context.get()), &SSL_free) {
    BIO* a = nullptr;
    BIO* b = nullptr;
    BIO_new_bio_pair(&a, 0, &b, 0);
    SSL_set_bio(server.get(), a, a);
    SSL_set_bio(client.get(), b, b);
    SSL_set_accept_state(server.get());
    SSL_set_connect_state(client.get());
    AttachFacts(server.get(), &facts);
  }
  // As streams do: a session outlives a connection that ended without a goodbye.
  ~Pair() { SSL_set_shutdown(client.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); }

  // True where both sides are content; a byte goes each way, tickets with it.
  bool Handshake() {
    for (int round = 0; round < 10; ++round) {
      SSL_do_handshake(client.get());
      SSL_do_handshake(server.get());
    }
    char byte = 'x';
    size_t count = 0;
    return SSL_is_init_finished(client.get()) == 1 && SSL_is_init_finished(server.get()) == 1 &&
           SSL_write_ex(client.get(), &byte, 1, &count) == 1 &&
           SSL_read_ex(server.get(), &byte, 1, &count) == 1 &&
           SSL_write_ex(server.get(), &byte, 1, &count) == 1 &&
           SSL_read_ex(client.get(), &byte, 1, &count) == 1;
  }

  std::string ShownName() const {
    const std::unique_ptr<X509, decltype(&X509_free)> shown(SSL_get1_peer_certificate(client.get()),
                                                            &X509_free);
    char name[256] = "";
    if (shown != nullptr) {
      X509_NAME_get_text_by_NID(X509_get_subject_name(shown.get()), NID_commonName, name,
                                sizeof name);
    }
    return name;
  }

  HandshakeFacts facts;
  SslPtr server;
  SslPtr client;
};

// What a client that asks for the name, and can check the given signatures only, is shown.
std::string Shown(const SslContext& server, const std::string& server_name,
                  const char* signatures = nullptr) {
  const SslContext client = AnyClient();
  Pair pair(server, client);
  if (!server_name.empty()) SSL_set_tlsext_host_name(pair.client.get(), server_name.c_str());
  if (signatures != nullptr) SSL_set1_sigalgs_list(pair.client.get(), signatures);
  return pair.Handshake() ? pair.ShownName() : "failed";
}

TEST(ServerContext, TheMostSpecificListenerShowsItsCertificate) {
  const TestCertificate exact("exact");
  const TestCertificate wild("wild");
  const TestCertificate wilder("wilder");
  const TestCertificate any("any");
  const SslContext server =
      Server({Settings("", {&any}), Settings("*.example", {&wilder}),
              Settings("*.a.example", {&wild}), Settings("b.a.example", {&exact})});
  EXPECT_EQ(Shown(server, "b.a.example"), "exact");
  EXPECT_EQ(Shown(server, "c.a.example"), "wild");
  EXPECT_EQ(Shown(server, "c.d.a.example"), "wild");
  EXPECT_EQ(Shown(server, "c.example"), "wilder");
  EXPECT_EQ(Shown(server, "example"), "any");
  EXPECT_EQ(Shown(server, "B.A.EXAMPLE"), "exact");
  EXPECT_EQ(Shown(server, ""), "any");
}

TEST(ServerContext, OfOneListenerTheMostSpecificNameIsShown) {
  const TestCertificate first("first", "DNS:other.example");
  const TestCertificate wild("wild", "DNS:*.a.example");
  const TestCertificate exact("exact", "DNS:b.a.example,DNS:b2.a.example");
  const TestCertificate common_name("c.example");
  const SslContext server = Server({Settings("", {&first, &wild, &exact, &common_name})});
  EXPECT_EQ(Shown(server, "b.a.example"), "exact");
  EXPECT_EQ(Shown(server, "b2.a.example"), "exact");
  EXPECT_EQ(Shown(server, "c.a.example"), "wild");
  EXPECT_EQ(Shown(server, "d.c.a.example"), "first");  // A wildcard of a certificate is one label.
  EXPECT_EQ(Shown(server, "c.example"), "c.example");
  EXPECT_EQ(Shown(server, ""), "first");
}

TEST(ServerContext, TheClientsSignaturesDecideBetweenTypesOfKeys) {
  const TestCertificate ecdsa("ecdsa", "DNS:a.example");
  const TestCertificate rsa("rsa", "DNS:a.example", nullptr, KeyType::kRsa);
  const TestCertificate other("other", "DNS:b.example", nullptr, KeyType::kRsa);
  const SslContext server = Server({Settings("", {&other, &ecdsa, &rsa})});
  EXPECT_EQ(Shown(server, "a.example", "ECDSA+SHA256"), "ecdsa");
  EXPECT_EQ(Shown(server, "a.example", "RSA-PSS+SHA256:RSA+SHA256"), "rsa");
  EXPECT_EQ(Shown(server, "b.example", "RSA-PSS+SHA256:RSA+SHA256"), "other");
  EXPECT_EQ(Shown(server, "b.example", "ECDSA+SHA256"), "failed");
}

TEST(ServerContext, OldVersionsAndNamesThatAreNoneAreRefused) {
  const TestCertificate certificate("a");
  const SslContext server = Server({Settings("", {&certificate})});
  const SslContext client = AnyClient();
  SSL_CTX_set_max_proto_version(client.get(), TLS1_1_VERSION);
  Pair old(server, client);
  EXPECT_FALSE(old.Handshake());
  EXPECT_EQ(Shown(server, "a b"), "failed");
}

TEST(ServerContext, TellsTheNameAndTheProtocol) {
  const TestCertificate certificate("a");
  const SslContext server = Server({Settings("", {&certificate})});
  const SslContext client = AnyClient();
  Pair pair(server, client);
  SSL_set_tlsext_host_name(pair.client.get(), "X.Example");
  SSL_set_alpn_protos(pair.client.get(),
                      reinterpret_cast<const unsigned char*>("\x02h2\x08http/1.1"), 12);
  ASSERT_TRUE(pair.Handshake());
  EXPECT_EQ(pair.facts.server_name, "x.example");
  EXPECT_EQ(pair.facts.client_rules, 0u);
  const unsigned char* chosen = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(pair.client.get(), &chosen, &size);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(chosen), size), "http/1.1");
}

TEST(ServerContext, StaplesTheResponseOfTheCertificateThatIsShown) {
  const TestCertificate a("a", "DNS:a.example");
  const TestCertificate b("b", "DNS:b.example");
  const std::string answer = OcspResponse({.about = &b, .issuer = &b});
  ServerSettings settings = Settings("", {&a, &b});
  settings.certificates[0].ocsp_response = answer;  // Of another certificate.
  settings.certificates[1].ocsp_response = answer;
  const SslContext server = Server({settings});
  EXPECT_TRUE(FirstStapleEnd(server).has_value());
  for (const std::string name : {"a.example", "b.example"}) {
    const SslContext client = AnyClient();
    Pair pair(server, client);
    SSL_set_tlsext_host_name(pair.client.get(), name.c_str());
    SSL_set_tlsext_status_type(pair.client.get(), TLSEXT_STATUSTYPE_ocsp);
    ASSERT_TRUE(pair.Handshake());
    const unsigned char* response = nullptr;
    const long size = SSL_get_tlsext_status_ocsp_resp(pair.client.get(), &response);
    EXPECT_EQ(size < 0
                  ? ""
                  : std::string(reinterpret_cast<const char*>(response), static_cast<size_t>(size)),
              name == "b.example" ? answer : "");
  }
}

TEST(ServerContext, ShowsACertificateWithoutAResponseThatHasEnded) {
  const TestCertificate certificate("a");
  ServerSettings settings = Settings("", {&certificate});
  settings.certificates[0].ocsp_response =
      OcspResponse({.about = &certificate, .issuer = &certificate, .until = 1});
  const SslContext server = Server({settings});
  EXPECT_TRUE(FirstStapleEnd(server).has_value());
  std::this_thread::sleep_until(*FirstStapleEnd(server));
  Pair pair(server, AnyClient());
  SSL_set_tlsext_status_type(pair.client.get(), TLSEXT_STATUSTYPE_ocsp);
  ASSERT_TRUE(pair.Handshake());
  const unsigned char* response = nullptr;
  EXPECT_LT(SSL_get_tlsext_status_ocsp_resp(pair.client.get(), &response), 0);
}

class ClientValidationTest : public testing::Test {
 protected:
  // Whether a client with that certificate, or none, gets in under the name.
  bool Admits(const TestCertificate* certificate, const std::string& name) {
    ServerSettings guarded = Settings("guarded.example", {&server_});
    guarded.client_ca_pem = authority_.pem();
    guarded.client_rules = 7;
    ServerSettings lenient = guarded;
    lenient.name = lenient.hostname = "lenient.example";
    lenient.insecure_fallback = true;
    lenient.client_rules = 9;
    const SslContext server = Server({Settings("", {&server_}), guarded, lenient});
    absl::StatusOr<SslContext> client =
        MakeClientContext({.ca_pem = server_.pem(),
                           .certificate_pem = certificate == nullptr ? "" : certificate->pem(),
                           .key_pem = certificate == nullptr ? "" : certificate->key_pem()});
    Pair pair(server, *client);
    const ServerNames names{.server_name = name, .allowed_names = {"server"}, .allowed_uris = {}};
    EXPECT_TRUE(PrepareClient(pair.client.get(), &names, nullptr));
    const bool admitted = pair.Handshake();
    if (admitted) rules_ = pair.facts.client_rules;
    return admitted;
  }

  const TestCertificate server_{"server"};
  const TestCertificate authority_{"authority"};
  uint64_t rules_ = 0;
};

TEST_F(ClientValidationTest, TakesCertificatesOfTheAuthorityOnly) {
  const TestCertificate good("client", "", &authority_);
  const TestCertificate stranger_authority("authority");
  const TestCertificate stranger("client", "", &stranger_authority);
  EXPECT_TRUE(Admits(&good, "guarded.example"));
  EXPECT_EQ(rules_, 7u);
  EXPECT_FALSE(Admits(&stranger, "guarded.example"));
  EXPECT_FALSE(Admits(nullptr, "guarded.example"));
}

TEST_F(ClientValidationTest, TheFallbackTakesEverybody) {
  const TestCertificate stranger("client");
  EXPECT_TRUE(Admits(&stranger, "lenient.example"));
  EXPECT_TRUE(Admits(nullptr, "lenient.example"));
  EXPECT_EQ(rules_, 9u);
}

TEST_F(ClientValidationTest, OtherListenersAskForNothing) {
  EXPECT_TRUE(Admits(nullptr, "other.example"));
  EXPECT_EQ(rules_, 0u);
}

class SessionTest : public testing::TestWithParam<int> {
 protected:
  // Connects under the name with the slot's session; whether it was resumed.
  bool Resumes(const SslContext& server, const std::string& name) {
    absl::StatusOr<SslContext> client =
        MakeClientContext({.ca_pem = certificate_.pem(), .certificate_pem = "", .key_pem = ""});
    SSL_CTX_set_max_proto_version(client->get(), GetParam());
    Pair pair(server, *client);
    const ServerNames names{.server_name = name, .allowed_names = {"server"}, .allowed_uris = {}};
    EXPECT_TRUE(PrepareClient(pair.client.get(), &names, &slot_));
    EXPECT_TRUE(pair.Handshake());
    EXPECT_NE(slot_.session, nullptr);
    return SSL_session_reused(pair.client.get()) == 1;
  }

  const TestCertificate certificate_{"server"};
  SessionSlot slot_;
};

TEST_P(SessionTest, IsResumedByTheNextConnection) {
  const SslContext server = Server({Settings("", {&certificate_})});
  EXPECT_FALSE(Resumes(server, "a.example"));
  EXPECT_TRUE(Resumes(server, "a.example"));
}

TEST_P(SessionTest, IsNotResumedAtAnotherListener) {
  const SslContext server =
      Server({Settings("a.example", {&certificate_}), Settings("b.example", {&certificate_})});
  EXPECT_FALSE(Resumes(server, "a.example"));
  EXPECT_FALSE(Resumes(server, "b.example"));
}

TEST_P(SessionTest, IsNotResumedByAnotherContext) {
  EXPECT_FALSE(Resumes(Server({Settings("", {&certificate_})}), "a.example"));
  EXPECT_FALSE(Resumes(Server({Settings("", {&certificate_})}), "a.example"));
}

TEST_P(SessionTest, IsResumedByAnotherContextWithTheSameKeys) {
  const auto tickets = std::make_shared<TicketKeys>();
  const TestCertificate next("server");
  EXPECT_FALSE(Resumes(Server({Settings("", {&certificate_})}, tickets), "a.example"));
  EXPECT_TRUE(Resumes(Server({Settings("", {&next})}, tickets), "a.example"));
}

TEST_P(SessionTest, IsNotResumedWhereClientsAreValidatedInAnotherWay) {
  const auto tickets = std::make_shared<TicketKeys>();
  ServerSettings settings = Settings("", {&certificate_});
  EXPECT_FALSE(Resumes(Server({settings}, tickets), "a.example"));
  settings.client_ca_pem = certificate_.pem();
  settings.insecure_fallback = true;
  EXPECT_FALSE(Resumes(Server({settings}, tickets), "a.example"));
  EXPECT_TRUE(Resumes(Server({settings}, tickets), "a.example"));
}

INSTANTIATE_TEST_SUITE_P(Versions, SessionTest, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION));

// Whether a server with those alternative names is believed to be one of `names`.
bool Believes(const std::string& alternatives, const ServerNames& names) {
  const TestCertificate authority("authority");
  const TestCertificate certificate("cn.example", alternatives, &authority);
  const SslContext server = Server({Settings("", {&certificate})});
  absl::StatusOr<SslContext> client =
      MakeClientContext({.ca_pem = authority.pem(), .certificate_pem = "", .key_pem = ""});
  Pair pair(server, *client);
  EXPECT_TRUE(PrepareClient(pair.client.get(), &names, nullptr));
  return pair.Handshake();
}

TEST(ClientContext, ChecksTheServerName) {
  EXPECT_TRUE(Believes("DNS:a.example",
                       {.server_name = "a.example", .allowed_names = {}, .allowed_uris = {}}));
  EXPECT_TRUE(Believes("DNS:*.b.example",
                       {.server_name = "a.b.example", .allowed_names = {}, .allowed_uris = {}}));
  EXPECT_FALSE(Believes("DNS:b.example",
                        {.server_name = "a.example", .allowed_names = {}, .allowed_uris = {}}));
  EXPECT_TRUE(Believes("IP:127.0.0.1",
                       {.server_name = "127.0.0.1", .allowed_names = {}, .allowed_uris = {}}));
  EXPECT_FALSE(Believes("IP:127.0.0.1",
                        {.server_name = "127.0.0.2", .allowed_names = {}, .allowed_uris = {}}));
}

TEST(ClientContext, AllowedNamesStandInsteadOfTheServerName) {
  const auto names = [](std::vector<std::string> dns, std::vector<std::string> uris) {
    return ServerNames{.server_name = "a.example",
                       .allowed_names = std::move(dns),
                       .allowed_uris = std::move(uris)};
  };
  EXPECT_TRUE(Believes("DNS:b.example", names({"x.example", "b.example"}, {})));
  EXPECT_FALSE(Believes("DNS:a.example", names({"b.example"}, {})));
  EXPECT_TRUE(Believes("DNS:c.b.example", names({"*.b.example"}, {})));
  EXPECT_TRUE(Believes("DNS:*.b.example", names({"*.b.example"}, {})));
  EXPECT_FALSE(Believes("DNS:d.c.b.example", names({"*.b.example"}, {})));
  EXPECT_FALSE(Believes("DNS:b.example", names({"*.b.example"}, {})));
  EXPECT_TRUE(Believes("URI:spiffe://a/b", names({}, {"spiffe://a/b"})));
  EXPECT_TRUE(Believes("URI:spiffe://a/b", names({"b.example"}, {"spiffe://a/b"})));
  EXPECT_FALSE(Believes("URI:spiffe://a/bc", names({}, {"spiffe://a/b"})));
  EXPECT_FALSE(Believes("DNS:a.example", names({}, {"spiffe://a/b"})));
}

TEST(ClientContext, AStrangersChainIsRefusedWhateverItsNames) {
  const TestCertificate certificate("a.example", "DNS:a.example");
  const TestCertificate other("a.example", "DNS:a.example");
  const SslContext server = Server({Settings("", {&certificate})});
  absl::StatusOr<SslContext> client =
      MakeClientContext({.ca_pem = other.pem(), .certificate_pem = "", .key_pem = ""});
  Pair pair(server, *client);
  const ServerNames names{.server_name = "a.example", .allowed_names = {}, .allowed_uris = {}};
  EXPECT_TRUE(PrepareClient(pair.client.get(), &names, nullptr));
  EXPECT_FALSE(pair.Handshake());
}

TEST(Contexts, SayWhatIsWrongWithPem) {
  EXPECT_FALSE(MakeClientContext({.ca_pem = "x", .certificate_pem = "", .key_pem = ""}).ok());
  const TestCertificate a("a");
  const TestCertificate b("b");
  ServerSettings mixed = Settings("", {&a});
  mixed.certificates[0].key_pem = b.key_pem();
  EXPECT_FALSE(MakeServerContext({mixed}, std::make_shared<TicketKeys>()).ok());
  EXPECT_FALSE(MakeServerContext({}, std::make_shared<TicketKeys>()).ok());
}

}  // namespace
}  // namespace apk
