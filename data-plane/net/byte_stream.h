// A connection as bytes, whatever carries them. Used by the thread of its loop only.
//
// Reading and writing have two steps, so that what can be done at once needs no coroutine: TryWrite first,
// and where it says kAgain, co_await Write for the rest; TryRead first, and where it says wait, co_await
// WaitToRead() and try again.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "data-plane/net/deadline.h"
#include "data-plane/net/poller.h"
#include "data-plane/net/task.h"

namespace apk {

// Up to four pieces to write as one; what was written is cut off the front.
struct WriteBuffers {
  std::array<std::string_view, 4> parts;
  size_t count = 0;

  void Add(std::string_view part) {
    if (!part.empty()) parts[count++] = part;
  }
  size_t Size() const;
  void Consume(size_t bytes);
};

enum class WriteStatus : uint8_t { kDone, kAgain, kFailed };

struct ReadResult {
  size_t bytes = 0;  // 0 with ok: the peer has closed its side.
  bool ok = false;
  bool wait = false;  // Of TryRead: nothing is there now.
};

class ByteStream : public Deadline {
 public:
  using Deadline::Deadline;

  // At least one byte, the end, an error, or wait.
  virtual ReadResult TryRead(char* data, size_t size) = 0;
  // `const auto [error] = co_await stream.WaitToRead();` An error: the wait was ended, and so is reading.
  auto WaitToRead() { return WaitForReading(&socket()); }
  // Both steps: never wait.
  Task<ReadResult> Read(char* data, size_t size);
  // What carries it.
  virtual PolledSocket& socket() = 0;
  virtual WriteStatus TryWrite(WriteBuffers& buffers) = 0;
  // All of it; false when the connection failed. What `buffers` views must live until then.
  virtual Task<bool> Write(WriteBuffers buffers) = 0;
  // Ends pending operations with an error. Idempotent.
  virtual void Close() = 0;
  // Says that nothing more will be written (FIN, after close_notify where there is TLS). The peer
  // may go on.
  virtual Task<> ShutdownWrite() = 0;
  // Ends a WaitToRead with an error, from the loop.
  virtual void CancelRead() = 0;
  // An idle connection that is still usable: open, and nothing has arrived on it. Without `certain` as
  // far as is known; with it the kernel is asked.
  virtual bool IsQuiet(bool certain) = 0;
  // Gives back what can be made again: before a wait that may be long.
  virtual void Rest() {}

  // The deadline has passed: the stream is closed,
  bool timed_out() const { return timed_out_; }
  // or, from now on, only its read that waits is ended, so that the peer can still be told why.
  void SpareAtDeadline(bool spare) { spare_ = spare; }

 protected:
  void OnDeadline() override {
    timed_out_ = true;
    if (spare_) {
      CancelRead();
    } else {
      Close();
    }
  }

 private:
  bool timed_out_ = false;
  bool spare_ = false;
};

}  // namespace apk
