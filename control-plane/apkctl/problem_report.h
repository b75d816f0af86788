// What is wrong with manifests, on standard error: the first twenty of each severity with place,
// field and hint, and how many more there are.
#pragma once

#include <cstddef>
#include <string>

#include "control-plane/apkctl/manifest/read_manifest.h"

namespace apk {

class ProblemReport {
 public:
  ProblemReport() = default;
  ProblemReport(const ProblemReport&) = delete;
  ProblemReport& operator=(const ProblemReport&) = delete;
  ~ProblemReport() { PrintRest(); }

  // Says how many were left out, once.
  void PrintRest();

  // "file:line:column: error: spec.rules[0]: message (hint)", coloured on a terminal. Without a
  // place where `at` has no file.
  void AddError(const SourcePosition& at, const std::string& field_path, const std::string& message,
                const std::string& hint);
  // "Warning: file:line:column: …"
  void AddWarning(const SourcePosition& at, const std::string& field_path,
                  const std::string& message, const std::string& hint);
  // Errors that nobody described.
  void AddUntoldErrors(size_t count) { errors_ += count; }

  bool has_errors() const { return errors_ > 0; }

 private:
  size_t errors_ = 0;
  size_t errors_printed_ = 0;
  size_t warnings_ = 0;
  size_t warnings_printed_ = 0;
};

}  // namespace apk
