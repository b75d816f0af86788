// A program is a row of steps: a literal is its size (not 0) and its bytes; a class is 0, the least
// and the greatest number of bytes it takes (kNoLimit: any), and a bit for each ASCII character.
#include "data-plane/routing/expression_program.h"

#include <bitset>
#include <cstdint>
#include <cstring>
#include <vector>

#include "common/words.h"

namespace apk {
namespace {

constexpr size_t kAsciiCount = 128;
constexpr size_t kClassBytes = kAsciiCount / 8;
constexpr unsigned kNoLimit = 255;
constexpr size_t kMaxLiteralBytes = 255;
constexpr size_t kMaxProgramBytes = 2048;

using Characters = std::bitset<kAsciiCount>;

struct Step {
  Characters takes;
  unsigned min = 1;
  unsigned max = 1;
};

void AddRange(unsigned char first, unsigned char last, Characters& set) {
  for (size_t c = first; c <= last; ++c) set.set(c);
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsAsciiByte(char c) { return static_cast<unsigned char>(c) < kAsciiCount; }
bool IsPunctuation(char c) { return c > ' ' && c < 0x7f && !IsDigit(c) && !IsLetter(c); }

class Parser {
 public:
  explicit Parser(std::string_view expression) : rest_(expression) {}

  // False where it is not plain.
  bool Parse();
  const std::vector<Step>& steps() const { return steps_; }

 private:
  char Next() {
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }
  bool NextIs(char c) const { return rest_.starts_with(c); }
  bool AtQuantifier() const {
    return !rest_.empty() && std::string_view("*+?{").find(rest_.front()) != std::string_view::npos;
  }
  bool ParseAtom(Characters& set);
  bool ParseEscape(Characters& set);
  bool ParseClass(Characters& set);
  bool ParseQuantifier(Step& step);
  bool ParseCount(unsigned& count);

  std::string_view rest_;
  std::vector<Step> steps_;
};

bool Parser::Parse() {
  if (NextIs('^')) Next();
  while (!rest_.empty() && rest_ != "$") {
    if (NextIs('(')) {
      Next();
      if (NextIs('?')) return false;
      continue;
    }
    if (NextIs(')')) {
      Next();
      if (AtQuantifier()) return false;
      continue;
    }
    Step step;
    if (!ParseAtom(step.takes) || !ParseQuantifier(step)) return false;
    steps_.push_back(step);
  }
  return true;
}

bool Parser::ParseAtom(Characters& set) {
  const char c = Next();
  switch (c) {
    case '.':
      set.set().reset('\n');
      return true;
    case '[':
      return ParseClass(set);
    case '\\':
      return ParseEscape(set);
    case '*':
    case '+':
    case '?':
    case '{':
    case '}':
    case ']':
    case '|':
    case '^':
    case '$':
      return false;
    default:
      if (!IsAsciiByte(c)) return false;
      set.set(static_cast<size_t>(c));
      return true;
  }
}

bool Parser::ParseEscape(Characters& set) {
  if (rest_.empty()) return false;
  const char c = Next();
  Characters named;
  switch (c) {
    case 'd':
    case 'D':
      AddRange('0', '9', named);
      break;
    case 'w':
    case 'W':
      AddRange('0', '9', named);
      AddRange('a', 'z', named);
      AddRange('A', 'Z', named);
      named.set('_');
      break;
    default:
      if (!IsPunctuation(c) || c == '_') return false;
      named.set(static_cast<size_t>(c));
  }
  if (c == 'D' || c == 'W') named.flip();
  set |= named;
  return true;
}

// After '['. A hyphen stands for itself only at an end.
bool Parser::ParseClass(Characters& set) {
  const bool negated = NextIs('^');
  if (negated) Next();
  if (NextIs(']')) return false;
  bool first = true;
  while (!NextIs(']')) {
    if (rest_.empty()) return false;
    if (NextIs('\\')) {
      Next();
      if (!ParseEscape(set)) return false;
      if (NextIs('-') && !rest_.starts_with("-]")) return false;
    } else {
      const char low = Next();
      if (!IsAsciiByte(low) || low == '[' || (low == '-' && !first && !NextIs(']'))) return false;
      char high = low;
      if (NextIs('-') && !rest_.starts_with("-]")) {
        Next();
        if (rest_.empty()) return false;
        high = Next();
        if (!IsAsciiByte(high) || high < low || high == '\\' || high == '[') return false;
      }
      AddRange(static_cast<unsigned char>(low), static_cast<unsigned char>(high), set);
    }
    first = false;
  }
  Next();
  if (negated) set.flip();
  return true;
}

bool Parser::ParseQuantifier(Step& step) {
  if (!AtQuantifier()) return true;
  switch (Next()) {
    case '*':
      step.min = 0;
      step.max = kNoLimit;
      break;
    case '+':
      step.max = kNoLimit;
      break;
    case '?':
      step.min = 0;
      break;
    default:
      if (!ParseCount(step.min)) return false;
      step.max = step.min;
      if (NextIs(',')) {
        Next();
        step.max = kNoLimit;
        if (!NextIs('}') && !ParseCount(step.max)) return false;
      }
      if (!NextIs('}')) return false;
      Next();
      if (step.max == 0 || step.max < step.min) return false;
  }
  return !AtQuantifier();  // Lazy ones, and repeated repetitions.
}

bool Parser::ParseCount(unsigned& count) {
  size_t digits = 0;
  while (digits < rest_.size() && IsDigit(rest_[digits])) ++digits;
  if (digits == 0 || digits > 3 || (digits > 1 && NextIs('0'))) return false;
  count = 0;
  for (size_t i = 0; i < digits; ++i) count = count * 10 + static_cast<unsigned>(Next() - '0');
  return count < kNoLimit;
}

// Where a step may take one more byte, nothing that comes behind it may begin with that byte.
bool IsDeterministic(const std::vector<Step>& steps) {
  Characters behind;
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    if (step->min != step->max && (step->takes & behind).any()) return false;
    behind = step->min == 0 ? behind | step->takes : step->takes;
  }
  return true;
}

bool IsLiteral(const Step& step) {
  return step.min == 1 && step.max == 1 && step.takes.count() == 1;
}

void AppendClass(const Step& step, std::string& program) {
  program += '\0';
  program += static_cast<char>(step.min);
  program += static_cast<char>(step.max);
  for (size_t byte = 0; byte < kClassBytes; ++byte) {
    unsigned bits = 0;
    for (size_t bit = 0; bit < 8; ++bit) bits |= unsigned{step.takes.test(byte * 8 + bit)} << bit;
    program += static_cast<char>(bits);
  }
}

bool Takes(const char* bits, char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (static_cast<unsigned char>(bits[byte / 8]) >> (byte % 8) & 1) != 0;
}

}  // namespace

bool IsAscii(std::string_view text) {
  uint64_t seen = 0;
  while (text.size() >= sizeof(uint64_t)) {
    seen |= LoadWord<uint64_t>(text.data());
    text.remove_prefix(sizeof(uint64_t));
  }
  for (const char c : text) seen |= static_cast<unsigned char>(c);
  return (seen & kHighBits) == 0;
}

std::optional<std::string> CompileProgram(std::string_view expression) {
  Parser parser(expression);
  if (!parser.Parse() || !IsDeterministic(parser.steps())) return std::nullopt;
  std::string program;
  size_t literal = 0;  // Where the size of the literal under way stands,
  bool open = false;   // if one is.
  for (const Step& step : parser.steps()) {
    if (!IsLiteral(step)) {
      AppendClass(step, program);
      open = false;
      continue;
    }
    if (!open || program.size() - literal > kMaxLiteralBytes) {
      literal = program.size();
      program += '\0';
      open = true;
    }
    for (size_t c = 0; c < kAsciiCount; ++c) {
      if (step.takes.test(c)) program += static_cast<char>(c);
    }
    program[literal] = static_cast<char>(program.size() - literal - 1);
  }
  if (program.size() > kMaxProgramBytes) return std::nullopt;
  return program;
}

bool RunProgram(std::string_view program, std::string_view text) {
  const char* step = program.data();
  const char* const steps_end = step + program.size();
  const char* at = text.data();
  const char* const end = at + text.size();
  while (step != steps_end) {
    const size_t size = static_cast<unsigned char>(*step++);
    if (size > 0) {
      if (static_cast<size_t>(end - at) < size || std::memcmp(at, step, size) != 0) return false;
      at += size;
      step += size;
      continue;
    }
    const unsigned min = static_cast<unsigned char>(step[0]);
    const unsigned max = static_cast<unsigned char>(step[1]);
    const char* const bits = step + 2;
    step = bits + kClassBytes;
    const char* const first = at;
    const char* const last =
        max == kNoLimit || static_cast<size_t>(end - at) < max ? end : at + max;
    while (at != last && Takes(bits, *at)) ++at;
    if (static_cast<size_t>(at - first) < min) return false;
  }
  return at == end;
}

}  // namespace apk
