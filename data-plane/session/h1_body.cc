// Slices are lent from the read buffer and given back at the next call: no copy between the
// sockets.
#include "data-plane/session/h1_body.h"

#include <algorithm>

#include "data-plane/http/head_writer.h"

namespace apk {
namespace {

constexpr size_t kBodyBufferBytesMax = 64 * 1024;
constexpr size_t kJoinBytesMax = 16 * 1024;
constexpr size_t kCopyBytesMax = 4 * 1024;

}  // namespace

void H1BodyReader::Start(const BodyFraming& framing) {
  decoder_.Start(framing);
  is_length_ = framing.kind == BodyFraming::Kind::kLength;
  lent_ = received_ = 0;
  widen_ = false;
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
      slice.trailers = decoder_.trailers();
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
      ExtendSlice(slice);
      slice.done = done_;
      if (done_) slice.trailers = decoder_.trailers();
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

void H1BodyReader::ExtendSlice(BodySlice& slice) {
  // The slice begins where the buffer does: what was before it is consumed by now.
  while (!done_ && !failed_) {
    const std::string_view behind = buffer_.data().substr(lent_);
    const uint64_t next = std::min<uint64_t>(decoder_.remaining(), behind.size());
    if (decoder_.at_data() && slice.data.size() + next > kJoinBytesMax) return;
    const BodyDecoder::Step step = decoder_.Next(behind);
    failed_ = step.error;
    done_ = step.done;
    if (!step.data.empty()) {
      buffer_.MoveBack(slice.data.size(), lent_, step.data.size());
      slice.data = buffer_.data().substr(0, slice.data.size() + step.data.size());
    }
    lent_ += step.consumed;
    if (step.consumed == 0) return;
  }
}

bool H1BodyReader::EndsWithin(size_t bytes) const {
  if (done_) return true;
  if (failed_) return false;
  BodyDecoder ahead = decoder_;
  std::string_view here = buffer_.data().substr(lent_);
  for (;;) {
    const BodyDecoder::Step step = ahead.Next(here);
    if (step.error) return false;
    if (step.done) return true;
    if (step.consumed == 0) break;
    here.remove_prefix(step.consumed);
  }
  return is_length_ && ahead.remaining() <= bytes;
}

Task<bool> H1BodyReader::Fill() {
  ReleaseSlice();
  if (widen_ && buffer_.empty()) buffer_.Widen(kBodyBufferBytesMax);
  const ReadBuffer::Space space = buffer_.Prepare(kBodyBufferBytesMax);
  if (space.size == 0) co_return false;
  ReadResult result = stream_.TryRead(space.data, space.size);
  while (result.wait) {
    const auto [error] = co_await stream_.WaitToRead();
    if (error) co_return false;
    result = stream_.TryRead(space.data, space.size);
  }
  if (!result.ok) co_return false;
  if (result.bytes == 0) eof_ = true;
  buffer_.Commit(result.bytes);
  widen_ = result.bytes == space.size;
  received_ += result.bytes;
  co_return true;
}

std::string& H1BodyWriter::Start(bool chunked) {
  head_.clear();
  head_sent_ = false;
  chunked_ = chunked;
  end_.clear();
  pending_.count = 0;
  return head_;
}

void H1BodyWriter::SetTrailers(const HeaderMap& trailers) {
  if (!chunked_ || trailers.size() == 0) return;
  end_ = "\r\n0\r\n";
  trailers.AppendLines(end_, [](HeaderId) { return true; });
  AppendHeadEnd(end_);
}

WriteStatus H1BodyWriter::Write(std::string_view data, bool last) {
  pending_.count = 0;
  if (!head_sent_ && !chunked_ && data.size() <= kCopyBytesMax) {
    head_.append(data);  // Cheaper than a second piece.
    data = {};
  }
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
      const std::string_view end = end_.empty() ? std::string_view("\r\n0\r\n\r\n") : end_;
      pending_.Add(data.empty() ? end.substr(2) : end);  // A chunk ends in CRLF first.
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
