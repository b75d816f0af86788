// RE2 judges what is a valid expression, and finds the groups; plain matches are not its work.
#include "data-plane/routing/full_matcher.h"

#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <utility>

#include "common/strings.h"
#include "data-plane/routing/expression_program.h"

namespace apk {
namespace {

constexpr size_t kMaxExpressionBytes = 4096;
constexpr int64_t kMaxExpressionMemory = 1 << 20;
constexpr int kMaxGroups = 10;  // \0 … \9

// The leading bytes that stand for themselves. Alternatives and flags may undo any prefix, so they
// give up; a quantifier takes back the byte before it.
std::string LiteralPrefix(std::string_view expression) {
  if (expression.find('|') != std::string_view::npos ||
      expression.find("(?") != std::string_view::npos) {
    return {};
  }
  const size_t end = std::min(expression.find_first_of("\\^$.[]()*+?{}"), expression.size());
  const bool quantified = end > 0 && end < expression.size() &&
                          std::string_view("*+?{").find(expression[end]) != std::string_view::npos;
  // A quantifier covers a whole character, of which UTF-8 may have several bytes.
  return std::string(quantified ? CutUtf8(expression, end - 1) : expression.substr(0, end));
}

}  // namespace

FullMatcher::FullMatcher(std::unique_ptr<re2::RE2> re2) : re2_(std::move(re2)) {}
FullMatcher::FullMatcher(FullMatcher&&) noexcept = default;
FullMatcher& FullMatcher::operator=(FullMatcher&&) noexcept = default;
FullMatcher::~FullMatcher() = default;

absl::StatusOr<FullMatcher> FullMatcher::Compile(const std::string& expression) {
  if (expression.size() > kMaxExpressionBytes) {
    return absl::InvalidArgumentError("regular expression is longer than 4096 bytes");
  }
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kMaxExpressionMemory);
  auto re2 = std::make_unique<re2::RE2>(expression, options);
  if (!re2->ok()) {
    return absl::InvalidArgumentError(
        Concat("regular expression '", expression, "': ", re2->error()));
  }
  FullMatcher matcher(std::move(re2));
  matcher.literal_prefix_ = LiteralPrefix(expression);
  matcher.program_ = CompileProgram(expression).value_or("");
  return matcher;
}

bool FullMatcher::Matches(std::string_view text) const {
  if (!text.starts_with(literal_prefix_)) return false;
  if (!program_.empty() && IsAscii(text)) return RunProgram(program_, text);
  return MatchesByRe2(text);
}

bool FullMatcher::MatchesByRe2(std::string_view text) const {
  return re2_->Match(re2::StringPiece(text.data(), text.size()), 0, text.size(),
                     re2::RE2::ANCHOR_BOTH, nullptr, 0);
}

std::vector<std::string> FullMatcher::Groups(std::string_view text) const {
  std::array<re2::StringPiece, kMaxGroups> pieces;
  const int count = std::min(re2_->NumberOfCapturingGroups() + 1, kMaxGroups);
  std::vector<std::string> groups;
  if (!re2_->Match(re2::StringPiece(text.data(), text.size()), 0, text.size(),
                   re2::RE2::ANCHOR_BOTH, pieces.data(), count)) {
    return groups;
  }
  for (int i = 0; i < count; ++i) {
    const re2::StringPiece& piece = pieces[static_cast<size_t>(i)];
    groups.emplace_back(piece.data() == nullptr ? "" : piece.data(), piece.size());
  }
  return groups;
}

}  // namespace apk
