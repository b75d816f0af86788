// A recursive parser, and steps that each make many values of one.
#include "control-plane/apkctl/json_path.h"

#include <algorithm>
#include <charconv>
#include <functional>

#include "common/status_macros.h"
#include "common/strings.h"

namespace apk {
namespace {

using Json = JsonPath::Json;

constexpr int kDepthMax = 20;

std::string TextOf(const Json& value) {
  return value.is_string() ? value.get<std::string>()
                           : value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void AddAllBelow(const Json& value, const std::string& name, std::vector<const Json*>& found) {
  if (value.is_object()) {
    for (const auto& [key, member] : value.items()) {
      if (name.empty() || key == name) found.push_back(&member);
      AddAllBelow(member, name, found);
    }
  } else if (value.is_array()) {
    for (const Json& element : value) {
      if (name.empty()) found.push_back(&element);
      AddAllBelow(element, name, found);
    }
  }
}

// Of what counts from the end where it is negative.
size_t PlaceOf(int64_t index, size_t size) {
  const auto count = static_cast<int64_t>(size);
  return static_cast<size_t>(std::clamp<int64_t>(index < 0 ? index + count : index, 0, count));
}

bool Compares(const Json& left, const std::string& how, const Json& right) {
  if (how == "==") return left == right;
  if (how == "!=") return left != right;
  const bool alike =
      (left.is_number() && right.is_number()) || (left.is_string() && right.is_string());
  if (!alike) return false;
  if (how == "<") return left < right;
  if (how == ">") return left > right;
  return how == "<=" ? left <= right : left >= right;
}

}  // namespace

class JsonPath::Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  absl::StatusOr<std::vector<Part>> ReadAll() {
    if (text_.find('{') == std::string_view::npos) {
      Part part;
      ASSIGN_OR_RETURN(part.path, ReadPath(""));
      RETURN_IF_ERROR(Expect("", "an expression ends here"));
      return std::vector<Part>{std::move(part)};
    }
    ASSIGN_OR_RETURN(std::vector<Part> parts, ReadParts(0));
    return parts;
  }

 private:
  absl::Status Error(const std::string& what) const {
    return absl::InvalidArgumentError(
        Concat("jsonpath: character ", std::to_string(at_ + 1), ": ", what));
  }
  bool Done() const { return at_ >= text_.size(); }
  bool Take(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  void SkipSpaces() {
    while (!Done() && text_[at_] == ' ') ++at_;
  }
  // "" is the end.
  absl::Status Expect(std::string_view word, const std::string& what) {
    SkipSpaces();
    if (word.empty() ? Done() : Take(word)) return absl::OkStatus();
    return Error(what);
  }

  // Up to the end of the text, or within a range up to its {end}.
  absl::StatusOr<std::vector<Part>> ReadParts(int depth) {
    if (depth > kDepthMax) return Error("ranges are nested too deep");
    std::vector<Part> parts;
    while (!Done()) {
      const size_t brace = std::min(text_.find('{', at_), text_.size());
      if (brace > at_) parts.emplace_back().text = text_.substr(at_, brace - at_);
      at_ = brace;
      if (!Take("{")) break;
      SkipSpaces();
      if (Take("end")) {
        RETURN_IF_ERROR(Expect("}", "} is missing behind end"));
        if (depth == 0) return Error("end without a range");
        return parts;
      }
      ASSIGN_OR_RETURN(Part part, ReadExpression(depth));
      parts.push_back(std::move(part));
    }
    if (depth > 0) return Error("{end} of a range is missing");
    return parts;
  }

  absl::StatusOr<Part> ReadExpression(int depth) {
    Part part;
    if (!Done() && (text_[at_] == '"' || text_[at_] == '\'')) {
      ASSIGN_OR_RETURN(part.text, ReadQuoted());
    } else {
      part.is_range = Take("range ");
      SkipSpaces();
      ASSIGN_OR_RETURN(part.path, ReadPath("} "));
    }
    RETURN_IF_ERROR(Expect("}", "} is missing"));
    if (part.is_range) {
      ASSIGN_OR_RETURN(part.body, ReadParts(depth + 1));
    }
    return part;
  }

  absl::StatusOr<std::string> ReadQuoted() {
    const char quote = text_[at_++];
    std::string read;
    for (; !Done() && text_[at_] != quote; ++at_) {
      if (text_[at_] != '\\' || at_ + 1 == text_.size()) {
        read += text_[at_];
        continue;
      }
      const char escaped = text_[++at_];
      read += escaped == 'n' ? '\n' : escaped == 't' ? '\t' : escaped;
    }
    if (Done()) return Error("a quote is not closed");
    ++at_;
    return read;
  }

  // Ends before one of `ends`, or with the text.
  absl::StatusOr<Path> ReadPath(std::string_view ends) {
    Path path;
    if (!Take("$")) Take("@");
    while (!Done() && ends.find(text_[at_]) == std::string_view::npos) {
      if (Take("..")) {
        Step step{.kind = Step::Kind::kBelow};
        if (!Take("*")) step.name = ReadName(ends);
        path.push_back(std::move(step));
      } else if (Take(".")) {
        if (Take("*")) {
          path.push_back({.kind = Step::Kind::kAll});
          continue;
        }
        Step step{.name = ReadName(ends)};
        if (step.name.empty() && (Done() || text_[at_] != '[') && !path.empty()) {
          return Error("a name is missing behind the dot");
        }
        if (!step.name.empty()) path.push_back(std::move(step));
      } else if (Take("[")) {
        ASSIGN_OR_RETURN(Step step, ReadBracket());
        path.push_back(std::move(step));
      } else {
        return Error("a path goes on with . or [");
      }
    }
    return path;
  }

  std::string ReadName(std::string_view ends) {
    std::string name;
    for (; !Done(); ++at_) {
      const char c = text_[at_];
      if (c == '\\' && at_ + 1 < text_.size()) {
        name += text_[++at_];
      } else if (c == '.' || c == '[' || ends.find(c) != std::string_view::npos) {
        break;
      } else {
        name += c;
      }
    }
    return name;
  }

  absl::StatusOr<Step> ReadBracket() {
    Step step;
    if (Take("?(")) {
      ASSIGN_OR_RETURN(step, ReadFilter());
    } else if (Take("*")) {
      step.kind = Step::Kind::kAll;
    } else if (!Done() && (text_[at_] == '\'' || text_[at_] == '"')) {
      ASSIGN_OR_RETURN(step.name, ReadQuoted());
    } else {
      step.kind = Step::Kind::kIndex;
      step.begin = ReadNumber();
      if (Take(":")) {
        step.kind = Step::Kind::kSlice;
        step.end = ReadNumber();
      } else if (!step.begin.has_value()) {
        return Error("in [] a number, *, 'name' or ?(…) is expected");
      }
    }
    RETURN_IF_ERROR(Expect("]", "] is missing"));
    return step;
  }

  std::optional<int64_t> ReadNumber() {
    int64_t number = 0;
    const auto [end, error] =
        std::from_chars(text_.data() + at_, text_.data() + text_.size(), number);
    if (error != std::errc()) return std::nullopt;
    at_ = static_cast<size_t>(end - text_.data());
    return number;
  }

  absl::StatusOr<Step> ReadFilter() {
    Step step{.kind = Step::Kind::kFilter};
    SkipSpaces();
    if (Done() || text_[at_] != '@') return Error("a filter begins with @");
    ASSIGN_OR_RETURN(step.filter, ReadPath(" =!<>)"));
    SkipSpaces();
    for (const char* const compare : {"==", "!=", "<=", ">=", "<", ">"}) {
      if (step.compare.empty() && Take(compare)) step.compare = compare;
    }
    if (!step.compare.empty()) {
      SkipSpaces();
      ASSIGN_OR_RETURN(step.with, ReadValue());
    }
    RETURN_IF_ERROR(Expect(")", ") is missing"));
    return step;
  }

  absl::StatusOr<Json> ReadValue() {
    if (!Done() && (text_[at_] == '"' || text_[at_] == '\'')) {
      ASSIGN_OR_RETURN(const std::string text, ReadQuoted());
      return Json(text);
    }
    const size_t end = std::min(text_.find_first_of(" )", at_), text_.size());
    Json value = Json::parse(text_.substr(at_, end - at_), nullptr, false);
    if (value.is_discarded()) return Error("a value is expected: 'text', a number, true or false");
    at_ = end;
    return value;
  }

  const std::string_view text_;
  size_t at_ = 0;
};

absl::StatusOr<JsonPath> JsonPath::Parse(std::string_view text) {
  JsonPath path;
  ASSIGN_OR_RETURN(path.parts_, Parser(text).ReadAll());
  return path;
}

bool JsonPath::Holds(const Step& filter, const Json& element) {
  const std::vector<const Json*> found = Select(filter.filter, element);
  if (filter.compare.empty()) return !found.empty();
  return std::any_of(found.begin(), found.end(), [&](const Json* value) {
    return Compares(*value, filter.compare, filter.with);
  });
}

std::vector<const JsonPath::Json*> JsonPath::Select(const Path& path, const Json& from) {
  std::vector<const Json*> values = {&from};
  for (const Step& step : path) {
    std::vector<const Json*> next;
    for (const Json* const value : values) {
      const size_t size = value->is_array() ? value->size() : 0;
      switch (step.kind) {
        case Step::Kind::kMember:
          if (value->is_object() && value->contains(step.name))
            next.push_back(&(*value)[step.name]);
          break;
        case Step::Kind::kAll:
          if (value->is_structured()) {
            for (const Json& element : *value) next.push_back(&element);
          }
          break;
        case Step::Kind::kIndex: {
          const int64_t index =
              *step.begin < 0 ? *step.begin + static_cast<int64_t>(size) : *step.begin;
          const bool is_there = index >= 0 && index < static_cast<int64_t>(size);
          if (is_there) next.push_back(&(*value)[static_cast<size_t>(index)]);
          break;
        }
        case Step::Kind::kSlice:
          for (size_t i = PlaceOf(step.begin.value_or(0), size);
               i < (step.end.has_value() ? PlaceOf(*step.end, size) : size); ++i) {
            next.push_back(&(*value)[i]);
          }
          break;
        case Step::Kind::kBelow:
          AddAllBelow(*value, step.name, next);
          break;
        case Step::Kind::kFilter:
          for (size_t i = 0; i < size; ++i) {
            if (Holds(step, (*value)[i])) next.push_back(&(*value)[i]);
          }
      }
    }
    values = std::move(next);
  }
  return values;
}

void JsonPath::Print(const std::vector<Part>& parts, const Json& at, std::string& out) {
  for (const Part& part : parts) {
    out += part.text;
    if (!part.text.empty()) continue;
    const std::vector<const Json*> values = Select(part.path, at);
    for (size_t i = 0; i < values.size(); ++i) {
      if (part.is_range) {
        Print(part.body, *values[i], out);
      } else {
        out += Concat(i == 0 ? "" : " ", TextOf(*values[i]));
      }
    }
  }
}

std::string JsonPath::Print(const Json& root) const {
  std::string out;
  Print(parts_, root, out);
  return out;
}

}  // namespace apk
