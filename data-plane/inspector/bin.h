// The requests of one token: a ring bounded by count and by bytes. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

#include "data-plane/inspector/captured_request.h"

namespace apk::inspector {

struct BinLimits {
  size_t requests_max = 500;
  size_t bytes_max = 16 * 1024 * 1024;  // By CapturedRequest::Bytes.
};

class Bin {
 public:
  explicit Bin(BinLimits limits) : limits_(limits) {}

  // Gives it an id and keeps it; the oldest make room, but the newest always stays.
  const CapturedRequest& Add(CapturedRequest request);
  const CapturedRequest* Find(uint64_t id) const;  // Null when evicted, deleted or never there.
  bool Delete(uint64_t id);
  void Clear();

  const std::deque<CapturedRequest>& requests() const { return requests_; }  // Oldest first.
  const BinLimits& limits() const { return limits_; }
  size_t bytes() const { return bytes_; }
  uint64_t received() const { return received_; }
  uint64_t evicted() const { return evicted_; }
  // Counts deletions and clearings: who shows the bin must look again.
  uint64_t generation() const { return generation_; }

 private:
  void EvictOldest();

  const BinLimits limits_;
  std::deque<CapturedRequest> requests_;
  size_t bytes_ = 0;
  uint64_t received_ = 0;
  uint64_t evicted_ = 0;
  uint64_t generation_ = 0;
};

}  // namespace apk::inspector
