// spdlog is kept out of headers: it is slow to compile. Its own sinks wait for whoever reads them.
#include "common/log.h"

#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <mutex>

#include "common/standard_error.h"
#include "common/strings.h"

namespace apk {
namespace {

// Lines that nobody reads are left out, and how many is said when somebody does again: a process
// must not stand still for its log.
class StandardErrorSink final : public spdlog::sinks::base_sink<std::mutex> {
 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    constexpr std::chrono::milliseconds kPatience{200};
    spdlog::memory_buf_t text;
    formatter_->format(message, text);
    std::string lines(rest_);
    if (left_out_ > 0) lines += Concat("(", std::to_string(left_out_), " lines left out)\n");
    lines.append(text.data(), text.size());
    // Once it is stuck nobody waits for it again.
    const size_t written =
        WriteStandardError(lines, left_out_ > 0 ? std::chrono::milliseconds(0) : kPatience);
    if (written <= rest_.size()) {
      rest_.erase(0, written);
      ++left_out_;
      return;
    }
    rest_ = lines.substr(written);  // The end of a line that was begun.
    left_out_ = 0;
  }
  void flush_() override {}

 private:
  std::string rest_;
  uint64_t left_out_ = 0;
};

// Quotes a value that a reader could not tell from its neighbours, and escapes control characters.
void AppendValue(std::string& line, std::string_view value) {
  const bool plain =
      !value.empty() && value.find_first_of(" \"=\\\t\r\n") == std::string_view::npos;
  if (!plain) line += '"';
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      line += '\\';
      line += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      line += "\\x";
      line += Hex(std::string_view(&c, 1));
    } else {
      line += c;
    }
  }
  if (!plain) line += '"';
}

void Write(spdlog::level::level_enum level, std::string_view message,
           std::initializer_list<LogField> fields) {
  if (!spdlog::default_logger_raw()->should_log(level)) return;
  std::string line(message);
  for (const auto& [key, value] : fields) {
    line += ' ';
    line += key;
    line += '=';
    AppendValue(line, value);
  }
  spdlog::default_logger_raw()->log(level, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace

void InitLog(std::string_view program, std::string_view level) {
  auto logger =
      std::make_shared<spdlog::logger>(std::string(program), std::make_shared<StandardErrorSink>());
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %n: %v", spdlog::pattern_time_type::utc);
  logger->set_level(spdlog::level::from_str(std::string(level)));
  logger->flush_on(spdlog::level::trace);
  spdlog::set_default_logger(std::move(logger));
}

void LogDebug(std::string_view message, std::initializer_list<LogField> fields) {
  Write(spdlog::level::debug, message, fields);
}
void LogInfo(std::string_view message, std::initializer_list<LogField> fields) {
  Write(spdlog::level::info, message, fields);
}
void LogWarning(std::string_view message, std::initializer_list<LogField> fields) {
  Write(spdlog::level::warn, message, fields);
}
void LogError(std::string_view message, std::initializer_list<LogField> fields) {
  Write(spdlog::level::err, message, fields);
}

}  // namespace apk
