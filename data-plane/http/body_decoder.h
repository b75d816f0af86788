// The body of an HTTP/1.1 message out of its framing. Pure: bytes in, slices of the same bytes out.
// Chunk extensions are read within limits and not passed on; trailers are kept apart.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "data-plane/http/message.h"

namespace apk {

class BodyDecoder {
 public:
  struct Step {
    size_t consumed = 0;    // Take these off the input.
    std::string_view data;  // Body bytes, within what was consumed; may be empty.
    bool done = false;      // The body is complete.
    bool error = false;     // The framing is broken: close the connection.
  };

  void Start(const BodyFraming& framing);

  // Looks at the front of `input`. No progress (nothing consumed, not done, no error): more input
  // is needed; at the end of the stream CompleteAtEof() says whether the body was complete.
  Step Next(std::string_view input);

  // True if the end of the stream is the end of the body (kUntilClose).
  bool CompleteAtEof() const { return state_ == State::kUntilClose; }
  bool done() const { return state_ == State::kDone; }
  // Body bytes that are still to come in this piece: of the length, or of the chunk.
  uint64_t remaining() const { return remaining_; }
  // Trailer fields that may be passed on (MayTrail), complete when done(); nullptr where there are
  // none.
  const HeaderMap* trailers() const { return trailers_.size() > 0 ? &trailers_ : nullptr; }
  // The next step takes body bytes rather than framing.
  bool at_data() const {
    return state_ == State::kLength || state_ == State::kChunkData || state_ == State::kUntilClose;
  }

 private:
  enum class State : uint8_t {
    kDone,
    kLength,
    kUntilClose,
    kChunkSize,  // At the first digit.
    kChunkData,
    kChunkEnd,  // At the CRLF after the data.
    kTrailers,
  };

  Step TakeData(std::string_view input, State when_empty);
  Step TakeChunkSize(std::string_view input);
  Step TakeChunkEnd(std::string_view input);
  Step TakeTrailers(std::string_view input);

  State state_ = State::kDone;
  uint64_t remaining_ = 0;      // Of the length or of the chunk.
  size_t extension_bytes_ = 0;  // Of the whole body so far.
  size_t trailer_bytes_ = 0;
  size_t trailer_fields_ = 0;
  HeaderMap trailers_;
};

}  // namespace apk
