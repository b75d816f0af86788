// A path that is normal already, as nearly all are, is checked in one scan and copied.
#include "data-plane/http/path.h"

#include <array>
#include <cstring>

#include "common/strings.h"

namespace apk {
namespace {

enum PathByte : uint8_t { kBad, kPlain, kSlash, kDot, kPercent };

// RFC 3986 pchar and '/', plus the brackets and quotes that clients send unescaped all the same.
constexpr std::array<PathByte, 256> MakePathTable() {
  std::array<PathByte, 256> table{};
  for (size_t c = 0x21; c < 0x7f; ++c) table[c] = kPlain;
  for (const char c : {'\\', '#', '?'}) table[static_cast<unsigned char>(c)] = kBad;
  table['/'] = kSlash;
  table['.'] = kDot;
  table['%'] = kPercent;
  return table;
}

constexpr std::array<PathByte, 256> kPathTable = MakePathTable();

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool IsUnreserved(int c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

enum class Scan : uint8_t { kNormal, kNeedsWork, kBad };

// Normal: only plain bytes, single slashes, and no segment that begins with a dot.
Scan ScanPath(std::string_view path) {
  Scan result = Scan::kNormal;
  bool after_slash = false;
  for (const char c : path) {
    switch (kPathTable[static_cast<unsigned char>(c)]) {
      case kBad:
        return Scan::kBad;
      case kPlain:
        after_slash = false;
        break;
      case kSlash:
        if (after_slash) result = Scan::kNeedsWork;
        after_slash = true;
        break;
      case kDot:
        if (after_slash) result = Scan::kNeedsWork;
        after_slash = false;
        break;
      case kPercent:
        result = Scan::kNeedsWork;
        after_slash = false;
        break;
    }
  }
  return result;
}

// One %XX at text[i]; appends what it stands for.
bool AppendEscape(std::string_view text, size_t i, std::string& out) {
  if (i + 2 >= text.size()) return false;
  const int high = HexDigit(text[i + 1]);
  const int low = HexDigit(text[i + 2]);
  if (high < 0 || low < 0) return false;
  const int byte = high * 16 + low;
  if (byte < 0x20 || byte == 0x7f || byte == '/' || byte == '\\') return false;
  if (byte == 0xc0 || byte == 0xc1 || byte > 0xf4) return false;  // In no UTF-8: overlong forms.
  if (IsUnreserved(byte)) {
    out += static_cast<char>(byte);
    return true;
  }
  constexpr char kHex[] = "0123456789ABCDEF";
  out += '%';
  out += kHex[high];
  out += kHex[low];
  return true;
}

bool DecodePath(std::string_view path, std::string& out) {
  out.clear();
  for (size_t i = 0; i < path.size(); ++i) {
    if (path[i] != '%') {
      out += path[i];
      continue;
    }
    if (!AppendEscape(path, i, out)) return false;
    i += 2;
  }
  return true;
}

// In place: the written part never overtakes the part that is read.
void ResolveSegments(std::string& path) {
  size_t written = 0;
  size_t read = 0;
  const size_t size = path.size();
  while (read < size) {
    while (read < size && path[read] == '/') ++read;
    size_t end = path.find('/', read);
    if (end == std::string::npos) end = size;
    const std::string_view segment(path.data() + read, end - read);
    const bool last = end == size;
    if (segment == "..") {
      while (written > 0 && path[--written] != '/') {
      }
      if (last) path[written++] = '/';
    } else if (segment == "." || segment.empty()) {
      if (last) path[written++] = '/';
    } else {
      path[written++] = '/';
      std::memmove(path.data() + written, segment.data(), segment.size());
      written += segment.size();
    }
    read = end;
  }
  path.resize(written);
  if (path.empty()) path = "/";
}

bool IsTargetByte(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte > 0x20 && byte < 0x7f;
}

bool IsHostByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_';
}

bool IsPort(std::string_view text) {
  if (text.size() > 5) return false;
  unsigned port = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    port = port * 10 + static_cast<unsigned>(c - '0');
  }
  return port <= 65535;
}

}  // namespace

std::optional<TargetParts> SplitTarget(std::string_view target) {
  if (target.empty()) return std::nullopt;
  for (const char c : target) {
    if (!IsTargetByte(c) || c == '#') return std::nullopt;
  }
  TargetParts parts;
  if (target == "*") {
    parts.form = TargetForm::kAsterisk;
    return parts;
  }
  std::string_view rest = target;
  if (target[0] != '/') {
    const size_t scheme_end = target.find("://");
    if (scheme_end == std::string_view::npos) {
      parts.form = TargetForm::kAuthority;
      parts.authority = target;
      return parts;
    }
    const std::string_view scheme = target.substr(0, scheme_end);
    if (!EqualsIgnoreCase(scheme, "http") && !EqualsIgnoreCase(scheme, "https"))
      return std::nullopt;
    parts.form = TargetForm::kAbsolute;
    rest = target.substr(scheme_end + 3);
    const size_t authority_end = rest.find_first_of("/?");
    parts.authority = rest.substr(0, authority_end);
    if (parts.authority.empty()) return std::nullopt;
    rest =
        authority_end == std::string_view::npos ? std::string_view() : rest.substr(authority_end);
  }
  const size_t question = rest.find('?');
  parts.path = rest.substr(0, question);
  if (parts.path.empty()) parts.path = "/";
  if (question != std::string_view::npos) {
    parts.has_query = true;
    parts.query = rest.substr(question + 1);
  }
  return parts;
}

bool NormalizePath(std::string_view path, std::string& out) {
  if (path.empty() || path[0] != '/') return false;
  switch (ScanPath(path)) {
    case Scan::kBad:
      return false;
    case Scan::kNormal:
      out.assign(path);
      return true;
    case Scan::kNeedsWork:
      break;
  }
  if (!DecodePath(path, out)) return false;
  ResolveSegments(out);
  // Servers that know path parameters take "..;" for "..".
  return out.find("/..;") == std::string::npos && out.find("/.;") == std::string::npos;
}

std::string_view TrimTrailingSlashes(std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  return path;
}

bool ParseAuthority(std::string_view authority, std::string& host) {
  std::string_view name = authority;
  std::string_view rest;
  if (authority.starts_with('[')) {
    const size_t end = authority.find(']');
    if (end == std::string_view::npos || end < 3) return false;
    name = authority.substr(0, end + 1);
    rest = authority.substr(end + 1);
    for (const char c : name.substr(1, end - 1)) {
      if (HexDigit(c) < 0 && c != ':' && c != '.') return false;
    }
  } else {
    const size_t colon = authority.find(':');
    name = authority.substr(0, colon);
    if (colon != std::string_view::npos) rest = authority.substr(colon);
    for (const char c : name) {
      if (!IsHostByte(c)) return false;
    }
  }
  if (name.empty() || name.size() > 255) return false;
  if (!rest.empty() && (rest[0] != ':' || !IsPort(rest.substr(1)))) return false;
  host.assign(name);
  for (char& c : host) c = AsciiLower(c);
  if (host.ends_with('.')) host.pop_back();  // The root label adds nothing.
  return !host.empty() && host.front() != '.' && host.find("..") == std::string::npos &&
         !host.ends_with('.');
}

}  // namespace apk
