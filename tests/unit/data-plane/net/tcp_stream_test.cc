#include "data-plane/net/tcp_stream.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <memory>
#include <string>

namespace apk {
namespace {

// A stream, and the socket at its other end.
struct Connection {
  explicit Connection(asio::io_context& io, DeadlineList& deadlines) : peer(io.get_executor()) {
    asio::ip::tcp::acceptor acceptor(io,
                                     asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    peer.connect(acceptor.local_endpoint());
    TcpSocket accepted(io.get_executor());
    acceptor.accept(accepted);
    stream = std::make_unique<TcpStream>(std::move(accepted), deadlines);
  }

  TcpSocket peer;
  std::unique_ptr<TcpStream> stream;
};

struct Turns {
  int reads = 0;
  int reads_before_the_other = -1;
};

// Reads `bytes` in pieces of 1 KiB; after the first one somebody else wants a turn.
Task<> ReadAll(asio::io_context* io, TcpStream* stream, size_t bytes, Turns* turns) {
  char piece[1024];
  while (bytes > 0) {
    const ReadResult result = co_await stream->Read(piece, sizeof piece);
    if (!result.ok || result.bytes == 0) co_return;
    bytes -= result.bytes;
    if (++turns->reads == 1) {
      asio::post(*io, [turns] { turns->reads_before_the_other = turns->reads; });
    }
  }
}

TEST(TcpStream, APeerThatSendsMuchLeavesTheOthersTheirTurn) {
  asio::io_context io{1};
  DeadlineList deadlines;
  Connection connection(io, deadlines);
  const std::string much(64 * 1024, 'x');
  asio::write(connection.peer, asio::buffer(much));
  Turns turns;
  asio::co_spawn(io, ReadAll(&io, connection.stream.get(), much.size(), &turns), Detached());
  while (turns.reads < 64 && io.run_one() > 0) {
  }
  EXPECT_EQ(turns.reads, 64);
  EXPECT_GT(turns.reads_before_the_other, 0);
  EXPECT_LE(turns.reads_before_the_other, 16);
}

Task<> ReadOnce(TcpStream* stream, ReadResult* result, bool* ended) {
  char byte;
  *result = co_await stream->Read(&byte, 1);
  *ended = true;
}

TEST(TcpStream, ADeadlineClosesItOrOnlyEndsTheReadThatWaits) {
  for (const bool spare : {false, true}) {
    asio::io_context io{1};
    DeadlineList deadlines;
    Connection connection(io, deadlines);
    ReadResult result;
    bool ended = false;
    asio::co_spawn(io, ReadOnce(connection.stream.get(), &result, &ended), Detached());
    io.poll();
    ASSERT_FALSE(ended);
    connection.stream->SpareAtDeadline(spare);
    connection.stream->SetDeadline(TimePoint::min());
    deadlines.Sweep(std::chrono::steady_clock::now());
    while (!ended && io.run_one() > 0) {
    }
    EXPECT_FALSE(result.ok);
    EXPECT_TRUE(connection.stream->timed_out());
    WriteBuffers goodbye;
    goodbye.Add("408");
    EXPECT_EQ(connection.stream->TryWrite(goodbye),
              spare ? WriteStatus::kDone : WriteStatus::kFailed);
  }
}

}  // namespace
}  // namespace apk
