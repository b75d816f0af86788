// Expressions, and a text behind the first NUL: what a program of our own says of it is what RE2 says.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "data-plane/routing/expression_program.h"
#include "data-plane/routing/full_matcher.h"
#include "tests/fuzz/require.h"

namespace apk {
namespace {

void Check(std::string_view bytes) {
  const size_t end = std::min(bytes.find('\0'), bytes.size());
  const std::string expression(bytes.substr(0, end));
  const std::string_view text = bytes.substr(std::min(end + 1, bytes.size()));
  const auto program = CompileProgram(expression);  // Of no valid one, too: it must not crash.
  const auto matcher = FullMatcher::Compile(expression);
  if (!matcher.ok()) return;
  Require(matcher->program() == program.value_or(""), "a program is the expression's alone");
  const bool expected = matcher->MatchesByRe2(text);
  Require(matcher->Matches(text) == expected, "it matches as RE2 does");
  if (program.has_value() && IsAscii(text)) {
    Require(RunProgram(*program, text) == expected, "the program matches as RE2 does");
  }
  if (expected) Require(text.starts_with(matcher->literal_prefix()), "a match begins with the prefix");
}

}  // namespace
}  // namespace apk

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  apk::Check(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
