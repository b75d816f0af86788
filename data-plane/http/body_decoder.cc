// RFC 9112 6 and 7.1, with CRLF exactly where the grammar wants it.
#include "data-plane/http/body_decoder.h"

#include <algorithm>

#include "common/strings.h"
#include "data-plane/http/head_parser.h"
#include "data-plane/http/hop_headers.h"

namespace apk {
namespace {

constexpr size_t kExtensionBytesMax = 256;        // Of one chunk.
constexpr size_t kExtensionBytesTotalMax = 4096;  // Of a body.
constexpr size_t kTrailerBytesMax = 8 * 1024;
constexpr size_t kTrailerFieldsMax = 32;
constexpr size_t kSizeDigitsMax = 15;

BodyDecoder::Step Failed() {
  BodyDecoder::Step step;
  step.error = true;
  return step;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

void BodyDecoder::Start(const BodyFraming& framing) {
  *this = BodyDecoder();
  switch (framing.kind) {
    case BodyFraming::Kind::kNone:
      break;
    case BodyFraming::Kind::kLength:
      state_ = framing.length > 0 ? State::kLength : State::kDone;
      remaining_ = framing.length;
      break;
    case BodyFraming::Kind::kChunked:
      state_ = State::kChunkSize;
      break;
    case BodyFraming::Kind::kUntilClose:
      state_ = State::kUntilClose;
      break;
  }
}

BodyDecoder::Step BodyDecoder::Next(std::string_view input) {
  switch (state_) {
    case State::kDone: {
      Step step;
      step.done = true;
      return step;
    }
    case State::kLength:
      return TakeData(input, State::kDone);
    case State::kUntilClose: {
      Step step;
      step.consumed = input.size();
      step.data = input;
      return step;
    }
    case State::kChunkSize:
      return TakeChunkSize(input);
    case State::kChunkData:
      return TakeData(input, State::kChunkEnd);
    case State::kChunkEnd:
      return TakeChunkEnd(input);
    case State::kTrailers:
      return TakeTrailers(input);
  }
  return Failed();
}

BodyDecoder::Step BodyDecoder::TakeData(std::string_view input, State when_empty) {
  Step step;
  step.consumed = static_cast<size_t>(std::min<uint64_t>(remaining_, input.size()));
  step.data = input.substr(0, step.consumed);
  remaining_ -= step.consumed;
  if (remaining_ == 0) state_ = when_empty;
  step.done = state_ == State::kDone;
  return step;
}

BodyDecoder::Step BodyDecoder::TakeChunkSize(std::string_view input) {
  const size_t newline = input.find('\n');
  if (newline == std::string_view::npos) {
    return input.size() > kSizeDigitsMax + kExtensionBytesMax + 1 ? Failed() : Step();
  }
  if (newline < 2 || input[newline - 1] != '\r') return Failed();
  const std::string_view line = input.substr(0, newline - 1);
  uint64_t size = 0;
  size_t digits = 0;
  while (digits < line.size() && HexDigit(line[digits]) >= 0) {
    if (digits == kSizeDigitsMax) return Failed();
    size = size * 16 + static_cast<uint64_t>(HexDigit(line[digits]));
    ++digits;
  }
  if (digits == 0) return Failed();
  const std::string_view extension = line.substr(digits);
  if (!extension.empty()) {
    // White space before ';' is in the grammar (BWS); bare CR or other control bytes are not.
    const size_t first = extension.find_first_not_of(" \t");
    if (first == std::string_view::npos || extension[first] != ';') return Failed();
    for (const char c : extension) {
      if (static_cast<unsigned char>(c) < 0x20 && c != '\t') return Failed();
    }
    extension_bytes_ += extension.size();
    if (extension.size() > kExtensionBytesMax || extension_bytes_ > kExtensionBytesTotalMax) {
      return Failed();
    }
  }
  remaining_ = size;
  state_ = size == 0 ? State::kTrailers : State::kChunkData;
  Step step;
  step.consumed = newline + 1;
  return step;
}

BodyDecoder::Step BodyDecoder::TakeChunkEnd(std::string_view input) {
  if (input.empty()) return Step();
  if (input[0] != '\r' || (input.size() > 1 && input[1] != '\n')) return Failed();
  if (input.size() < 2) return Step();
  state_ = State::kChunkSize;
  Step step;
  step.consumed = 2;
  return step;
}

BodyDecoder::Step BodyDecoder::TakeTrailers(std::string_view input) {
  const size_t newline = input.find('\n');
  if (newline == std::string_view::npos) {
    if (input == "\r") return Step();  // Half of the end.
    return trailer_bytes_ + input.size() > kTrailerBytesMax ? Failed() : Step();
  }
  if (newline == 0 || input[newline - 1] != '\r') return Failed();
  const std::string_view line = input.substr(0, newline - 1);
  Step step;
  step.consumed = newline + 1;
  if (line.empty()) {
    state_ = State::kDone;
    step.done = true;
    return step;
  }
  trailer_bytes_ += step.consumed;
  if (trailer_bytes_ > kTrailerBytesMax || ++trailer_fields_ > kTrailerFieldsMax) return Failed();
  const std::optional<FieldLine> field = ParseFieldLine(line);
  if (!field.has_value()) return Failed();
  if (MayTrail(field->name)) trailers_.Add(field->name, field->value);
  return step;
}

}  // namespace apk
