// Recursive descent; the first problem stops it.
#include "control-plane/apkctl/manifest/json_tree.h"

#include "common/strings.h"

namespace apk {
namespace {

using NodePtr = std::unique_ptr<YamlNode>;

constexpr std::string_view kSpace = " \t\r\n";

void AppendUtf8(uint32_t code, std::string& out) {
  const auto put = [&out](uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xc0 | code >> 6);
    put(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    put(0xe0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
  } else {
    put(0xf0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3f));
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
  }
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

class JsonParser {
 public:
  JsonParser(std::string_view text, const YamlLimits& limits) : text_(text), limits_(limits) {}

  JsonDocuments Read() {
    if (text_.starts_with("\xef\xbb\xbf")) at_ = line_begin_ = 3;  // A byte order mark.
    SkipSeparators();
    while (at_ < text_.size() && !failed()) {
      if (result_.documents.size() == limits_.documents_max) {
        Fail("there are too many documents");
        break;
      }
      nodes_ = 0;
      NodePtr document = ReadValue(0);
      if (failed()) break;
      result_.documents.push_back(std::move(document));
      SkipSeparators();
    }
    return std::move(result_);
  }

 private:
  bool failed() const { return result_.problem.has_value(); }

  void Fail(std::string message) {
    if (failed()) return;
    result_.problem = YamlProblem{.line = line_, .column = Column(), .message = std::move(message)};
  }

  // A value is not there or something else is in its place.
  void FailExpecting(std::string_view what) {
    if (at_ == text_.size()) {
      Fail(Concat("the JSON ends too early: ", what, " is missing"));
    } else {
      const size_t length = std::max<size_t>(1, Utf8Length(text_.substr(at_)));
      Fail(Concat("is no JSON: ", what, " is expected, found \"", text_.substr(at_, length), "\""));
    }
  }

  uint32_t Column() const { return static_cast<uint32_t>(at_ - line_begin_ + 1); }
  char Peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  bool Take(char c) {
    if (Peek() != c || at_ == text_.size()) return false;
    ++at_;
    return true;
  }

  void SkipSpace() {
    while (at_ < text_.size() && kSpace.find(text_[at_]) != std::string_view::npos) {
      if (text_[at_++] != '\n') continue;
      ++line_;
      line_begin_ = at_;
    }
  }

  // Between documents a line of YAML's, "---", may stand.
  void SkipSeparators() {
    SkipSpace();
    while (at_ == line_begin_ && text_.substr(at_).starts_with("---")) {
      at_ += 3;
      SkipSpace();
    }
  }

  NodePtr NewNode(YamlNode::Kind kind) {
    if (++nodes_ > limits_.nodes_max) Fail("the document has too many values");
    auto node = std::make_unique<YamlNode>();
    node->kind = kind;
    node->line = line_;
    node->column = Column();
    return node;
  }

  NodePtr ReadValue(size_t depth) {
    if (depth == limits_.depth_max) Fail("is nested too deeply");
    if (failed()) return nullptr;
    switch (Peek()) {
      case '{':
        return ReadObject(depth);
      case '[':
        return ReadArray(depth);
      case '"':
        return ReadString();
      default:
        return ReadWord();
    }
  }

  NodePtr ReadObject(size_t depth) {
    NodePtr node = NewNode(YamlNode::Kind::kMap);
    ++at_;
    SkipSpace();
    if (Take('}')) return node;
    for (;;) {
      if (Peek() != '"') {
        FailExpecting("a name in quotes");
        return nullptr;
      }
      NodePtr key = ReadString();
      SkipSpace();
      if (!Take(':')) FailExpecting("\":\" after the name");
      SkipSpace();
      NodePtr value = ReadValue(depth + 1);
      if (failed()) return nullptr;
      node->members.emplace_back(std::move(key), std::move(value));
      SkipSpace();
      if (Take('}')) return node;
      if (!Take(',')) FailExpecting("\",\" or \"}\"");
      SkipSpace();
      if (failed()) return nullptr;
    }
  }

  NodePtr ReadArray(size_t depth) {
    NodePtr node = NewNode(YamlNode::Kind::kList);
    ++at_;
    SkipSpace();
    if (Take(']')) return node;
    for (;;) {
      NodePtr item = ReadValue(depth + 1);
      if (failed()) return nullptr;
      node->items.push_back(std::move(item));
      SkipSpace();
      if (Take(']')) return node;
      if (!Take(',')) FailExpecting("\",\" or \"]\"");
      SkipSpace();
      if (failed()) return nullptr;
    }
  }

  NodePtr ReadString() {
    NodePtr node = NewNode(YamlNode::Kind::kScalar);
    node->quoted = true;
    ++at_;
    for (;;) {
      const size_t end = text_.find_first_of("\"\\\n", at_);
      node->scalar += text_.substr(at_, end == std::string_view::npos ? end : end - at_);
      at_ = end == std::string_view::npos ? text_.size() : end;
      if (Take('"')) return node;
      if (Peek() != '\\') {
        Fail("the quote of this text is not closed before the end of the line");
        return node;
      }
      ReadEscape(node->scalar);
      if (failed()) return node;
    }
  }

  void ReadEscape(std::string& out) {
    static constexpr std::string_view kNames = "\"\\/bfnrt";
    static constexpr std::string_view kValues = "\"\\/\b\f\n\r\t";
    const char name = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
    if (const size_t index = kNames.find(name); name != '\0' && index != std::string_view::npos) {
      out += kValues[index];
      at_ += 2;
      return;
    }
    std::optional<uint32_t> code = name == 'u' ? HexAt(at_ + 2) : std::nullopt;
    if (!code.has_value()) {
      Fail("this is no escape of JSON; write a backslash as \\\\");
      return;
    }
    size_t length = 6;
    if (*code >= 0xd800 && *code <= 0xdfff) {
      // UTF-16's way of writing what is above U+FFFF: two halves.
      const bool high = *code < 0xdc00;
      const std::optional<uint32_t> low =
          high && text_.substr(at_ + 6).starts_with("\\u") ? HexAt(at_ + 8) : std::nullopt;
      if (!low.has_value() || *low < 0xdc00 || *low > 0xdfff) {
        Fail("this escape is one half of a surrogate pair; the other half is missing");
        return;
      }
      code = 0x10000 + ((*code - 0xd800) << 10) + (*low - 0xdc00);
      length = 12;
    }
    AppendUtf8(*code, out);
    at_ += length;
  }

  std::optional<uint32_t> HexAt(size_t begin) const {
    if (begin + 4 > text_.size()) return std::nullopt;
    uint32_t value = 0;
    for (const char c : text_.substr(begin, 4)) {
      const char lower = AsciiLower(c);
      const bool letter = lower >= 'a' && lower <= 'f';
      if (!letter && !IsDigit(c)) return std::nullopt;
      value = value * 16 + static_cast<uint32_t>(letter ? lower - 'a' + 10 : c - '0');
    }
    return value;
  }

  // true, false, null or a number.
  NodePtr ReadWord() {
    NodePtr node = NewNode(YamlNode::Kind::kScalar);
    const size_t end = text_.find_first_of(",:]}[{\" \t\r\n", at_);
    const std::string_view word =
        text_.substr(at_, end == std::string_view::npos ? end : end - at_);
    if (word == "null") {
      node->kind = YamlNode::Kind::kNull;
    } else if (word != "true" && word != "false" && !IsJsonNumber(word)) {
      FailExpecting("a value");
      return nullptr;
    }
    node->scalar = word;
    at_ += word.size();
    return node;
  }

  static bool IsJsonNumber(std::string_view word) {
    const auto take_digits = [&word] {
      size_t count = 0;
      while (count < word.size() && IsDigit(word[count])) ++count;
      word.remove_prefix(count);
      return count > 0;
    };
    if (word.starts_with('-')) word.remove_prefix(1);
    const bool leading_zero = word.size() > 1 && word[0] == '0' && IsDigit(word[1]);
    if (leading_zero || !take_digits()) return false;
    if (word.starts_with('.')) {
      word.remove_prefix(1);
      if (!take_digits()) return false;
    }
    if (word.starts_with('e') || word.starts_with('E')) {
      word.remove_prefix(1);
      if (word.starts_with('+') || word.starts_with('-')) word.remove_prefix(1);
      if (!take_digits()) return false;
    }
    return word.empty();
  }

  const std::string_view text_;
  const YamlLimits& limits_;
  size_t at_ = 0;
  size_t line_begin_ = 0;
  uint32_t line_ = 1;
  size_t nodes_ = 0;
  JsonDocuments result_;
};

}  // namespace

JsonDocuments ReadJson(std::string_view text, const YamlLimits& limits) {
  return JsonParser(text, limits).Read();
}

bool LooksLikeJson(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  const size_t brace = text.find_first_not_of(kSpace);
  if (brace == std::string_view::npos || text[brace] != '{') return false;
  const size_t next = text.find_first_not_of(kSpace, brace + 1);
  return next == std::string_view::npos || text[next] == '"' || text[next] == '}';
}

}  // namespace apk
