// One table of fields for both forms.
#include "data-plane/observe/access_format.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "common/strings.h"
#include "data-plane/observe/escape.h"

namespace apk {
namespace {

void AppendInteger(std::string& out, uint64_t value) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  out.append(digits, static_cast<size_t>(end - digits));
}

void AppendPadded(std::string& out, uint64_t value, size_t width) {
  char digits[8];
  for (size_t i = width; i-- > 0; value /= 10) digits[i] = static_cast<char>('0' + value % 10);
  out.append(digits, width);
}

void AppendMilliseconds(std::string& out, std::chrono::microseconds duration) {
  const auto microseconds = static_cast<uint64_t>(std::max<int64_t>(duration.count(), 0));
  AppendInteger(out, microseconds / 1000);
  out += '.';
  AppendPadded(out, microseconds % 1000, 3);
}

// Exactly one of `text`, `number` and `append` is set.
struct Field {
  std::string_view name;
  std::string_view AccessRecord::*text = nullptr;  // Escaped; "" is absent.
  uint64_t AccessRecord::*number = nullptr;
  bool (*append)(const AccessRecord&, std::string&) = nullptr;  // False: absent.
  bool quoted = false;                                          // In JSON, where append makes it.
};

constexpr std::array kFields = {
    Field{.name = "time",
          .append =
              [](const AccessRecord& record, std::string& out) {
                AppendTime(out, record.time);
                return true;
              },
          .quoted = true},
    Field{.name = "client", .text = &AccessRecord::client},
    Field{.name = "listener", .text = &AccessRecord::listener},
    Field{.name = "method", .text = &AccessRecord::method},
    Field{.name = "host", .text = &AccessRecord::host},
    Field{.name = "path", .text = &AccessRecord::path},
    Field{.name = "protocol", .text = &AccessRecord::protocol},
    Field{.name = "status", .number = &AccessRecord::status},
    Field{.name = "bytes_in", .number = &AccessRecord::bytes_in},
    Field{.name = "bytes_out", .number = &AccessRecord::bytes_out},
    Field{.name = "duration_ms",
          .append =
              [](const AccessRecord& record, std::string& out) {
                AppendMilliseconds(out, record.duration);
                return true;
              }},
    Field{.name = "upstream_ms",
          .append =
              [](const AccessRecord& record, std::string& out) {
                if (record.upstream.count() < 0) return false;
                AppendMilliseconds(out, record.upstream);
                return true;
              }},
    Field{.name = "route", .text = &AccessRecord::route},
    Field{.name = "rule", .text = &AccessRecord::rule},
    Field{.name = "backend", .text = &AccessRecord::backend},
    Field{.name = "endpoint", .text = &AccessRecord::endpoint},
    Field{.name = "request_id", .text = &AccessRecord::request_id},
    Field{.name = "trace_id", .text = &AccessRecord::trace_id},
    Field{.name = "user_agent", .text = &AccessRecord::user_agent},
    Field{.name = "tls", .text = &AccessRecord::tls},
    Field{.name = "server_name", .text = &AccessRecord::server_name},
    Field{.name = "failure", .text = &AccessRecord::failure},
};
constexpr size_t kNoField = kFields.size();

size_t FindField(std::string_view name) {
  const auto found = std::find_if(kFields.begin(), kFields.end(),
                                  [name](const Field& field) { return field.name == name; });
  return static_cast<size_t>(found - kFields.begin());
}

std::string FieldNames() {
  std::string names;
  for (const Field& field : kFields) names += Concat(names.empty() ? "" : " ", field.name);
  return names;
}

// False: absent.
bool AppendValue(const Field& field, const AccessRecord& record,
                 void (*append_escaped)(std::string&, std::string_view), std::string& out) {
  if (field.append != nullptr) return field.append(record, out);
  if (field.number != nullptr) {
    AppendInteger(out, record.*field.number);
    return true;
  }
  const std::string_view value = record.*field.text;
  append_escaped(out, value.substr(0, AccessFormat::kValueBytesMax));
  return !value.empty();
}

absl::Status ErrorAt(size_t position, std::string_view what) {
  return absl::InvalidArgumentError(
      Concat("at character ", std::to_string(position + 1), ": ", what));
}

}  // namespace

void AppendTime(std::string& out, std::chrono::system_clock::time_point time) {
  // Not gmtime_r, which takes a lock.
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(
      std::chrono::floor<std::chrono::microseconds>(time - day));
  AppendPadded(out, static_cast<uint64_t>(static_cast<int>(date.year())), 4);
  out += '-';
  AppendPadded(out, static_cast<unsigned>(date.month()), 2);
  out += '-';
  AppendPadded(out, static_cast<unsigned>(date.day()), 2);
  out += 'T';
  AppendPadded(out, static_cast<uint64_t>(clock.hours().count()), 2);
  out += ':';
  AppendPadded(out, static_cast<uint64_t>(clock.minutes().count()), 2);
  out += ':';
  AppendPadded(out, static_cast<uint64_t>(clock.seconds().count()), 2);
  out += '.';
  AppendPadded(out, static_cast<uint64_t>(clock.subseconds().count()), 6);
  out += 'Z';
}

absl::StatusOr<AccessFormat> AccessFormat::Parse(std::string_view text) {
  AccessFormat format;
  format.json_ = text == "json";
  if (format.json_) return format;
  if (text.empty()) return absl::InvalidArgumentError("is empty");
  std::string literal;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      return ErrorAt(i, "a control character");
    }
    const bool doubled = i + 1 < text.size() && text[i + 1] == c;
    if ((c == '{' || c == '}') && doubled) {
      literal += c;
      ++i;
    } else if (c == '{') {
      const size_t end = text.find('}', i);
      if (end == std::string_view::npos) return ErrorAt(i, "'{' has no '}'");
      const std::string_view name = text.substr(i + 1, end - i - 1);
      const size_t field = FindField(name);
      if (field == kNoField) {
        return ErrorAt(i, Concat("there is no field {", name, "}, but: ", FieldNames()));
      }
      format.pieces_.push_back({std::exchange(literal, ""), field});
      i = end;
    } else if (c == '}') {
      return ErrorAt(i, "'}' has no '{'");
    } else {
      literal += c;
    }
  }
  format.pieces_.push_back({std::move(literal), kNoField});
  return format;
}

void AccessFormat::Append(const AccessRecord& record, std::string& out) const {
  if (json_) {
    AppendJson(record, out);
    return;
  }
  for (const Piece& piece : pieces_) {
    out += piece.literal;
    if (piece.field == kNoField) break;
    if (!AppendValue(kFields[piece.field], record, &AppendTextEscaped, out)) out += '-';
  }
  out += '\n';
}

void AccessFormat::AppendJson(const AccessRecord& record, std::string& out) const {
  char separator = '{';
  for (const Field& field : kFields) {
    const size_t before = out.size();
    out += separator;
    out += '"';
    out += field.name;
    out += "\":";
    const bool quoted = field.text != nullptr || field.quoted;
    if (quoted) out += '"';
    const bool present = AppendValue(field, record, &AppendJsonEscaped, out);
    if (quoted) out += '"';
    if (present) {
      separator = ',';
    } else {
      out.resize(before);
    }
  }
  out += "}\n";
}

}  // namespace apk
