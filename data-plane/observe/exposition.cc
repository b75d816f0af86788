// Integers throughout: a sum of microseconds loses nothing on its way to text.
#include "data-plane/observe/exposition.h"

#include "common/strings.h"
#include "data-plane/observe/escape.h"

namespace apk {

std::string Seconds(uint64_t microseconds) {
  constexpr uint64_t kPerSecond = 1'000'000;
  const std::string rest = std::to_string(kPerSecond + microseconds % kPerSecond).substr(1);
  return Concat(std::to_string(microseconds / kPerSecond), ".", rest);
}

void Exposition::Family(std::string_view name, std::string_view type, std::string_view help) {
  text_ += Concat("# HELP ", name, " ", help, "\n# TYPE ", name, " ", type, "\n");
}

void Exposition::Begin(std::string_view name, Labels labels) {
  text_ += name;
  char separator = '{';
  for (const auto& [label, value] : labels) {
    text_ += separator;
    text_ += label;
    text_ += "=\"";
    AppendLabelEscaped(text_, value);
    text_ += '"';
    separator = ',';
  }
  text_ += labels.size() > 0 ? "} " : " ";
}

void Exposition::Sample(std::string_view name, Labels labels, uint64_t value) {
  Begin(name, labels);
  text_ += std::to_string(value);
  text_ += '\n';
}

void Exposition::SampleTime(std::string_view name, Labels labels, uint64_t microseconds) {
  Begin(name, labels);
  text_ += Seconds(microseconds);
  text_ += '\n';
}

}  // namespace apk
