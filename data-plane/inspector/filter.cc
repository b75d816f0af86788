// Splits a filter into terms, and tests requests against them.
#include "data-plane/inspector/filter.h"

#include <algorithm>
#include <optional>

#include "common/status_macros.h"
#include "common/strings.h"
#include "data-plane/inspector/query.h"

namespace apk::inspector {
namespace {

using Field = FilterTerm::Field;
using Test = FilterTerm::Test;

// One word of the filter: what stood before quotes began may be a key, the rest is text.
struct Word {
  std::string text;
  size_t quoted_at = std::string::npos;  // Where in `text` the first quoted character is.
};

absl::StatusOr<std::vector<Word>> SplitWords(std::string_view text) {
  std::vector<Word> words;
  Word word;
  bool in_word = false, in_quotes = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') {
      if (!in_quotes && word.quoted_at == std::string::npos) word.quoted_at = word.text.size();
      in_quotes = !in_quotes;
      in_word = true;
    } else if (in_quotes && c == '\\' && i + 1 < text.size()) {
      word.text += text[++i];
    } else if (!in_quotes && (c == ' ' || c == '\t')) {
      if (in_word) words.push_back(std::move(word));
      word = Word();
      in_word = false;
    } else {
      word.text += c;
      in_word = true;
    }
  }
  if (in_quotes) return absl::InvalidArgumentError("a quote isn't closed");
  if (in_word) words.push_back(std::move(word));
  return words;
}

absl::Status ParseAge(std::string_view value, FilterTerm& term) {
  const size_t digits = std::min(value.find_first_not_of("0123456789"), value.size());
  const std::string_view unit = value.substr(digits);
  if (digits == 0 || digits > 6 || (unit != "s" && unit != "m" && unit != "h")) {
    return absl::InvalidArgumentError("after: takes a time like 30s, 10m or 2h");
  }
  const int number = std::stoi(std::string(value.substr(0, digits)));
  term.age = std::chrono::seconds(int64_t{number} * (unit == "s" ? 1 : unit == "m" ? 60 : 3600));
  return absl::OkStatus();
}

std::optional<Field> PlainField(std::string_view key) {
  if (key == "method") return Field::kMethod;
  if (key == "path") return Field::kPath;
  if (key == "body") return Field::kBody;
  if (key == "source") return Field::kSource;
  if (key == "after") return Field::kAfter;
  return std::nullopt;
}

absl::StatusOr<FilterTerm> ParseTerm(Word word) {
  FilterTerm term;
  if (word.text.size() > 1 && word.text[0] == '-' && word.quoted_at != 0) {
    term.negated = true;
    word.text.erase(0, 1);
    if (word.quoted_at != std::string::npos) --word.quoted_at;
  }
  const size_t mark = word.text.find_first_of(":=~");
  const bool has_mark = mark != std::string::npos && mark < word.quoted_at;
  const std::string key =
      ToLower(std::string_view(word.text).substr(0, has_mark ? mark : std::string::npos));
  const std::string value = has_mark ? word.text.substr(mark + 1) : std::string();
  const bool named =
      word.quoted_at != 0 && (key.starts_with("header.") || key.starts_with("query."));
  if (named) {
    term.field = key[0] == 'h' ? Field::kHeader : Field::kQuery;
    term.name = word.text.substr(key.find('.') + 1, key.size() - key.find('.') - 1);
    if (term.name.empty()) return absl::InvalidArgumentError(key + " needs a name");
    term.test = !has_mark                ? Test::kPresent
                : word.text[mark] == '=' ? Test::kEquals
                                         : Test::kContains;
    term.value = value;
    return term;
  }
  const std::optional<Field> field = has_mark ? PlainField(key) : std::nullopt;
  if (!field.has_value()) {
    term.value = word.text;
    return term;
  }
  term.field = *field;
  term.value = value;
  term.test = word.text[mark] == '=' ? Test::kEquals : Test::kContains;
  if (value.empty()) return absl::InvalidArgumentError(key + " needs a value");
  if (*field == Field::kAfter) RETURN_IF_ERROR(ParseAge(value, term));
  return term;
}

bool ContainsIgnoreCase(std::string_view text, std::string_view part) {
  return std::search(text.begin(), text.end(), part.begin(), part.end(),
                     [](char a, char b) { return AsciiLower(a) == AsciiLower(b); }) != text.end();
}

bool Holds(Test test, std::string_view text, std::string_view value) {
  if (test == Test::kPresent) return true;
  return test == Test::kEquals ? EqualsIgnoreCase(text, value) : ContainsIgnoreCase(text, value);
}

bool HoldsExactly(Test test, std::string_view text, std::string_view value) {
  return test == Test::kEquals ? text == value : text.find(value) != std::string_view::npos;
}

bool AnyHeader(const FilterTerm& term, const CapturedRequest& request) {
  return std::any_of(request.headers.begin(), request.headers.end(),
                     [&](const CapturedHeader& header) {
                       return EqualsIgnoreCase(header.name, term.name) &&
                              Holds(term.test, header.value, term.value);
                     });
}

bool AnyParameter(const FilterTerm& term, const CapturedRequest& request) {
  const std::vector<QueryParameter> query = ParseQuery(request.Query());
  return std::any_of(query.begin(), query.end(), [&](const QueryParameter& parameter) {
    return parameter.name == term.name && Holds(term.test, parameter.value, term.value);
  });
}

bool Anywhere(std::string_view value, const CapturedRequest& request) {
  if (ContainsIgnoreCase(request.Path(), value) || ContainsIgnoreCase(request.Query(), value) ||
      ContainsIgnoreCase(request.method, value) || ContainsIgnoreCase(request.body, value)) {
    return true;
  }
  return std::any_of(
      request.headers.begin(), request.headers.end(), [&](const CapturedHeader& header) {
        return ContainsIgnoreCase(header.name, value) || ContainsIgnoreCase(header.value, value);
      });
}

bool Holds(const FilterTerm& term, const CapturedRequest& request, WallTime now) {
  switch (term.field) {
    case Field::kMethod:
      return EqualsIgnoreCase(request.method, term.value);
    case Field::kPath:
      return HoldsExactly(term.test, request.Path(), term.value);
    case Field::kHeader:
      return AnyHeader(term, request);
    case Field::kQuery:
      return AnyParameter(term, request);
    case Field::kBody:
      return HoldsExactly(term.test, request.body, term.value);
    case Field::kSource:
      return request.source.starts_with(term.value);
    case Field::kAfter:
      return request.received_at >= now - term.age;
    case Field::kAny:
      return Anywhere(term.value, request);
  }
  return false;
}

}  // namespace

absl::StatusOr<Filter> Filter::Parse(std::string_view text) {
  if (text.size() > kBytesMax) return absl::InvalidArgumentError("a filter has at most 1024 bytes");
  ASSIGN_OR_RETURN(std::vector<Word> words, SplitWords(text));
  if (words.size() > kTermsMax) return absl::InvalidArgumentError("a filter has at most 32 terms");
  Filter filter;
  for (Word& word : words) {
    ASSIGN_OR_RETURN(FilterTerm term, ParseTerm(std::move(word)));
    filter.terms_.push_back(std::move(term));
  }
  return filter;
}

bool Filter::Matches(const CapturedRequest& request, WallTime now) const {
  return std::all_of(terms_.begin(), terms_.end(), [&](const FilterTerm& term) {
    return Holds(term, request, now) != term.negated;
  });
}

}  // namespace apk::inspector
