// Targets and paths: normalising twice is normalising once, and nothing leads above the root.
#include <string>
#include <string_view>

#include "data-plane/http/path.h"
#include "tests/fuzz/require.h"

namespace apk {
namespace {

void Check(std::string_view bytes) {
  std::string host;
  if (ParseAuthority(bytes, host)) {
    for (const char c : host) Require(c < 'A' || c > 'Z', "a host is in lower case");
  }
  const auto target = SplitTarget(bytes);
  if (!target.has_value() || target->form == TargetForm::kAuthority ||
      target->form == TargetForm::kAsterisk) {
    return;
  }
  std::string once;
  if (!NormalizePath(target->path, once)) return;
  Require(once.starts_with('/'), "a path begins with a slash");
  std::string padded = once + "/";
  Require(padded.find("/../") == std::string::npos && padded.find("/./") == std::string::npos,
          "no dot segments");
  Require(once.find("//") == std::string::npos, "no empty segments");
  for (const char c : once) Require(c > 0x20 && c < 0x7f && c != '\\', "no byte that splits a line");
  std::string twice;
  Require(NormalizePath(once, twice) && twice == once, "normalising twice is normalising once");
}

}  // namespace
}  // namespace apk

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  apk::Check(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
