// Slices are lent from the read buffer and given back at the next call: no copy between the
// sockets.
#include "data-plane/session/h1_body.h"

#include "data-plane/http/head_writer.h"

namespace apk {
namespace {

constexpr size_t kBodyBufferBytesMax = 64 * 1024;

}  // namespace

void H1BodyReader::Start(const BodyFraming& framing) {
  decoder_.Start(framing);
  lent_ = 0;
  eof_ = failed_ = false;
  done_ = decoder_.done();
}

void H1BodyReader::ReleaseSlice() {
  if (lent_ > 0) buffer_.Consume(lent_);
  lent_ = 0;
}

BodySlice H1BodyReader::Next() {
  ReleaseSlice();
  BodySlice slice;
  for (;;) {
    if (done_) {
      slice.done = true;
      return slice;
    }
    const BodyDecoder::Step step = decoder_.Next(buffer_.data());
    if (step.error || failed_) {
      slice.failed = true;
      return slice;
    }
    if (!step.data.empty()) {
      slice.data = step.data;
      lent_ = step.consumed;
      done_ = step.done;
      LookBehindSlice();
      slice.done = done_;
      return slice;
    }
    buffer_.Consume(step.consumed);
    done_ = step.done;
    if (done_ || step.consumed > 0) continue;
    if (eof_) {
      done_ = slice.done = decoder_.CompleteAtEof();
      slice.failed = !slice.done;
      return slice;
    }
    slice.wait = true;
    return slice;
  }
}

void H1BodyReader::LookBehindSlice() {
  while (!done_ && !decoder_.at_data()) {
    const BodyDecoder::Step step = decoder_.Next(buffer_.data().substr(lent_));
    failed_ = step.error;
    done_ = step.done;
    lent_ += step.consumed;
    if (step.consumed == 0) return;
  }
}

Task<bool> H1BodyReader::Fill() {
  ReleaseSlice();
  const ReadBuffer::Space space = buffer_.Prepare(kBodyBufferBytesMax);
  if (space.size == 0) co_return false;
  const ReadResult result = co_await stream_.Read(space.data, space.size);
  if (!result.ok) co_return false;
  if (result.bytes == 0) eof_ = true;
  buffer_.Commit(result.bytes);
  co_return true;
}

std::string& H1BodyWriter::Start(bool chunked) {
  head_.clear();
  head_sent_ = false;
  chunked_ = chunked;
  pending_.count = 0;
  return head_;
}

WriteStatus H1BodyWriter::Write(std::string_view data, bool last) {
  pending_.count = 0;
  if (!head_sent_) pending_.Add(head_);
  head_sent_ = true;
  if (!chunked_) {
    pending_.Add(data);
  } else {
    if (!data.empty()) {
      pending_.Add(std::string_view(chunk_header_, FormatChunkHeader(chunk_header_, data.size())));
      pending_.Add(data);
    }
    if (last) {
      pending_.Add(data.empty() ? "0\r\n\r\n" : "\r\n0\r\n\r\n");
    } else if (!data.empty()) {
      pending_.Add("\r\n");
    }
  }
  return stream_.TryWrite(pending_);
}

Task<bool> H1BodyWriter::Flush() {
  if (!head_sent_ && !head_.empty()) {
    pending_.count = 0;
    pending_.Add(head_);
    head_sent_ = true;
    const WriteStatus status = stream_.TryWrite(pending_);
    if (status != WriteStatus::kAgain) co_return status == WriteStatus::kDone;
  }
  if (pending_.count == 0) co_return true;
  const WriteBuffers rest = pending_;
  pending_.count = 0;
  co_return co_await stream_.Write(rest);
}

}  // namespace apk
