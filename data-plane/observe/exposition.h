// Text in the Prometheus format 0.0.4. Label values may be anything; families and label names are ours.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace apk {

class Exposition {
 public:
  using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

  // Before the first sample of it, once.
  void Family(std::string_view name, std::string_view type, std::string_view help);
  void Sample(std::string_view name, Labels labels, uint64_t value);
  // In seconds.
  void SampleTime(std::string_view name, Labels labels, uint64_t microseconds);

  std::string Take() { return std::move(text_); }

 private:
  void Begin(std::string_view name, Labels labels);

  std::string text_;
};

// "12.000345"
std::string Seconds(uint64_t microseconds);

}  // namespace apk
