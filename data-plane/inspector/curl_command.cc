// Everything that came from outside goes through ShellQuote or PrintfFormat, and nothing else.
#include "data-plane/inspector/curl_command.h"

#include <algorithm>
#include <cstdio>

#include "common/strings.h"

namespace apk::inspector {
namespace {

constexpr std::string_view kBreak = " \\\n  ";
// Linux takes no argument longer than 128 KiB; printf is a builtin and has no such limit.
constexpr size_t kArgumentBytesMax = 96 * 1024;

bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

bool IsPlainText(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) {
    return (IsControl(c) && c != '\n' && c != '\t') || static_cast<unsigned char>(c) >= 0x80;
  });
}

// A format of printf(1) that prints exactly these bytes; every one that isn't plain is in octal.
std::string PrintfFormat(std::string_view bytes) {
  std::string format;
  for (const char c : bytes) {
    if (IsControl(c) || static_cast<unsigned char>(c) >= 0x80 || c == '\'' || c == '\\' ||
        c == '%') {
      char octal[5];
      std::snprintf(octal, sizeof octal, "\\%03o", unsigned{static_cast<unsigned char>(c)});
      format += octal;
    } else {
      format += c;
    }
  }
  return format;
}

// What curl makes itself, and right for the connection that it opens.
bool CurlSetsIt(std::string_view name) {
  for (const std::string_view own :
       {"Content-Length", "Transfer-Encoding", "Connection", "Expect"}) {
    if (EqualsIgnoreCase(name, own)) return true;
  }
  return false;
}

void AppendHeaders(const CapturedRequest& request, std::string& command) {
  for (const CapturedHeader& header : request.headers) {
    if (CurlSetsIt(header.name)) continue;
    // With ':' an empty value would remove the header.
    const std::string line =
        header.value.empty() ? header.name + ";" : Concat(header.name, ": ", header.value);
    command += Concat(kBreak, "--header ", ShellQuote(line));
  }
  for (const std::string_view own : {"User-Agent", "Accept", "Content-Type"}) {
    const bool sent =
        std::any_of(request.headers.begin(), request.headers.end(),
                    [&](const auto& header) { return EqualsIgnoreCase(header.name, own); });
    if (!sent && (own != "Content-Type" || !request.body.empty())) {
      command += Concat(kBreak, "--header ", ShellQuote(Concat(own, ":")));
    }
  }
}

}  // namespace

std::string ShellQuote(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted += c;
    }
  }
  return quoted + "'";
}

absl::StatusOr<std::string> CurlCommand(const CapturedRequest& request, std::string_view origin) {
  if (request.truncated()) {
    return absl::FailedPreconditionError("the body was cut when it was captured");
  }
  const auto unsafe = [](std::string_view text) {
    return std::any_of(text.begin(), text.end(), [](char c) { return IsControl(c) && c != '\t'; });
  };
  bool has_unsafe = unsafe(request.method) || unsafe(request.target);
  for (const CapturedHeader& header : request.headers) {
    has_unsafe = has_unsafe || unsafe(header.name) || unsafe(header.value);
  }
  if (has_unsafe)
    return absl::FailedPreconditionError("it has control characters outside its body");

  std::string command =
      Concat("curl --globoff --path-as-is ", ShellQuote(Concat(origin, request.target)));
  command += request.method == "HEAD" ? std::string(" --head")
                                      : Concat(kBreak, "--request ", ShellQuote(request.method));
  AppendHeaders(request, command);
  if (request.body.empty()) return command;
  if (IsPlainText(request.body) && request.body.size() <= kArgumentBytesMax) {
    return Concat(command, kBreak, "--data-raw ", ShellQuote(request.body));
  }
  // "--" for a body that begins with a hyphen.
  return Concat("printf -- '", PrintfFormat(request.body), "' | ", command, kBreak,
                "--data-binary @-");
}

}  // namespace apk::inspector
