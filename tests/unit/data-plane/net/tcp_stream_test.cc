#include "data-plane/net/tcp_stream.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <memory>
#include <string>
#include <vector>

#include "data-plane/net/timer.h"

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

struct Sending {
  std::vector<WriteStatus> tried;
  bool over = false;
};

WriteStatus Try(TcpStream& stream, std::string_view message) {
  WriteBuffers buffers;
  buffers.Add(message);
  return stream.TryWrite(buffers);
}

// Once the peer has said something, sends all of `messages` in the round that tells of it.
Task<> SendInOneRound(TcpStream* stream, std::vector<std::string> messages, Sending* sending) {
  char byte;
  co_await stream->Read(&byte, 1);
  for (const std::string& message : messages) sending->tried.push_back(Try(*stream, message));
  co_await stream->ShutdownWrite();
  sending->over = true;
}

// All that the peer gets, which starts to read when the other side has nothing left to do.
std::string ReceiveAll(asio::io_context& io, TcpSocket& peer) {
  io.poll();
  std::string received;
  boost::system::error_code error;
  peer.non_blocking(true);
  while (error != asio::error::eof && received.size() < (1 << 20)) {
    char piece[64 * 1024];
    received.append(piece, peer.read_some(asio::buffer(piece), error));
    if (error == asio::error::would_block) io.run_one();
  }
  return received;
}

TEST(TcpStream, WhatIsSentInOneRoundArrivesInOrderAndBeforeTheEnd) {
  asio::io_context io{1};
  DeadlineList deadlines;
  Connection connection(io, deadlines);
  Sending sending;
  const std::string large(40'000, 'L');
  asio::co_spawn(io,
                 SendInOneRound(connection.stream.get(), {"first ", "second ", large, " last"}, &sending),
                 Detached());
  io.poll();
  asio::write(connection.peer, asio::buffer("?", 1));
  EXPECT_EQ(ReceiveAll(io, connection.peer), "first second " + large + " last");
  EXPECT_EQ(sending.tried, std::vector<WriteStatus>(4, WriteStatus::kDone));
  EXPECT_TRUE(sending.over);
}

TEST(TcpStream, WhatTheKernelDoesNotTakeAtTheEndOfARoundFollows) {
  asio::io_context io{1};
  DeadlineList deadlines;
  Connection connection(io, deadlines);
  const int little = 4096;
  setsockopt(connection.stream->socket().descriptor, SOL_SOCKET, SO_SNDBUF, &little, sizeof little);
  setsockopt(connection.peer.native_handle(), SOL_SOCKET, SO_RCVBUF, &little, sizeof little);
  // Sent in rounds of their own until the kernel is full: then one is taken, and the next must wait.
  const std::string message(8000, 'm');
  Sending sending;
  size_t taken = 0;
  while (true) {
    Sending once;
    asio::write(connection.peer, asio::buffer("?", 1));
    bool read = false;
    asio::co_spawn(
        io,
        [](TcpStream* stream, std::string_view text, Sending* result, bool* done) -> Task<> {
          char byte;
          co_await stream->Read(&byte, 1);
          result->tried.push_back(Try(*stream, text));
          *done = true;
        }(connection.stream.get(), message, &once, &read),
        Detached());
    while (!read) io.run_one();
    io.poll();
    if (once.tried[0] == WriteStatus::kAgain) break;
    ++taken;
    ASSERT_LT(taken, 1000u);
  }
  asio::co_spawn(io, SendInOneRound(connection.stream.get(), {}, &sending), Detached());
  asio::write(connection.peer, asio::buffer("?", 1));
  const std::string received = ReceiveAll(io, connection.peer);
  EXPECT_EQ(received.size(), taken * message.size());
  EXPECT_TRUE(sending.over);
}

Task<> Keep(asio::io_context* io, std::unique_ptr<TcpStream> stream) {
  Timer timer(io->get_executor(), std::chrono::steady_clock::now() + std::chrono::hours(1));
  co_await timer.async_wait(kTuple);
  stream->Close();
}

TEST(TcpStream, DiesWithALoopInWhichItsOwnerWaitsForSomethingElse) {
  DeadlineList deadlines;
  asio::io_context io{1};
  Connection connection(io, deadlines);
  asio::co_spawn(io, Keep(&io, std::move(connection.stream)), Detached());
  io.poll();
}

TEST(TcpStream, ClosingSendsWhatWasSentBeforeInTheSameRound) {
  asio::io_context io{1};
  DeadlineList deadlines;
  Connection connection(io, deadlines);
  bool closed = false;
  asio::co_spawn(
      io,
      [](TcpStream* stream, bool* done) -> Task<> {
        char byte;
        co_await stream->Read(&byte, 1);
        Try(*stream, "goodbye");
        stream->Close();
        *done = true;
      }(connection.stream.get(), &closed),
      Detached());
  io.poll();
  asio::write(connection.peer, asio::buffer("?", 1));
  EXPECT_EQ(ReceiveAll(io, connection.peer), "goodbye");
  EXPECT_TRUE(closed);
}

}  // namespace
}  // namespace apk
