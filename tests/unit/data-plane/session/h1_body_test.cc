#include "data-plane/session/h1_body.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <cstring>
#include <string>
#include <vector>

namespace apk {
namespace {

// Nothing more ever comes, or as much as is asked for.
class TestStream final : public ByteStream {
 public:
  using ByteStream::ByteStream;
  ReadResult TryRead(char* to, size_t size) override {
    if (!endless) return ReadResult{};
    std::memset(to, 'x', size);
    return ReadResult{.bytes = size, .ok = true};
  }
  WriteStatus TryWrite(WriteBuffers&) override { return WriteStatus::kFailed; }
  Task<bool> Write(WriteBuffers) override { co_return false; }
  void Close() override {}
  Task<> ShutdownWrite() override { co_return; }
  bool IsQuiet(bool) override { return true; }
  PolledSocket& socket() override { return socket_; }

  bool endless = false;

 private:
  PolledSocket socket_;
  void CancelRead() override {}
};

class H1Body : public testing::Test {
 protected:
  void Receive(std::string_view bytes) {
    while (!bytes.empty()) {
      const ReadBuffer::Space space = buffer_.Prepare(1 << 20);
      const size_t size = std::min(space.size, bytes.size());
      std::memcpy(space.data, bytes.data(), size);
      buffer_.Commit(size);
      bytes.remove_prefix(size);
    }
  }
  void StartChunked() { body_.Start({.kind = BodyFraming::Kind::kChunked, .length = 0}); }
  void StartLength(uint64_t length) {
    body_.Start({.kind = BodyFraming::Kind::kLength, .length = length});
  }

  DeadlineList deadlines_;
  TestStream stream_{deadlines_};
  ReadBuffer buffer_;
  H1BodyReader body_{stream_, buffer_};
};

std::string Chunk(const std::string& data) {
  char header[20];
  return std::string(header, FormatChunkHeader(header, data.size())) + data + "\r\n";
}

TEST_F(H1Body, SmallChunksThatAreHereComeAsOneSlice) {
  StartChunked();
  Receive(Chunk("a") + Chunk("bc") + Chunk("def") + "0\r\n\r\nGET");
  BodySlice slice = body_.Next();
  EXPECT_EQ(slice.data, "abcdef");
  EXPECT_TRUE(slice.done);
  slice = body_.Next();
  EXPECT_TRUE(slice.done && slice.data.empty());
  EXPECT_EQ(buffer_.data(), "GET");
}

TEST_F(H1Body, WhatIsNotHereYetFollows) {
  StartChunked();
  Receive(Chunk("a") + Chunk("b") + "3\r\nc");
  EXPECT_EQ(body_.Next().data, "abc");
  EXPECT_TRUE(body_.Next().wait);
  Receive("de\r\n1\r\nf\r\n0\r\n");
  EXPECT_EQ(body_.Next().data, "def");
  EXPECT_TRUE(body_.Next().wait);
  Receive("\r\n");
  EXPECT_TRUE(body_.Next().done);
}

TEST_F(H1Body, JoiningStopsAtSixteenKibibytesAndLosesNothing) {
  StartChunked();
  std::string sent;
  std::string framed;
  for (int i = 0; i < 4000; ++i) {
    const std::string data(static_cast<size_t>(i % 37 + 1), static_cast<char>('a' + i % 26));
    sent += data;
    framed += Chunk(data);
  }
  const std::string large(40'000, 'z');
  Receive(framed + Chunk(large) + Chunk("end") + "0\r\n\r\n");
  std::string received;
  int slices = 0;
  for (;;) {
    const BodySlice slice = body_.Next();
    ASSERT_FALSE(slice.failed || slice.wait);
    received += slice.data;
    ++slices;
    if (slice.done) break;
    EXPECT_TRUE(slice.data.size() <= 16 * 1024 || slice.data == large) << slice.data.size();
  }
  EXPECT_EQ(received, sent + large + "end");
  EXPECT_LE(slices, 10);
}

TEST_F(H1Body, BrokenFramingBehindGoodChunksIsSeenAfterThem) {
  StartChunked();
  Receive(Chunk("a") + Chunk("b") + "zz\r\n");
  const BodySlice slice = body_.Next();
  EXPECT_EQ(slice.data, "ab");
  EXPECT_FALSE(slice.done || slice.failed);
  EXPECT_TRUE(body_.Next().failed);
}

TEST_F(H1Body, TellsWhetherItsEndIsNear) {
  StartLength(100);
  EXPECT_TRUE(body_.EndsWithin(100));
  EXPECT_FALSE(body_.EndsWithin(99));
  Receive(std::string(40, 'x'));
  EXPECT_TRUE(body_.EndsWithin(60));
  EXPECT_FALSE(body_.EndsWithin(59));
  body_.Next();
  EXPECT_TRUE(body_.EndsWithin(60));
  Receive(std::string(60, 'x'));
  EXPECT_TRUE(body_.EndsWithin(0));

  buffer_.Consume(buffer_.data().size());
  StartChunked();
  Receive(Chunk("abc"));
  EXPECT_FALSE(body_.EndsWithin(1000));  // Who knows?
  Receive("0\r\n\r\n");
  EXPECT_TRUE(body_.EndsWithin(0));
  EXPECT_EQ(body_.Next().data, "abc");  // Nothing was taken.
}

Task<> FillAndTake(H1BodyReader* body, std::vector<size_t>* sizes) {
  for (int i = 0; i < 5; ++i) {
    const bool filled = co_await body->Fill();
    EXPECT_TRUE(filled);
    sizes->push_back(body->Next().data.size());
  }
}

TEST_F(H1Body, ReadsMoreAtOnceWhereMuchComes) {
  StartLength(1 << 20);
  stream_.endless = true;
  asio::io_context io;
  std::vector<size_t> sizes;
  asio::co_spawn(io, FillAndTake(&body_, &sizes), asio::detached);
  io.run();
  EXPECT_THAT(sizes, testing::ElementsAre(20 << 10, 40 << 10, 64 << 10, 64 << 10, 64 << 10));
}

}  // namespace
}  // namespace apk
