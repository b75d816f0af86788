// The server's side of connections whose clients are OpenSSL's own, in a thread of theirs.
#include "data-plane/net/tls_stream.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <functional>
#include <string>
#include <thread>
#include <tuple>

#include "tests/unit/data-plane/net/test_certificates.h"

namespace apk {
namespace {

using SslPtr = std::unique_ptr<SSL, decltype(&SSL_free)>;

// Blocking, over memory, so that a test decides what goes into one segment.
class Client {
 public:
  Client(SSL_CTX* context, int descriptor)
      : descriptor_(descriptor), ssl_(SSL_new(context), &SSL_free) {
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl_.get(), in_, out_);
    SSL_set_connect_state(ssl_.get());
  }
  // So that the session outlives it.
  ~Client() { SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); }

  SSL* ssl() { return ssl_.get(); }
  int descriptor() const { return descriptor_; }

  // What was to be sent until now.
  void Send() {
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(out_, &bytes);
    EXPECT_EQ(send(descriptor_, bytes, static_cast<size_t>(size), 0), size);
    BIO_reset(out_);
  }
  bool Receive() {
    char bytes[32 * 1024];
    const ssize_t size = recv(descriptor_, bytes, sizeof bytes, 0);
    if (size > 0) BIO_write(in_, bytes, static_cast<int>(size));
    return size > 0;
  }
  // The last flight is not sent yet.
  bool Handshake() {
    while (SSL_do_handshake(ssl()) != 1) {
      Send();
      if (!Receive()) return false;
    }
    return true;
  }
  void Write(std::string_view text) {
    size_t written = 0;
    EXPECT_EQ(SSL_write_ex(ssl(), text.data(), text.size(), &written), 1);
    EXPECT_EQ(written, text.size());
  }
  void Say(std::string_view text) {
    Write(text);
    Send();
  }
  // As many bytes, or fewer where the connection ends.
  std::string Read(size_t size) {
    std::string read;
    while (read.size() < size) {
      char bytes[16 * 1024];
      size_t count = 0;
      if (SSL_read_ex(ssl(), bytes, std::min(sizeof bytes, size - read.size()), &count) == 1) {
        read.append(bytes, count);
      } else if (SSL_get_error(ssl(), 0) != SSL_ERROR_WANT_READ || !Receive()) {
        break;
      }
    }
    return read;
  }

 private:
  int descriptor_;
  BIO* in_;  // The connection's.
  BIO* out_;
  SslPtr ssl_;
};

class TlsStreamTest : public testing::Test {
 protected:
  using Serve = std::function<Task<>(TlsStream*)>;

  TlsStreamTest() {
    ServerSettings settings;
    settings.certificates.push_back(
        {.chain_pem = certificate_.pem(), .key_pem = certificate_.key_pem(), .ocsp_response = ""});
    settings.protocols = {"h2", "http/1.1"};
    server_ = *MakeServerContext({settings}, std::make_shared<TicketKeys>(), RecordsBy::kAgent);
  }

  // One connection, from the handshake to where both sides have returned.
  void Connect(const std::function<void(Client&)>& ask, Serve serve) {
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    std::thread client([&, descriptor = ends[1]] {
      Client one(client_.get(), descriptor);
      ask(one);
      close(descriptor);
    });
    asio::io_context io{1};
    DeadlineList deadlines;
    asio::co_spawn(io, Accept(&io, &deadlines, ends[0], std::move(serve)), Detached());
    io.run();
    client.join();
  }

  Task<> Accept(asio::io_context* io, DeadlineList* deadlines, int descriptor, Serve serve) {
    auto transport = std::make_unique<TcpStream>(descriptor, io->get_executor(), *deadlines);
    TlsStream stream(std::move(transport), server_, *deadlines);
    secured_ = co_await stream.AcceptHandshake(records_);
    if (secured_) co_await serve(&stream);
  }

  // Until the client has said goodbye, which is answered.
  static Task<> Echo(TlsStream* stream) {
    std::string bytes(40'000, '\0');
    for (;;) {
      const ReadResult read = co_await stream->Read(bytes.data(), bytes.size());
      EXPECT_TRUE(read.ok);
      if (read.bytes == 0 || !read.ok) break;
      stream->Rest();
      WriteBuffers buffers;
      buffers.Add(std::string_view(bytes).substr(0, read.bytes / 3));
      buffers.Add(std::string_view(bytes).substr(read.bytes / 3, read.bytes - read.bytes / 3));
      const bool written = co_await stream->Write(buffers);
      EXPECT_TRUE(written);
    }
    co_await stream->ShutdownWrite();
  }

  const TestCertificate certificate_{"server"};
  SslContext server_;
  SslContext client_{SSL_CTX_new(TLS_client_method()), &SSL_CTX_free};
  RecordsBy records_ = RecordsBy::kAgent;
  bool secured_ = false;
};

class EachTlsSuite : public TlsStreamTest,
                     public testing::WithParamInterface<std::tuple<int, const char*, RecordsBy>> {};

TEST_P(EachTlsSuite, CarriesWhatBothSidesSay) {
  const auto [version, suite, records] = GetParam();
  records_ = records;
  SSL_CTX_set_max_proto_version(client_.get(), version);
  if (version == TLS1_3_VERSION) SSL_CTX_set_ciphersuites(client_.get(), suite);
  if (version == TLS1_2_VERSION) SSL_CTX_set_cipher_list(client_.get(), suite);
  Connect(
      [&](Client& client) {
        ASSERT_TRUE(client.Handshake());
        client.Say("small");  // Together with the end of the handshake.
        EXPECT_EQ(client.Read(5), "small");
        EXPECT_STREQ(SSL_get_cipher(client.ssl()), suite);
        for (const size_t size : {1u, 16'384u, 16'385u, 100'000u}) {
          const std::string much(size, 'm');
          client.Say(much);
          EXPECT_EQ(client.Read(size), much);
        }
        for (int round = 0; round < 3 && version == TLS1_3_VERSION; ++round) {
          SSL_key_update(client.ssl(),
                         round == 1 ? SSL_KEY_UPDATE_NOT_REQUESTED : SSL_KEY_UPDATE_REQUESTED);
          client.Say("with new keys");
          EXPECT_EQ(client.Read(13), "with new keys");
        }
        SSL_shutdown(client.ssl());
        client.Send();
        EXPECT_EQ(client.Read(1), "");
        EXPECT_EQ(SSL_get_error(client.ssl(), 0), SSL_ERROR_ZERO_RETURN);
      },
      Echo);
  EXPECT_TRUE(secured_);
}

INSTANTIATE_TEST_SUITE_P(
    Suites, EachTlsSuite,
    testing::Values(std::tuple(TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256", RecordsBy::kAgent),
                    std::tuple(TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384", RecordsBy::kAgent),
                    std::tuple(TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256", RecordsBy::kAgent),
                    std::tuple(TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384", RecordsBy::kOpenSsl),
                    std::tuple(TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", RecordsBy::kAgent),
                    std::tuple(TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305",
                               RecordsBy::kOpenSsl)));

TEST_F(TlsStreamTest, TellsWhatTheHandshakeHasChosenAndResumes) {
  SSL_SESSION* session = nullptr;
  for (const bool again : {false, true}) {
    Connect(
        [&](Client& client) {
          SSL_set_alpn_protos(client.ssl(), reinterpret_cast<const unsigned char*>("\x02h2"), 3);
          if (again) SSL_set_session(client.ssl(), session);
          ASSERT_TRUE(client.Handshake());
          client.Say("x");
          EXPECT_EQ(client.Read(1), "x");  // And the ticket.
          EXPECT_EQ(SSL_session_reused(client.ssl()), again ? 1 : 0);
          session = SSL_get1_session(client.ssl());
          SSL_shutdown(client.ssl());
          client.Send();
        },
        [&](TlsStream* stream) -> Task<> {
          EXPECT_TRUE(stream->http2());
          EXPECT_EQ(stream->resumed(), again);
          EXPECT_EQ(stream->facts().version, TLS1_3_VERSION);
          return Echo(stream);
        });
  }
  SSL_SESSION_free(session);
}

TEST_F(TlsStreamTest, AClientThatWantsSmallRecordsGetsThem) {
  SSL_CTX_set_tlsext_max_fragment_length(client_.get(), TLSEXT_max_fragment_length_512);
  Connect(
      [](Client& client) {
        ASSERT_TRUE(client.Handshake());
        const std::string much(5'000, 'm');
        client.Say(much);
        EXPECT_EQ(client.Read(much.size()), much);
        SSL_shutdown(client.ssl());
        client.Send();
        EXPECT_EQ(client.Read(1), "");
      },
      Echo);
  EXPECT_TRUE(secured_);
}

TEST_F(TlsStreamTest, AClientThatReadsLateGetsEverythingInOrder) {
  std::string much;
  for (int i = 0; much.size() < 4'000'000; ++i) much += std::to_string(i);
  Connect(
      [&](Client& client) {
        ASSERT_TRUE(client.Handshake());
        SSL_key_update(client.ssl(), SSL_KEY_UPDATE_REQUESTED);
        client.Say("go");
        EXPECT_TRUE(client.Read(much.size()) == much);
        EXPECT_EQ(client.Read(1), "");
        EXPECT_EQ(SSL_get_error(client.ssl(), 0), SSL_ERROR_ZERO_RETURN);
      },
      [&](TlsStream* stream) -> Task<> {
        char bytes[2];
        co_await stream->Read(bytes, sizeof bytes);
        WriteBuffers buffers;
        buffers.Add(much);
        EXPECT_EQ(stream->TryWrite(buffers), WriteStatus::kAgain);
        EXPECT_GT(buffers.count, 0u);
        const bool written = co_await stream->Write(buffers);
        EXPECT_TRUE(written);
        co_await stream->ShutdownWrite();
      });
}

TEST_F(TlsStreamTest, NewKeysAreNothingToReadAndDataIs) {
  Connect(
      [&](Client& client) {
        ASSERT_TRUE(client.Handshake());
        client.Say("1");
        EXPECT_EQ(client.Read(1), "1");
        SSL_key_update(client.ssl(), SSL_KEY_UPDATE_REQUESTED);
        SSL_do_handshake(client.ssl());
        client.Send();
        EXPECT_EQ(client.Read(1), "2");
        client.Say("3");
        EXPECT_EQ(client.Read(1), "4");
      },
      [&](TlsStream* stream) -> Task<> {
        char byte;
        co_await stream->Read(&byte, 1);
        EXPECT_TRUE(stream->IsQuiet(true));
        WriteBuffers buffers;
        buffers.Add("1");
        stream->TryWrite(buffers);
        co_await stream->WaitToRead();
        EXPECT_TRUE(stream->IsQuiet(false));
        buffers.Add("2");
        stream->TryWrite(buffers);
        co_await stream->WaitToRead();
        EXPECT_FALSE(stream->IsQuiet(false));
        EXPECT_FALSE(stream->IsQuiet(true));
        const ReadResult read = stream->TryRead(&byte, 1);
        EXPECT_EQ(read.bytes, 1u);
        EXPECT_EQ(byte, '3');
        EXPECT_TRUE(stream->IsQuiet(true));
        buffers.Add("4");
        stream->TryWrite(buffers);
      });
}

TEST_F(TlsStreamTest, AnEndWithoutAGoodbyeIsAFailureAndCanBeAnswered) {
  Connect(
      [&](Client& client) {
        ASSERT_TRUE(client.Handshake());
        client.Say("x");
        shutdown(client.descriptor(), SHUT_WR);
        EXPECT_EQ(client.Read(10), "y");
      },
      [&](TlsStream* stream) -> Task<> {
        char byte;
        ReadResult read = co_await stream->Read(&byte, 1);
        EXPECT_EQ(read.bytes, 1u);
        read = co_await stream->Read(&byte, 1);
        EXPECT_FALSE(read.ok);
        WriteBuffers buffers;
        buffers.Add("y");
        EXPECT_EQ(stream->TryWrite(buffers), WriteStatus::kDone);
      });
}

TEST_F(TlsStreamTest, WhoBreaksTheRulesIsToldAndLeft) {
  Connect(
      [&](Client& client) {
        ASSERT_TRUE(client.Handshake());
        client.Send();
        const std::string forged = std::string("\x17\3\3\0\x20", 5) + std::string(32, 'f');
        EXPECT_EQ(send(client.descriptor(), forged.data(), forged.size(), 0), 37);
        EXPECT_EQ(client.Read(1), "");
        EXPECT_EQ(SSL_get_error(client.ssl(), 0), SSL_ERROR_SSL);
      },
      [&](TlsStream* stream) -> Task<> {
        char byte;
        const ReadResult read = co_await stream->Read(&byte, 1);
        EXPECT_FALSE(read.ok);
        EXPECT_FALSE(stream->IsQuiet(true));
        WriteBuffers buffers;
        buffers.Add("y");
        EXPECT_EQ(stream->TryWrite(buffers), WriteStatus::kFailed);
      });
}

}  // namespace
}  // namespace apk
