// Files, directories and standard input as one list of documents.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "control-plane/apkctl/commands.h"
#include "control-plane/apkctl/manifest/read_manifest.h"
#include "control-plane/apkctl/problem_report.h"

namespace apk {

// Directories give their *.yaml, *.yml and *.json, sorted; "-" is standard input. Objects without a
// namespace get `namespace_name`; another than `forced_namespace` (where that is not "") is an
// error, as with kubectl. What is wrong with a document is in the report, and the others are
// returned; nullopt where something can't be read or there is nothing: that is printed.
std::optional<std::vector<ManifestDocument>> LoadManifests(const FileFlags& input,
                                                           const std::string& namespace_name,
                                                           const std::string& forced_namespace,
                                                           ProblemReport& report);

// The text of a file, or of standard input where it is "-". False, and it is said, where it can't
// be read.
bool ReadText(const std::string& name, std::string& text);

}  // namespace apk
