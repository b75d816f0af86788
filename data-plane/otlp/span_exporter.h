// Posts spans to a collector: workers leave them in buffers of their own, one thread encodes and
// sends them in batches. Whatever becomes of that, no worker waits: while the collector takes
// nothing the buffers fill, and what finds no room is dropped, and counted.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/thread.h"
#include "data-plane/otlp/collector.h"
#include "data-plane/otlp/encode_spans.h"
#include "data-plane/otlp/export_pace.h"
#include "data-plane/tracing/span_figures.h"
#include "data-plane/tracing/tracer.h"

namespace apk {

class SpanExporter {
 public:
  static constexpr size_t kBatchSpansMax = 512;
  // Until a batch that is not full is sent all the same.
  static constexpr std::chrono::milliseconds kBatchTime{1000};

  // `url`: see Collector::TracesUrl. `tracing` outlives the exporter.
  SpanExporter(Tracing& tracing, std::string url, SpanSource source);
  // Sends what is left, once, for two seconds or so at most.
  ~SpanExporter();

  void Start();
  SpanFigures figures() const;  // Thread-safe.

 private:
  void Run();
  // With what is there, up to a whole batch.
  void FillBatch();
  bool IsDue(bool stops) const;
  void SendBatch();
  // True where the batch is over, and counted.
  bool Settle(const CollectorAnswer& answer);
  void CountTaken(const CollectorAnswer& answer);
  void Warn(const std::string& reason);
  // False where it was to stop meanwhile.
  bool WaitUntil(TimePoint at);
  bool stopping();
  // How long a post may take; none: it is too late for one.
  std::chrono::milliseconds TimeLeft();

  Tracing& tracing_;
  const SpanSource source_;
  Collector collector_;
  ExportPace pace_;
  std::vector<SpanPtr> batch_;
  TimePoint batch_begun_{};
  std::minstd_rand random_{std::random_device{}()};
  TimePoint warned_{};
  std::atomic<uint64_t> exported_{0};
  std::atomic<uint64_t> failed_{0};
  std::atomic<uint64_t> rejected_{0};
  std::atomic<uint64_t> retries_{0};
  std::mutex mutex_;
  std::condition_variable stopped_;
  std::optional<TimePoint> latest_;  // Once it is to stop: when it must have.
  Thread thread_;
};

}  // namespace apk
