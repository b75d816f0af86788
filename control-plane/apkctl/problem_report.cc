// Texts come from files and the network: nothing of them may steer the terminal.
#include "control-plane/apkctl/problem_report.h"

#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <string_view>

#include "common/strings.h"
#include "control-plane/apkctl/printable.h"

namespace apk {
namespace {

constexpr size_t kPrintedMax = 20;

struct Color {
  const char* begin = "";
  const char* end = "";
};

Color ColorOf(const char* code) {
  const bool wanted = isatty(STDERR_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr;
  return wanted ? Color{.begin = code, .end = "\033[0m"} : Color{};
}

std::string PlaceOf(const SourcePosition& at) {
  if (at.file.empty()) return "";
  return Concat(at.file, ":", std::to_string(at.line), ":", std::to_string(at.column), ": ");
}

std::string TextOf(const std::string& field_path, const std::string& message,
                   const std::string& hint) {
  return Concat(field_path, field_path.empty() ? "" : ": ", message,
                hint.empty() ? "" : Concat(" (", hint, ")"));
}

void PrintCount(size_t count, std::string_view noun) {
  if (count > 0)
    std::cerr << "and " << count << " more " << noun << (count == 1 ? "" : "s") << "\n";
}

}  // namespace

void ProblemReport::PrintRest() {
  PrintCount(warnings_ - warnings_printed_, "warning");
  PrintCount(errors_ - errors_printed_, "error");
  warnings_printed_ = warnings_;
  errors_printed_ = errors_;
}

void ProblemReport::AddError(const SourcePosition& at, const std::string& field_path,
                             const std::string& message, const std::string& hint) {
  ++errors_;
  if (errors_printed_ == kPrintedMax) return;
  ++errors_printed_;
  const Color red = ColorOf("\033[31m");
  std::cerr << Printable(PlaceOf(at)) << red.begin << "error: " << red.end
            << Printable(TextOf(field_path, message, hint)) << "\n";
}

void ProblemReport::AddWarning(const SourcePosition& at, const std::string& field_path,
                               const std::string& message, const std::string& hint) {
  ++warnings_;
  if (warnings_printed_ == kPrintedMax) return;
  ++warnings_printed_;
  const Color yellow = ColorOf("\033[33m");
  std::cerr << yellow.begin << "Warning: " << yellow.end << Printable(PlaceOf(at))
            << Printable(TextOf(field_path, message, hint)) << "\n";
}

}  // namespace apk
