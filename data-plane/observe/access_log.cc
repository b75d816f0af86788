// The writer looks every now and then: to be woken would cost workers a system call a line.
#include "data-plane/observe/access_log.h"

#include <algorithm>
#include <chrono>

#include "common/log.h"

namespace apk {
namespace {

constexpr std::chrono::milliseconds kInterval{50};
constexpr std::chrono::seconds kGoodbye{1};
constexpr std::chrono::minutes kBetweenWarnings{1};

}  // namespace

AccessLog::AccessLog(std::string path, AccessFormat format, size_t workers)
    : format_(std::move(format)), file_(std::move(path)) {
  for (size_t i = 0; i < workers; ++i) doors_.push_back(std::make_unique<AccessLogDoor>(format_));
}

AccessLog::~AccessLog() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stopped_.notify_all();
  thread_.Join();
}

void AccessLog::Start() {
  thread_ = Thread("access-log", 0, [this] { Run(); });
}

bool AccessLog::StopWithin(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  return stopped_.wait_for(lock, time, [this] { return stopping_; });
}

void AccessLog::Run() {
  for (;;) {
    const bool stopping = StopWithin(kInterval);
    const bool reopen = reopen_.load();
    WriteAll();  // First: what came before is for where it was to go then.
    if (stopping) return;
    if (!reopen) continue;
    reopen_.store(false);
    const absl::Status opened = file_.Open();
    if (!opened.ok()) {
      LogError("access log not reopened", {{"reason", std::string(opened.message())}});
    }
  }
}

bool AccessLog::GivesUp() {
  const auto now = std::chrono::steady_clock::now();
  if (!latest_.has_value() && StopWithin(std::chrono::milliseconds(0))) latest_ = now + kGoodbye;
  return latest_.has_value() ? now >= *latest_ : reopen_.load();
}

// Workers go on filling their buffers while the file takes nothing; that is where lines are
// dropped.
void AccessLog::WriteAll() {
  for (const auto& door : doors_) {
    pending_.clear();
    door->buffer().Drain(pending_);
    std::string_view rest = pending_;
    while (!rest.empty()) {
      const LogFile::Result result = file_.Write(rest);
      if (result == LogFile::Result::kFailed) break;
      if (result == LogFile::Result::kWait && GivesUp()) break;
    }
    const std::string_view written =
        std::string_view(pending_).substr(0, pending_.size() - rest.size());
    written_.Add(static_cast<uint64_t>(std::count(written.begin(), written.end(), '\n')));
    lost_.Add(static_cast<uint64_t>(std::count(rest.begin(), rest.end(), '\n')));
    if (rest.empty()) continue;
    file_.WarnAtMostEvery(kBetweenWarnings);
  }
}

AccessLogFigures AccessLog::figures() const {
  AccessLogFigures figures;
  for (const auto& door : doors_) figures.dropped += door->buffer().dropped();
  figures.written = written_.value();
  figures.lost = lost_.value();
  return figures;
}

}  // namespace apk
