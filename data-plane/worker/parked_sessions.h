// HTTP/1.1 connections of clients that have been idle for a while, without the session and its
// coroutines, which cost several KiB each. One per worker, used by its thread.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <functional>
#include <memory>

#include "data-plane/net/byte_stream.h"
#include "data-plane/worker/client_connection.h"

namespace apk {

struct ParkedSession {
  std::unique_ptr<ByteStream> stream;  // Has the deadline of the wait.
  uint64_t requests = 0;               // That it has carried.
  std::unique_ptr<ClientConnection> client;
  TimePoint idle_until = kNoDeadline;  // Once it was parked: what comes need be no request.
};

class ParkedSessions {
 public:
  // `resume`: goes on with a session, of which something came.
  // `metrics` outlives it.
  ParkedSessions(Executor executor, WorkerMetrics& metrics,
                 std::function<void(ParkedSession)> resume)
      : executor_(executor), metrics_(metrics), resume_(std::move(resume)) {}

  // Until something comes, or its stream is closed or reaches its deadline: that ends the
  // connection.
  void Park(ParkedSession session);
  // Resumes those that came in by a port whose connections are to end, though nothing came of them.
  void ResumeEnding();

 private:
  class Wait;

  Executor executor_;
  WorkerMetrics& metrics_;
  std::function<void(ParkedSession)> resume_;
  absl::flat_hash_map<ByteStream*, const ClientConnection*> streams_;
};

}  // namespace apk
