// However the bytes are cut into reads, the verdict is the same.
#include <gtest/gtest.h>

#include <string>

#include "data-plane/http/body_decoder.h"
#include "data-plane/http/head_parser.h"

namespace apk {
namespace {

HeadError ScanWhole(const std::string& bytes) {
  HeadScanner scanner;
  const HeadLimits limits;
  return scanner.Scan(bytes, limits) == HeadScanner::State::kError ? scanner.error()
                                                                   : HeadError::kNone;
}

HeadError ScanByteByByte(const std::string& bytes) {
  HeadScanner scanner;
  const HeadLimits limits;
  for (size_t size = 1; size <= bytes.size(); ++size) {
    const HeadScanner::State state = scanner.Scan(std::string_view(bytes).substr(0, size), limits);
    if (state == HeadScanner::State::kError) return scanner.error();
  }
  return HeadError::kNone;
}

std::string HeadOfSize(size_t size) {
  std::string head = "GET / HTTP/1.1\r\n";
  while (head.size() + 2 < size) {
    const size_t left = size - head.size() - 2;
    const size_t line = left > 1100 ? 1000 : left;
    head += "A:" + std::string(line - 4, 'b') + "\r\n";
  }
  return head + "\r\n";
}

TEST(Split, RequestLineAtItsLimit) {
  const HeadLimits limits;
  for (const size_t over : {0, 1}) {
    const size_t fixed = std::string("GET  HTTP/1.1").size();
    const std::string line =
        "GET /" + std::string(limits.request_line_bytes_max - fixed - 1 + over, 'a') + " HTTP/1.1";
    ASSERT_EQ(line.size(), limits.request_line_bytes_max + over);
    const std::string head = line + "\r\nHost: a\r\n\r\n";
    const HeadError expected = over == 0 ? HeadError::kNone : HeadError::kTargetTooLong;
    EXPECT_EQ(ScanWhole(head), expected);
    EXPECT_EQ(ScanByteByByte(head), expected);
  }
}

TEST(Split, HeadAtItsLimit) {
  const HeadLimits limits;
  for (size_t over = 0; over < 4; ++over) {
    const std::string head = HeadOfSize(limits.head_bytes_max + over);
    ASSERT_EQ(head.size(), limits.head_bytes_max + over);
    const HeadError expected = over == 0 ? HeadError::kNone : HeadError::kHeadTooLarge;
    EXPECT_EQ(ScanWhole(head), expected) << over;
    EXPECT_EQ(ScanByteByByte(head), expected) << over;
  }
}

TEST(Split, EndlessLineIsATargetThatIsTooLong) {
  const std::string bytes(70'000, 'a');
  EXPECT_EQ(ScanWhole(bytes), HeadError::kTargetTooLong);
  EXPECT_EQ(ScanByteByByte(bytes), HeadError::kTargetTooLong);
}

// Feeds `body` in two reads, cut at `cut`; true when it was accepted whole.
bool DecodesCutAt(const std::string& body, size_t cut) {
  BodyDecoder decoder;
  decoder.Start({.kind = BodyFraming::Kind::kChunked, .length = 0});
  size_t offset = 0;
  for (const size_t end : {cut, body.size()}) {
    for (;;) {
      const BodyDecoder::Step step =
          decoder.Next(std::string_view(body).substr(offset, end - offset));
      if (step.error) return false;
      offset += step.consumed;
      if (step.done) return offset == body.size();
      if (step.consumed == 0) break;
    }
  }
  return false;
}

TEST(Split, LongestChunkLineAndTrailersDoNotDependOnTheCut) {
  const std::string longest_line = "000000000000000;" + std::string(255, 'x') + "\r\n\r\n";
  const std::string longest_trailers = "0\r\nA: " + std::string(8192 - 5, 'b') + "\r\n\r\n";
  for (const std::string& body : {longest_line, longest_trailers}) {
    for (size_t cut = 0; cut <= body.size(); ++cut) EXPECT_TRUE(DecodesCutAt(body, cut)) << cut;
  }
}

}  // namespace
}  // namespace apk
