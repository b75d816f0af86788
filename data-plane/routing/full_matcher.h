// An expression that must match a whole text. Immutable; thread-safe.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace re2 {
class RE2;
}

namespace apk {

// By RE2 (linear time, bounded memory), or by a program of our own where that says the same.
class FullMatcher {
 public:
  static absl::StatusOr<FullMatcher> Compile(const std::string& expression);
  FullMatcher(FullMatcher&&) noexcept;
  FullMatcher& operator=(FullMatcher&&) noexcept;
  ~FullMatcher();

  bool Matches(std::string_view text) const;
  // The same by RE2 alone.
  bool MatchesByRe2(std::string_view text) const;
  // Every text that matches begins with it.
  const std::string& literal_prefix() const { return literal_prefix_; }
  // See expression_program.h; "" where there is none.
  const std::string& program() const { return program_; }
  // [0] is the whole text. REQUIRES: Matches(text).
  std::vector<std::string> Groups(std::string_view text) const;

 private:
  explicit FullMatcher(std::unique_ptr<re2::RE2> re2);
  std::unique_ptr<re2::RE2> re2_;
  std::string literal_prefix_;  // Every match begins with it: most misses end here.
  std::string program_;
};

}  // namespace apk
