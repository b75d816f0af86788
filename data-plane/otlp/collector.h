// Where spans are posted: one kept connection, libcurl. One thread, but for what is said to be
// otherwise.
#pragma once

#include <absl/status/statusor.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace apk {

struct CollectorAnswer {
  uint16_t status = 0;                              // 0: there was none,
  std::string error;                                // for this reason.
  std::optional<std::chrono::seconds> retry_after;  // As the collector wants it.
  std::string body;
};

class Collector {
 public:
  // "http://host:port", with https where its certificate is to be one that the system trusts, and
  // with a path before /v1/traces where the collector has one. An error says what is wrong with it.
  static absl::StatusOr<std::string> TracesUrl(const std::string& endpoint);

  // `url`: as TracesUrl gives it. `stop` is asked about every second while an answer is waited for:
  // true ends that.
  Collector(std::string url, std::function<bool()> stop);
  ~Collector();
  Collector(const Collector&) = delete;
  Collector& operator=(const Collector&) = delete;

  // Takes `time` at most.
  CollectorAnswer Post(std::string_view body, std::chrono::milliseconds time);

 private:
  struct Transfer;

  std::unique_ptr<Transfer> transfer_;
};

}  // namespace apk
