// Files, directories and standard input as one list of documents.
#pragma once

#include <string>
#include <vector>

#include "control-plane/apkctl/commands.h"
#include "control-plane/apkctl/manifest/read_manifest.h"

namespace apk {

struct LoadedManifests {
  std::vector<ManifestDocument> documents;
  bool failed = false;  // What is wrong is printed.
};

// Directories give their *.yaml, *.yml and *.json, sorted. Objects without a namespace get
// `namespace_name`; another than `forced_namespace` (where that is not "") is an error, as with
// kubectl.
LoadedManifests LoadManifests(const FileFlags& input, const std::string& namespace_name,
                              const std::string& forced_namespace);

// "file:line:column: error: spec.rules[0]: message (hint)" on standard error, coloured on a
// terminal.
void PrintProblem(const SourcePosition& at, bool warning, const std::string& field_path,
                  const std::string& message, const std::string& hint);

}  // namespace apk
