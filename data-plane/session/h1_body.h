// Both directions of an HTTP/1.1 body over one stream: what servers and clients share.
#pragma once

#include <string>
#include <string_view>

#include "data-plane/http/body_decoder.h"
#include "data-plane/net/byte_stream.h"
#include "data-plane/session/exchange.h"
#include "data-plane/session/read_buffer.h"

namespace apk {

// Reads a body out of a buffer that is filled from a stream.
class H1BodyReader {
 public:
  H1BodyReader(ByteStream& stream, ReadBuffer& buffer) : stream_(stream), buffer_(buffer) {}

  void Start(const BodyFraming& framing);
  BodySlice Next();
  Task<bool> Fill();
  bool done() const { return done_; }
  uint64_t received() const { return received_; }  // Bytes read for this body, framing included.
  // Not more than `bytes` are left to read, as far as can be told from what is here.
  bool EndsWithin(size_t bytes) const;

 private:
  void ReleaseSlice();
  // Reads framing that stands right behind the slice, so that the last slice is known as such, and
  // joins small chunks to it.
  void ExtendSlice(BodySlice& slice);

  ByteStream& stream_;
  ReadBuffer& buffer_;
  BodyDecoder decoder_;
  size_t lent_ =
      0;  // Bytes of the slice given out last, and of framing after it, still in the buffer.
  uint64_t received_ = 0;
  bool widen_ = false;      // The last read left nothing free: there is probably more.
  bool is_length_ = false;  // The whole length was said in advance.
  bool failed_ = false;
  bool done_ = true;
  bool eof_ = false;
};

// Writes a head and a body, the head together with the first piece of the body.
class H1BodyWriter {
 public:
  explicit H1BodyWriter(ByteStream& stream) : stream_(stream) {}

  // The head's buffer: append to it after Start, before the first Write.
  std::string& Start(bool chunked);
  std::string& head() { return head_; }
  // Sent behind the last chunk; dropped where the body is not chunked.
  void SetTrailers(const HeaderMap& trailers);
  WriteStatus Write(std::string_view data, bool last);
  Task<bool> Flush();

 private:
  ByteStream& stream_;
  std::string head_;
  bool head_sent_ = false;
  bool chunked_ = false;
  char chunk_header_[20];
  std::string end_;       // The last chunk, where trailers follow it.
  WriteBuffers pending_;  // Views head_, chunk_header_ and the caller's data.
};

}  // namespace apk
