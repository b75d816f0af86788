// Bodies out of their framing: the same whatever the reads were, and only what the grammar has.
#include "data-plane/http/body_decoder.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace apk {
namespace {

using Kind = BodyFraming::Kind;

struct Outcome {
  std::string body = {};
  size_t consumed = 0;
  bool done = false;
  bool error = false;
  bool operator==(const Outcome&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Outcome& outcome) {
  return out << '"' << outcome.body << "\" of " << outcome.consumed << (outcome.done ? " done" : "")
             << (outcome.error ? " error" : "");
}

// Steps until there is no progress on what has come so far.
void Drain(BodyDecoder& decoder, std::string_view input, Outcome& outcome) {
  while (!outcome.done && !outcome.error) {
    const BodyDecoder::Step step = decoder.Next(input.substr(outcome.consumed));
    EXPECT_LE(step.consumed, input.size() - outcome.consumed);
    EXPECT_LE(step.data.size(), step.consumed);
    outcome.consumed += step.consumed;
    outcome.body += step.data;
    outcome.done = step.done;
    outcome.error = step.error;
    if (step.consumed == 0) break;
  }
}

Outcome Decode(std::string_view input, const BodyFraming& framing) {
  BodyDecoder decoder;
  decoder.Start(framing);
  Outcome outcome;
  Drain(decoder, input, outcome);
  return outcome;
}

Outcome DecodeChunked(std::string_view input) { return Decode(input, {.kind = Kind::kChunked}); }

Outcome DecodeSplitAt(std::string_view input, size_t split) {
  BodyDecoder decoder;
  decoder.Start({.kind = Kind::kChunked});
  Outcome outcome;
  Drain(decoder, input.substr(0, split), outcome);
  Drain(decoder, input, outcome);
  return outcome;
}

Outcome DecodeByteByByte(std::string_view input) {
  BodyDecoder decoder;
  decoder.Start({.kind = Kind::kChunked});
  Outcome outcome;
  for (size_t size = 1; size <= input.size(); ++size)
    Drain(decoder, input.substr(0, size), outcome);
  return outcome;
}

TEST(BodyDecoder, NoBodyIsDoneAtOnceAndTakesNothing) {
  EXPECT_EQ(Decode("GET /", {}), (Outcome{.done = true}));
  EXPECT_EQ(Decode("GET /", {.kind = Kind::kLength, .length = 0}), (Outcome{.done = true}));
  EXPECT_EQ(BodyDecoder().Next("x").done, true);
}

TEST(BodyDecoder, LengthTakesExactlySoManyBytes) {
  const BodyFraming five{.kind = Kind::kLength, .length = 5};
  EXPECT_EQ(Decode("helloGET /", five), (Outcome{.body = "hello", .consumed = 5, .done = true}));
  EXPECT_EQ(Decode("hell", five), (Outcome{.body = "hell", .consumed = 4}));
  EXPECT_EQ(Decode("", five), Outcome{});
}

TEST(BodyDecoder, LengthMayBeMoreThanMemory) {
  BodyDecoder decoder;
  decoder.Start({.kind = Kind::kLength, .length = 999999999999999999});
  EXPECT_EQ(decoder.Next("abc").consumed, 3u);
  EXPECT_FALSE(decoder.done());
}

TEST(BodyDecoder, UntilCloseTakesEverythingAndOnlyItEndsWithTheStream) {
  EXPECT_EQ(Decode("a\r\n0\r\n\r\n", {.kind = Kind::kUntilClose}),
            (Outcome{.body = "a\r\n0\r\n\r\n", .consumed = 8}));
  const std::pair<BodyFraming, bool> cases[] = {
      {{.kind = Kind::kUntilClose}, true},
      {{.kind = Kind::kLength, .length = 2}, false},
      {{.kind = Kind::kChunked}, false},
  };
  for (const auto& [framing, complete] : cases) {
    BodyDecoder decoder;
    decoder.Start(framing);
    EXPECT_EQ(decoder.CompleteAtEof(), complete);
    decoder.Next("1\r\n");
    EXPECT_EQ(decoder.CompleteAtEof(), complete && !decoder.done());
  }
}

TEST(BodyDecoder, StartForgetsTheBodyBefore) {
  BodyDecoder decoder;
  decoder.Start({.kind = Kind::kLength, .length = 10});
  decoder.Next("abc");
  decoder.Start({.kind = Kind::kChunked});
  Outcome outcome;
  Drain(decoder, "1\r\nx\r\n0\r\n\r\n", outcome);
  EXPECT_EQ(outcome, (Outcome{.body = "x", .consumed = 11, .done = true}));
  EXPECT_TRUE(decoder.done());
  decoder.Start({});
  EXPECT_TRUE(decoder.done());
}

TEST(BodyDecoder, AtDataSaysWhetherBodyBytesAreNext) {
  BodyDecoder decoder;
  decoder.Start({.kind = Kind::kChunked});
  EXPECT_FALSE(decoder.at_data());
  decoder.Next("2\r\n");
  EXPECT_TRUE(decoder.at_data());
  decoder.Next("a");
  EXPECT_TRUE(decoder.at_data());
  decoder.Next("b");
  EXPECT_FALSE(decoder.at_data());
}

TEST(BodyDecoder, ReadsChunks) {
  const std::pair<const char*, const char*> cases[] = {
      {"0\r\n\r\n", ""},
      {"000\r\n\r\n", ""},
      {"5\r\nhello\r\n0\r\n\r\n", "hello"},
      {"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", "abc"},
      {"a\r\n0123456789\r\n0\r\n\r\n", "0123456789"},
      {"A\r\n0123456789\r\n0\r\n\r\n", "0123456789"},
      {"000000000000005\r\nhello\r\n0\r\n\r\n", "hello"},
      {"2\r\n\r\n\r\n0\r\n\r\n", "\r\n"},
  };
  for (const auto& [input, body] : cases) {
    EXPECT_EQ(DecodeChunked(input),
              (Outcome{.body = body, .consumed = std::string(input).size(), .done = true}))
        << input;
  }
}

TEST(BodyDecoder, ChunkDataThatLooksLikeFramingIsData) {
  const std::string data = "0\r\n\r\nGET / HTTP/1.1\r\n\r\n";
  EXPECT_EQ(data.size(), 0x17u);
  const std::string input = "17\r\n" + data + "\r\n0\r\n\r\n";
  EXPECT_EQ(DecodeChunked(input), (Outcome{.body = data, .consumed = input.size(), .done = true}));
}

TEST(BodyDecoder, TakesNothingAfterTheLastChunk) {
  const std::string body = "1\r\na\r\n0\r\n\r\n";
  EXPECT_EQ(DecodeChunked(body + "GET / HTTP/1.1\r\n\r\n"),
            (Outcome{.body = "a", .consumed = body.size(), .done = true}));
}

TEST(BodyDecoder, EverySplitGivesTheSameBody) {
  for (const std::string input :
       {"0\r\n\r\n", "5\r\nhello\r\n6;ext=\"v\"\r\n world\r\n0\r\n\r\n",
        "1 ;a\r\nx\r\n10\r\n0123456789abcdef\r\n0;b\r\nA: b\r\nC: d\r\n\r\nnext",
        "3\r\n\r\n0\r\n0\r\nTrailer:\r\n\r\n"}) {
    const Outcome whole = DecodeChunked(input);
    EXPECT_TRUE(whole.done) << input;
    EXPECT_EQ(DecodeByteByByte(input), whole) << input;
    for (size_t split = 0; split <= input.size(); ++split) {
      EXPECT_EQ(DecodeSplitAt(input, split), whole) << input << " at " << split;
    }
  }
}

TEST(BodyDecoder, NoPrefixIsDoneOrBroken) {
  const std::string input = "5\r\nhello\r\n3;e\r\nabc\r\n0\r\nA: b\r\n\r\n";
  for (size_t size = 0; size < input.size(); ++size) {
    const Outcome outcome = DecodeChunked(std::string_view(input).substr(0, size));
    EXPECT_FALSE(outcome.done) << size;
    EXPECT_FALSE(outcome.error) << size;
  }
}

TEST(BodyDecoder, RefusesBadChunkSizes) {
  for (const std::string line : {"\r\n",
                                 "x\r\n",
                                 "g\r\n",
                                 "+5\r\n",
                                 "-5\r\n",
                                 "-0\r\n",
                                 " 5\r\n",
                                 "\t5\r\n",
                                 "0x5\r\n",
                                 "5x\r\n",
                                 "5 \r\n",
                                 "5\t\r\n",
                                 "5 5\r\n",
                                 "5,\r\n",
                                 "5\n",
                                 "5\r\r\n",
                                 "\r5\r\n",
                                 "5\r",
                                 "\n",
                                 ";\r\n",
                                 ";a=b\r\n",
                                 "\"5\"\r\n",
                                 "5h\r\n",
                                 "0000000000000005\r\n",
                                 "1000000000000000\r\n",
                                 "ffffffffffffffff\r\n",
                                 "10000000000000005\r\n",
                                 "ffffffffffffffffffff\r\n",
                                 "\xd9\xa5\r\n"}) {
    const std::string input = line + "hello\r\n0\r\n\r\n";
    EXPECT_TRUE(DecodeChunked(input).error) << line;
    EXPECT_EQ(DecodeChunked(input).body, "") << line;
    EXPECT_TRUE(DecodeByteByByte(input).error) << line;
  }
  EXPECT_TRUE(DecodeChunked(std::string_view("5\0\r\nhello", 9)).error);
}

TEST(BodyDecoder, TheLargestSizeIsTakenWithoutOverflow) {
  BodyDecoder decoder;
  decoder.Start({.kind = Kind::kChunked});
  EXPECT_EQ(decoder.Next("fffffffffffffff\r\n").consumed, 17u);
  EXPECT_EQ(decoder.Next("abc").data, "abc");
  EXPECT_TRUE(decoder.at_data());
}

TEST(BodyDecoder, RefusesASizeLineThatNeverEnds) {
  EXPECT_FALSE(DecodeChunked(std::string(200, '0')).error);
  EXPECT_TRUE(DecodeChunked(std::string(300, '0')).error);
  EXPECT_TRUE(DecodeByteByByte("5;" + std::string(300, 'a')).error);
}

TEST(BodyDecoder, RefusesDataThatDoesNotEndInCrlf) {
  for (const std::string end : {"\n", "\r", "x\r\n", "\r\r\n", "\rx", "", "0\r\n\r\n", "\n\r"}) {
    const std::string input = "2\r\nab" + end + "0\r\n\r\n";
    EXPECT_TRUE(DecodeChunked(input).error) << end;
    EXPECT_TRUE(DecodeByteByByte(input).error) << end;
  }
}

TEST(BodyDecoder, ReadsExtensionsAndDropsThem) {
  for (const std::string extension :
       {";", ";a", ";a=b", "; a = \"b;c\"", " ;a", "\t;a", ";a;b=c;d", ";a=\tb", ";\xc3\xa9"}) {
    EXPECT_EQ(DecodeChunked("1" + extension + "\r\nx\r\n0" + extension + "\r\n\r\n").body, "x")
        << extension;
    EXPECT_TRUE(DecodeChunked("1" + extension + "\r\nx\r\n0" + extension + "\r\n\r\n").done)
        << extension;
  }
}

TEST(BodyDecoder, RefusesLineEndsAndControlBytesInExtensions) {
  for (const std::string extension :
       {";a\rb", ";a\nb", ";\r", ";\x01", ";a=\"\n\"", ";a=\"\r\n\"", ";\x0b"}) {
    EXPECT_TRUE(DecodeChunked("1" + extension + "\r\nx\r\n0\r\n\r\n").error) << extension;
  }
  EXPECT_TRUE(DecodeChunked(std::string_view("1;\0\r\nx\r\n0\r\n\r\n", 13)).error);
}

TEST(BodyDecoder, LimitsTheExtensionOfOneChunk) {
  const auto body = [](size_t size) {
    return "1;" + std::string(size - 1, 'a') + "\r\nx\r\n0\r\n\r\n";
  };
  EXPECT_TRUE(DecodeChunked(body(256)).done);
  EXPECT_TRUE(DecodeByteByByte(body(256)).done);
  EXPECT_TRUE(DecodeChunked(body(257)).error);
  EXPECT_TRUE(DecodeByteByByte(body(257)).error);
}

TEST(BodyDecoder, LimitsTheExtensionsOfAWholeBody) {
  const std::string chunk = "1;" + std::string(255, 'a') + "\r\nx\r\n";
  std::string input;
  for (int i = 0; i < 16; ++i) input += chunk;
  EXPECT_TRUE(DecodeChunked(input + "0\r\n\r\n").done);
  EXPECT_TRUE(DecodeChunked(input + "0;\r\n\r\n").error);
}

TEST(BodyDecoder, ManySmallChunksWithoutExtensionsHaveNoLimit) {
  std::string input;
  for (int i = 0; i < 20000; ++i) input += "1\r\nx\r\n";
  EXPECT_EQ(DecodeChunked(input + "0\r\n\r\n").body, std::string(20000, 'x'));
}

TEST(BodyDecoder, ReadsTrailers) {
  for (const std::string trailers :
       {"A: b\r\n", "A:\r\nB:c\r\n", "Content-Length: 5\r\n", "A: b: c d\r\n"}) {
    const std::string input = "1\r\nx\r\n0\r\n" + trailers + "\r\n";
    EXPECT_EQ(DecodeChunked(input), (Outcome{.body = "x", .consumed = input.size(), .done = true}))
        << trailers;
  }
}

TEST(BodyDecoder, KeepsTrailersThatDoNotFrameRouteOrAuthenticate) {
  BodyDecoder decoder;
  BodyFraming framing;
  framing.kind = BodyFraming::Kind::kChunked;
  decoder.Start(framing);
  std::string_view input =
      "0\r\nGrpc-Status: 0\r\nContent-Length: 5\r\nHost: b\r\nAuthorization: c\r\n"
      "Set-Cookie: d\r\nX-Sum:  e \r\n\r\n";
  while (!decoder.done()) {
    const BodyDecoder::Step step = decoder.Next(input);
    ASSERT_FALSE(step.error);
    ASSERT_GT(step.consumed, 0u);
    input.remove_prefix(step.consumed);
  }
  ASSERT_NE(decoder.trailers(), nullptr);
  ASSERT_EQ(decoder.trailers()->size(), 2u);
  EXPECT_EQ(decoder.trailers()->name(0), "Grpc-Status");
  EXPECT_EQ(decoder.trailers()->value(0), "0");
  EXPECT_EQ(decoder.trailers()->name(1), "X-Sum");
  EXPECT_EQ(decoder.trailers()->value(1), "e");
  decoder.Start(framing);
  EXPECT_EQ(decoder.trailers(), nullptr);
}

TEST(BodyDecoder, RefusesBrokenTrailers) {
  for (const std::string trailers : {"A\r\n", ": b\r\n", "A : b\r\n", " A: b\r\n", "\tA: b\r\n",
                                     "A: b\r\n c\r\n", "A: b\r\n c: d\r\n", "A: b\n", "A: b\rc\r\n",
                                     "\n", "\rA: b\r\n", "A B: c\r\n", "GET / HTTP/1.1\r\n"}) {
    const std::string input = "0\r\n" + trailers + "\r\n";
    EXPECT_TRUE(DecodeChunked(input).error) << trailers;
    EXPECT_TRUE(DecodeByteByByte(input).error) << trailers;
  }
  EXPECT_TRUE(DecodeChunked(std::string_view("0\r\nA: \0\r\n\r\n", 11)).error);
}

TEST(BodyDecoder, LimitsTrailersInAllAndOneThatNeverEnds) {
  const auto body = [](size_t size) { return "0\r\nA:" + std::string(size - 4, 'b') + "\r\n\r\n"; };
  EXPECT_TRUE(DecodeChunked(body(8192)).done);
  EXPECT_TRUE(DecodeByteByByte(body(8191)).done);
  EXPECT_TRUE(DecodeChunked(body(8193)).error);
  EXPECT_TRUE(DecodeByteByByte(body(8193)).error);
  std::string many = "0\r\n";
  for (int i = 0; i < 32; ++i) many += "A: b\r\n";
  EXPECT_TRUE(DecodeChunked(many + "\r\n").done);
  EXPECT_TRUE(DecodeChunked(many + "A: b\r\n\r\n").error);
  EXPECT_TRUE(DecodeChunked("0\r\nA: " + std::string(9000, 'b')).error);
}

}  // namespace
}  // namespace apk
