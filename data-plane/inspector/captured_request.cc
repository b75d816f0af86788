// What can be told from a captured request without any I/O.
#include "data-plane/inspector/captured_request.h"

#include <algorithm>
#include <array>

#include "common/strings.h"

namespace apk::inspector {
namespace {

constexpr std::string_view kMask = "[masked]";
constexpr std::array<std::string_view, 4> kSecretHeaders = {"authorization", "proxy-authorization",
                                                            "cookie", "x-api-key"};
constexpr size_t kSchemeBytesMax = 32;

std::string_view WithoutQuery(std::string_view target) {
  return target.substr(0, target.find('?'));
}

// "Bearer abc" shows its scheme; a bare key shows nothing.
std::string Masked(const CapturedHeader& header) {
  const size_t space = header.value.find(' ');
  const bool has_scheme = ToLower(header.name).ends_with("authorization") &&
                          space != std::string::npos && space <= kSchemeBytesMax;
  return has_scheme ? Concat(header.value.substr(0, space + 1), kMask) : std::string(kMask);
}

}  // namespace

std::string_view CapturedRequest::Path() const {
  const std::string_view path = WithoutQuery(target);
  const size_t slash = path.find('/', 1);
  return slash == std::string_view::npos ? std::string_view("/") : path.substr(slash);
}

std::string_view CapturedRequest::Query() const {
  const size_t mark = target.find('?');
  return mark == std::string::npos ? std::string_view() : std::string_view(target).substr(mark + 1);
}

std::string_view CapturedRequest::Header(std::string_view name) const {
  for (const CapturedHeader& header : headers) {
    if (EqualsIgnoreCase(header.name, name)) return header.value;
  }
  return {};
}

size_t CapturedRequest::Bytes() const {
  size_t bytes = sizeof *this + method.size() + target.size() + body.capacity() + source.size();
  for (const CapturedHeader& header : headers) {
    bytes += sizeof header + header.name.size() + header.value.size();
  }
  return bytes;
}

bool IsToken(std::string_view text) {
  return text.size() >= 8 && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-';
         });
}

std::string_view TokenOf(std::string_view target) {
  if (!target.starts_with('/')) return {};
  const std::string_view path = WithoutQuery(target).substr(1);
  const std::string_view token = path.substr(0, path.find('/'));
  return IsToken(token) ? token : std::string_view();
}

void ToOriginForm(std::string& target) {
  const size_t scheme = target.find("://");
  if (target.starts_with('/') || scheme == std::string::npos) return;
  target.erase(0, target.find_first_of("/?", scheme + 3));
  if (!target.starts_with('/')) target.insert(0, "/");
}

void MaskSecrets(std::vector<CapturedHeader>& headers) {
  for (CapturedHeader& header : headers) {
    const std::string name = ToLower(header.name);
    if (std::find(kSecretHeaders.begin(), kSecretHeaders.end(), name) == kSecretHeaders.end())
      continue;
    header.value = Masked(header);
    header.masked = true;
  }
}

}  // namespace apk::inspector
