// The body of a copy on the mirror thread: what came and was not written yet. That thread's alone.
#pragma once

#include <cstdint>
#include <deque>

#include "data-plane/mirror/mirror_door.h"
#include "data-plane/net/poller.h"

namespace apk {

struct MirrorBody {
  // A body takes the mirror's time only once so much of it is there, or all: clients that send slowly
  // hold nothing of the mirror up.
  static constexpr uint64_t kGatheredBytes = 64 * 1024;

  std::deque<BodyChunk> chunks;
  uint64_t bytes = 0;      // In `chunks`.
  bool complete = false;   // No more will come.
  bool submitted = false;  // Gathered: the channel has it.
  Waiter arrival;          // Armed while its sender waits for more.

  bool gathered() const { return complete || bytes >= kGatheredBytes; }
  void Put(BodyChunk chunk) {
    bytes += chunk->size();
    chunks.push_back(std::move(chunk));
  }
  // REQUIRES: chunks is not empty.
  BodyChunk Take() {
    BodyChunk chunk = std::move(chunks.front());
    chunks.pop_front();
    bytes -= chunk->size();
    return chunk;
  }
  void Wake() {
    if (arrival.armed()) arrival.Complete();
  }
};

}  // namespace apk
