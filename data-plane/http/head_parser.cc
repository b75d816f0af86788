// One pass over the lines of a head; see the header for what is refused.
#include "data-plane/http/head_parser.h"

#include <array>
#include <cstring>
#include <optional>

#include "common/strings.h"
#include "common/words.h"
#include "data-plane/http/path.h"

namespace apk {
namespace {

// RFC 9110 5.6.2.
constexpr std::array<bool, 256> MakeTokenTable() {
  std::array<bool, 256> table{};
  for (unsigned char c = '0'; c <= '9'; ++c) table[c] = true;
  for (unsigned char c = 'a'; c <= 'z'; ++c) table[c] = true;
  for (unsigned char c = 'A'; c <= 'Z'; ++c) table[c] = true;
  for (const char c :
       {'!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~'}) {
    table[static_cast<unsigned char>(c)] = true;
  }
  return table;
}

// RFC 9110 5.5: visible characters, space, tab and obs-text.
constexpr std::array<bool, 256> MakeValueTable() {
  std::array<bool, 256> table{};
  for (size_t c = 0x20; c < 256; ++c) table[c] = c != 0x7f;
  table['\t'] = true;
  return table;
}

constexpr std::array<bool, 256> kToken = MakeTokenTable();
constexpr std::array<bool, 256> kValue = MakeValueTable();
constexpr size_t kMethodSizeMax = 32;
constexpr size_t kLengthDigitsMax = 18;

// Takes the next line, without its CRLF, off `rest`. REQUIRES: HeadScanner saw that each ends in
// CRLF.
std::string_view TakeLine(std::string_view& rest) {
  const size_t end = rest.find('\n');
  const std::string_view line = rest.substr(0, end - 1);
  rest.remove_prefix(end + 1);
  return line;
}

// "HTTP/1.0" and "HTTP/1.1" give 0 and 1.
HeadError ParseVersion(std::string_view text, uint8_t& minor) {
  if (text.size() != 8 || !text.starts_with("HTTP/") || text[6] != '.')
    return HeadError::kMalformed;
  const char major_digit = text[5];
  const char minor_digit = text[7];
  if (major_digit < '0' || major_digit > '9' || minor_digit < '0' || minor_digit > '9') {
    return HeadError::kMalformed;
  }
  if (major_digit != '1') return HeadError::kVersion;
  minor = minor_digit == '0' ? 0 : 1;
  return HeadError::kNone;
}

// Written as HTTP/1.1 is written by nearly everybody, so that it can be passed on as it stands.
bool IsPlain(std::string_view line, const FieldLine& field) {
  const size_t value_begin = static_cast<size_t>(field.value.data() - line.data());
  return value_begin == field.name.size() + 2 && line[field.name.size() + 1] == ' ' &&
         value_begin + field.value.size() == line.size();
}

HeadError ParseFields(std::string_view lines, const HeadLimits& limits, HeaderMap& headers) {
  headers.Load(lines);
  std::string_view rest = lines;
  while (rest != "\r\n") {
    if (headers.size() == limits.fields_max) return HeadError::kHeadTooLarge;
    const size_t offset = lines.size() - rest.size();
    const std::string_view line = TakeLine(rest);
    const std::optional<FieldLine> field = ParseFieldLine(line);
    if (!field.has_value()) return HeadError::kMalformed;
    if (IsPlain(line, *field)) {
      headers.AddLoaded(offset, field->name, field->value.size());
    } else {
      headers.Add(field->name, field->value);
    }
  }
  return HeadError::kNone;
}

std::optional<uint64_t> ParseLength(std::string_view text) {
  if (text.empty() || text.size() > kLengthDigitsMax) return std::nullopt;
  uint64_t length = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    length = length * 10 + static_cast<uint64_t>(c - '0');
  }
  return length;
}

// What the fields say of the body: nothing, a length, or chunks (RFC 9112 6.1 to 6.3).
struct DeclaredFraming {
  HeadError error = HeadError::kNone;
  std::optional<uint64_t> length;
  bool chunked = false;
};

DeclaredFraming ReadFraming(const HeaderMap& headers, uint8_t minor_version) {
  DeclaredFraming framing;
  if (const auto coding = headers.Get(HeaderId::kTransferEncoding); coding.has_value()) {
    framing.chunked = true;
    const bool known = minor_version > 0 && EqualsIgnoreCase(*coding, "chunked");
    if (!known || headers.Count(HeaderId::kTransferEncoding) > 1) {
      framing.error = HeadError::kMalformed;
    }
  }
  const std::optional<DeclaredLength> length = ReadContentLength(headers);
  if (!length.has_value()) {
    framing.error = HeadError::kMalformed;
  } else if (length->present) {
    framing.length = length->bytes;
  }
  if (framing.chunked && framing.length.has_value()) framing.error = HeadError::kMalformed;
  return framing;
}

// Whether the sender keeps the connection (RFC 9112 9.3).
bool KeepsAlive(const HeaderMap& headers, uint8_t minor_version) {
  bool close = false;
  bool keep = false;
  if (!headers.Has(HeaderId::kConnection)) return minor_version == 1;
  for (size_t i = 0; i < headers.size(); ++i) {
    if (headers.id(i) != HeaderId::kConnection) continue;
    std::string_view rest = headers.value(i);
    while (!rest.empty()) {
      const size_t comma = rest.find(',');
      const std::string_view option = TrimSpace(rest.substr(0, comma));
      if (EqualsIgnoreCase(option, "close")) close = true;
      if (EqualsIgnoreCase(option, "keep-alive")) keep = true;
      rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    }
  }
  if (close) return false;
  return minor_version == 1 || keep;
}

HeadError ParseTarget(std::string_view text, RequestHead& out) {
  out.target.assign(text);
  const std::optional<TargetParts> target = SplitTarget(text);
  if (!target.has_value() || target->form == TargetForm::kAuthority) return HeadError::kMalformed;
  if (target->form == TargetForm::kAsterisk && out.method != "OPTIONS")
    return HeadError::kMalformed;
  out.has_query = target->has_query;
  out.query.assign(target->query);
  out.authority.assign(target->authority);  // "" unless absolute-form.
  if (target->form == TargetForm::kAsterisk) {
    out.path = "*";
    return HeadError::kNone;
  }
  return NormalizePath(target->path, out.path) ? HeadError::kNone : HeadError::kMalformed;
}

// Exactly one Host in HTTP/1.1; where the target is absolute it must agree (RFC 9112 3.2).
HeadError ReadHost(RequestHead& out) {
  const size_t count = out.headers.Count(HeaderId::kHost);
  if (count > 1 || (count == 0 && out.minor_version == 1)) return HeadError::kMalformed;
  if (count == 1) {
    const std::string_view host = *out.headers.Get(HeaderId::kHost);
    if (out.authority.empty()) {
      out.authority.assign(host);
    } else if (!EqualsIgnoreCase(out.authority, host)) {
      return HeadError::kMalformed;
    }
  }
  if (out.authority.empty())
    return out.minor_version == 0 ? HeadError::kNone : HeadError::kMalformed;
  return ParseAuthority(out.authority, out.host) ? HeadError::kNone : HeadError::kMalformed;
}

HeadError ParseRequestLine(std::string_view line, const HeadLimits& limits, RequestHead& out) {
  if (line.size() > limits.request_line_bytes_max) return HeadError::kTargetTooLong;
  const size_t method_end = line.find(' ');
  if (method_end == std::string_view::npos || method_end > kMethodSizeMax)
    return HeadError::kMalformed;
  const size_t target_end = line.rfind(' ');
  if (target_end <= method_end + 1) return HeadError::kMalformed;
  const std::string_view method = line.substr(0, method_end);
  if (!IsToken(method)) return HeadError::kMalformed;
  out.method.assign(method);
  const HeadError version = ParseVersion(line.substr(target_end + 1), out.minor_version);
  if (version != HeadError::kNone) return version;
  return ParseTarget(line.substr(method_end + 1, target_end - method_end - 1), out);
}

}  // namespace

bool IsToken(std::string_view text) {
  for (const char c : text) {
    if (!kToken[static_cast<unsigned char>(c)]) return false;
  }
  return !text.empty();
}

bool IsFieldValue(std::string_view text) {
  // Eight bytes at once where none of them is a control character, as nearly always.
  while (text.size() >= 8) {
    const auto bytes = LoadWord<uint64_t>(text.data());
    const uint64_t below_space = (bytes - kEachByte * 0x20) & ~bytes & kHighBits;
    if ((below_space | EqualBytes(bytes, 0x7f)) != 0) break;
    text.remove_prefix(8);
  }
  for (const char c : text) {
    if (!kValue[static_cast<unsigned char>(c)]) return false;
  }
  return true;
}

std::optional<DeclaredLength> ReadContentLength(const HeaderMap& headers) {
  DeclaredLength declared;
  const auto text = headers.Get(HeaderId::kContentLength);
  if (!text.has_value()) return declared;
  const std::optional<uint64_t> length = ParseLength(*text);
  if (!length.has_value() || headers.Count(HeaderId::kContentLength) > 1) return std::nullopt;
  declared.present = true;
  declared.bytes = *length;
  return declared;
}

std::optional<FieldLine> ParseFieldLine(std::string_view line) {
  size_t colon = 0;
  while (colon < line.size() && kToken[static_cast<unsigned char>(line[colon])]) ++colon;
  // Else obs-fold, "Name :", or no field at all.
  if (colon == 0 || colon == line.size() || line[colon] != ':') return std::nullopt;
  if (colon > kFieldNameBytesMax) return std::nullopt;
  FieldLine field;
  field.name = line.substr(0, colon);
  field.value = TrimSpace(line.substr(colon + 1));
  if (!IsFieldValue(field.value)) return std::nullopt;
  return field;
}

// The same verdict however the bytes are cut: `line_size` is without its CRLF, `end` counts all
// bytes.
bool HeadScanner::CheckSize(size_t line_size, size_t end, const HeadLimits& limits) {
  if (lines_ == 0 && line_size > limits.request_line_bytes_max) {
    error_ = HeadError::kTargetTooLong;
  } else if (end - begin_ > limits.head_bytes_max) {
    error_ = HeadError::kHeadTooLarge;
  }
  return error_ == HeadError::kNone;
}

HeadScanner::State HeadScanner::Scan(std::string_view bytes, const HeadLimits& limits) {
  for (;;) {
    const size_t from = line_ + scanned_;
    const void* const found =
        from < bytes.size() ? std::memchr(bytes.data() + from, '\n', bytes.size() - from) : nullptr;
    if (found == nullptr) {
      scanned_ = bytes.size() - line_;
      const size_t pending = scanned_ - (bytes.ends_with('\r') && scanned_ > 0 ? 1 : 0);
      return CheckSize(pending, bytes.size(), limits) ? State::kIncomplete : State::kError;
    }
    const size_t newline = static_cast<size_t>(static_cast<const char*>(found) - bytes.data());
    if (newline == line_ || bytes[newline - 1] != '\r') {
      error_ = HeadError::kMalformed;
      return State::kError;
    }
    const bool empty = newline == line_ + 1;
    if (!CheckSize(newline - 1 - line_, newline + 1, limits)) return State::kError;
    line_ = newline + 1;
    scanned_ = 0;
    if (!empty) {
      ++lines_;
      continue;
    }
    if (lines_ > 0) {
      end_ = line_;
      return State::kComplete;
    }
    begin_ = line_;  // An empty line before the request line; a few are tolerated.
    if (begin_ > 8) {
      error_ = HeadError::kMalformed;
      return State::kError;
    }
  }
}

HeadError ParseRequestHead(std::string_view head, const HeadLimits& limits, RequestHead& out) {
  out.Clear();
  std::string_view rest = head;
  HeadError error = ParseRequestLine(TakeLine(rest), limits, out);
  if (error != HeadError::kNone) return error;
  error = ParseFields(rest, limits, out.headers);
  if (error != HeadError::kNone) return error;
  error = ReadHost(out);
  if (error != HeadError::kNone) return error;

  const DeclaredFraming declared = ReadFraming(out.headers, out.minor_version);
  if (declared.error != HeadError::kNone) return declared.error;
  if (declared.chunked) {
    out.framing.kind = BodyFraming::Kind::kChunked;
  } else if (declared.length.value_or(0) > 0) {
    out.framing = {.kind = BodyFraming::Kind::kLength, .length = *declared.length};
  }
  out.keep_alive = KeepsAlive(out.headers, out.minor_version);
  if (const auto expect = out.headers.Get(HeaderId::kExpect); expect.has_value()) {
    out.expect_continue = out.minor_version == 1 && EqualsIgnoreCase(*expect, "100-continue");
  }
  return HeadError::kNone;
}

HeadError ParseResponseHead(std::string_view head, const HeadLimits& limits, bool request_was_head,
                            ResponseHead& out) {
  out.Clear();
  std::string_view rest = head;
  const std::string_view line = TakeLine(rest);
  if (line.size() < 12 || line[8] != ' ' || (line.size() > 12 && line[12] != ' ')) {
    return HeadError::kMalformed;
  }
  HeadError error = ParseVersion(line.substr(0, 8), out.minor_version);
  if (error != HeadError::kNone) return error;
  for (const char digit : line.substr(9, 3)) {
    if (digit < '0' || digit > '9') return HeadError::kMalformed;
    out.status = static_cast<uint16_t>(out.status * 10 + (digit - '0'));
  }
  if (out.status < 100 || out.status > 599) return HeadError::kMalformed;
  if (line.size() > 13) {
    out.reason.assign(line.substr(13));
    if (!IsFieldValue(out.reason)) return HeadError::kMalformed;
  }
  error = ParseFields(rest, limits, out.headers);
  if (error != HeadError::kNone) return error;

  const DeclaredFraming declared = ReadFraming(out.headers, out.minor_version);
  if (declared.error != HeadError::kNone) return declared.error;
  out.keep_alive = KeepsAlive(out.headers, out.minor_version);
  const bool bodiless =
      request_was_head || out.status < 200 || out.status == 204 || out.status == 304;
  if (bodiless) return HeadError::kNone;
  if (declared.chunked) {
    out.framing.kind = BodyFraming::Kind::kChunked;
  } else if (!declared.length.has_value()) {
    out.framing.kind = BodyFraming::Kind::kUntilClose;
    out.keep_alive = false;
  } else if (*declared.length > 0) {
    out.framing = {.kind = BodyFraming::Kind::kLength, .length = *declared.length};
  }
  return HeadError::kNone;
}

}  // namespace apk
