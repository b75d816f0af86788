// Hellos of OpenSSL's own client, whole and in pieces, and broken ones.
#include "data-plane/net/client_hello.h"

#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <memory>
#include <vector>

namespace apk {
namespace {

using State = ClientHello::State;

// The first flight of a client.
std::string HelloFor(const char* server_name) {
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_client_method()),
                                                                  &SSL_CTX_free);
  const std::unique_ptr<SSL, decltype(&SSL_free)> ssl(SSL_new(context.get()), &SSL_free);
  BIO* const out = BIO_new(BIO_s_mem());
  SSL_set_bio(ssl.get(), BIO_new(BIO_s_mem()), out);
  if (server_name != nullptr) SSL_set_tlsext_host_name(ssl.get(), server_name);
  SSL_set_connect_state(ssl.get());
  SSL_do_handshake(ssl.get());
  char* data = nullptr;
  const long size = BIO_get_mem_data(out, &data);
  return std::string(data, static_cast<size_t>(size));
}

// The same bytes in records of `size`.
std::string Fragmented(const std::string& hello, size_t size) {
  const std::string message = hello.substr(5);
  std::string records;
  for (size_t at = 0; at < message.size(); at += size) {
    const std::string piece = message.substr(at, size);
    records += hello.substr(0, 3);
    records += static_cast<char>(piece.size() >> 8);
    records += static_cast<char>(piece.size() & 0xff);
    records += piece;
  }
  return records;
}

std::string Extension(const std::string& name, char type = 0) {
  const auto length = [](size_t size) {
    return std::string{static_cast<char>(size >> 8), static_cast<char>(size & 0xff)};
  };
  return length(name.size() + 3) + type + length(name.size()) + name;
}

TEST(ClientHello, GivesTheNameInLowerCase) {
  const ClientHello hello = ParseClientHello(HelloFor("Www.Example.COM"));
  EXPECT_EQ(hello.state, State::kComplete);
  EXPECT_EQ(hello.server_name, "www.example.com");
}

TEST(ClientHello, MayHaveNoName) {
  const ClientHello hello = ParseClientHello(HelloFor(nullptr));
  EXPECT_EQ(hello.state, State::kComplete);
  EXPECT_EQ(hello.server_name, "");
}

TEST(ClientHello, IsIncompleteUntilItsLastByte) {
  const std::string whole = HelloFor("a.example");
  for (size_t size = 0; size < whole.size(); ++size) {
    ASSERT_EQ(ParseClientHello(whole.substr(0, size)).state, State::kIncomplete) << size;
  }
  EXPECT_EQ(ParseClientHello(whole + "what follows").state, State::kComplete);
}

TEST(ClientHello, MayComeInSmallRecords) {
  const std::string whole = HelloFor("a.example");
  for (const size_t size : {1, 7, 100}) {
    const std::string records = Fragmented(whole, size);
    EXPECT_EQ(ParseClientHello(records.substr(0, records.size() - 1)).state, State::kIncomplete);
    const ClientHello hello = ParseClientHello(records);
    EXPECT_EQ(hello.state, State::kComplete) << size;
    EXPECT_EQ(hello.server_name, "a.example");
  }
}

TEST(ClientHello, OtherProtocolsAreRefusedAtTheFirstByte) {
  EXPECT_EQ(ParseClientHello("GET / HTTP/1.1\r\n").state, State::kMalformed);
  EXPECT_EQ(ParseClientHello("\x15\x03\x01").state, State::kMalformed);
  EXPECT_EQ(ParseClientHello(std::string("\x16\x02", 2)).state, State::kMalformed);
}

TEST(ClientHello, LengthsThatDoNotFitAreRefused) {
  std::string too_long = HelloFor("a.example");
  too_long[6] = 1;  // The message says that it has more than 64 KiB.
  EXPECT_EQ(ParseClientHello(too_long).state, State::kMalformed);
  std::string empty_record = HelloFor("a.example");
  empty_record[3] = empty_record[4] = 0;
  EXPECT_EQ(ParseClientHello(empty_record).state, State::kMalformed);
  std::string session_id = HelloFor("a.example");
  session_id[5 + 4 + 34] =
      static_cast<char>(0xff);  // Runs into what follows, which then fits no more.
  EXPECT_NE(ParseClientHello(session_id).state, State::kIncomplete);
}

TEST(ClientHello, NoByteCanBeChangedIntoACrash) {
  const std::string whole = HelloFor("a.example");
  for (size_t at = 0; at < whole.size(); ++at) {
    for (const int value : {0x00, 0x01, 0x7f, 0xff}) {
      std::string changed = whole;
      changed[at] = static_cast<char>(value);
      ParseClientHello(changed);
    }
  }
}

TEST(ServerNameExtension, TakesHostNamesOnly) {
  std::string name;
  EXPECT_TRUE(ReadServerNameExtension(Extension("A-1.b_c.example"), name));
  EXPECT_EQ(name, "a-1.b_c.example");
  const std::vector<std::string> bad = {
      "", "a b", std::string("a\0b", 3), "a/b", "a:443", std::string(254, 'a'), "\xc3\xa4.example"};
  for (const std::string& host : bad) {
    EXPECT_FALSE(ReadServerNameExtension(Extension(host), name)) << host;
  }
  EXPECT_FALSE(ReadServerNameExtension(Extension("a", 1), name));
  EXPECT_FALSE(ReadServerNameExtension(Extension("a") + "x", name));
  EXPECT_FALSE(ReadServerNameExtension("", name));
}

}  // namespace
}  // namespace apk
