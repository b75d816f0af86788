// The exporter looks every now and then: to be woken would cost workers a system call a span.
#include "data-plane/otlp/span_exporter.h"

#include <algorithm>
#include <utility>

#include "common/log.h"
#include "common/strings.h"

namespace apk {
namespace {

constexpr std::chrono::milliseconds kInterval{50};
constexpr std::chrono::milliseconds kPostTime{10'000};
constexpr std::chrono::milliseconds kGoodbye{2000};
constexpr std::chrono::minutes kBetweenWarnings{1};

void Count(std::atomic<uint64_t>& counter, uint64_t amount) {
  counter.fetch_add(amount, std::memory_order_relaxed);
}

}  // namespace

SpanExporter::SpanExporter(Tracing& tracing, std::string url, SpanSource source)
    : tracing_(tracing),
      source_(std::move(source)),
      collector_(std::move(url), [this] { return TimeLeft() <= std::chrono::milliseconds(0); }) {}

SpanExporter::~SpanExporter() {
  {
    const std::lock_guard lock(mutex_);
    latest_ = Now() + kGoodbye;
  }
  stopped_.notify_all();
  thread_.Join();
}

void SpanExporter::Start() {
  thread_ = Thread("span-exporter", 0, [this] { Run(); });
}

bool SpanExporter::stopping() {
  const std::lock_guard lock(mutex_);
  return latest_.has_value();
}

bool SpanExporter::WaitUntil(TimePoint at) {
  std::unique_lock lock(mutex_);
  return !stopped_.wait_until(lock, at, [this] { return latest_.has_value(); });
}

std::chrono::milliseconds SpanExporter::TimeLeft() {
  const std::lock_guard lock(mutex_);
  if (!latest_.has_value()) return kPostTime;
  return std::chrono::duration_cast<std::chrono::milliseconds>(*latest_ - Now());
}

void SpanExporter::Run() {
  for (;;) {
    const bool stops = !WaitUntil(Now() + kInterval);
    for (FillBatch(); IsDue(stops); FillBatch()) SendBatch();
    if (stops) return;
  }
}

void SpanExporter::FillBatch() {
  if (batch_.empty()) batch_begun_ = Now();
  for (const auto& buffer : tracing_.buffers()) {
    SpanPtr span;
    while (batch_.size() < kBatchSpansMax && buffer->TryPop(span)) {
      batch_.push_back(std::move(span));
    }
  }
}

bool SpanExporter::IsDue(bool stops) const {
  if (batch_.empty()) return false;
  return stops || batch_.size() == kBatchSpansMax || Now() - batch_begun_ >= kBatchTime;
}

void SpanExporter::SendBatch() {
  const std::string body = EncodeSpans(source_, batch_);
  pace_.Begin(Now());
  for (bool again = false;; again = true) {
    // The last try of all is not put off.
    WaitUntil(pace_.next());
    const std::chrono::milliseconds time = TimeLeft();
    if (time <= std::chrono::milliseconds(0)) {
      Count(failed_, batch_.size());
      break;
    }
    if (again) Count(retries_, 1);
    if (Settle(collector_.Post(body, time))) break;
  }
  batch_.clear();
}

bool SpanExporter::Settle(const CollectorAnswer& answer) {
  const ExportVerdict verdict = VerdictOn(answer.status);
  if (verdict == ExportVerdict::kTaken) {
    pace_.OnTaken();
    CountTaken(answer);
    return true;
  }
  Warn(answer.status == 0 ? answer.error : Concat("answered ", std::to_string(answer.status)));
  if (verdict == ExportVerdict::kRetry) {
    constexpr double kRange = std::minstd_rand::max();
    pace_.OnRetry(Now(), answer.retry_after, static_cast<double>(random_()) / kRange);
    if (!pace_.GivesUp() && !stopping()) return false;
  }
  Count(failed_, batch_.size());
  return true;
}

void SpanExporter::CountTaken(const CollectorAnswer& answer) {
  const std::optional<PartialSuccess> partial = ParseExportResponse(answer.body);
  uint64_t rejected = 0;
  if (partial.has_value()) {
    rejected = std::min<uint64_t>(partial->rejected, batch_.size());
    if (rejected > 0) Warn(Concat("rejected ", std::to_string(rejected), ": ", partial->message));
  }
  Count(rejected_, rejected);
  Count(exported_, batch_.size() - rejected);
}

void SpanExporter::Warn(const std::string& reason) {
  const TimePoint now = Now();
  if (warned_ != TimePoint() && now - warned_ < kBetweenWarnings) return;
  warned_ = now;
  LogWarning("spans not taken by the collector", {{"reason", reason}});
}

SpanFigures SpanExporter::figures() const {
  SpanFigures figures;
  for (const auto& buffer : tracing_.buffers()) figures.dropped += buffer->dropped();
  figures.exported = exported_.load(std::memory_order_relaxed);
  figures.failed = failed_.load(std::memory_order_relaxed);
  figures.rejected = rejected_.load(std::memory_order_relaxed);
  figures.retries = retries_.load(std::memory_order_relaxed);
  return figures;
}

}  // namespace apk
