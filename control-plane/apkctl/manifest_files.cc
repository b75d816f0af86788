// Everything is read before anything is sent.
#include "control-plane/apkctl/manifest_files.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include "common/strings.h"
#include "control-plane/resources/resource_set.h"

namespace apk {
namespace {

namespace fs = std::filesystem;

constexpr uintmax_t kFileBytesMax = 256ULL << 20;

bool IsManifest(const fs::path& path) {
  const std::string extension = path.extension();
  return extension == ".yaml" || extension == ".yml" || extension == ".json";
}

// Paths to read, sorted within a directory; false where one does not exist.
bool ListFiles(const FileFlags& input, std::vector<std::string>& files) {
  for (const std::string& name : input.files) {
    std::error_code error;
    if (name == "-") {
      files.push_back(name);
    } else if (fs::is_directory(name, error)) {
      std::vector<std::string> found;
      const auto consider = [&found](const fs::directory_entry& entry) {
        if (entry.is_regular_file() && IsManifest(entry.path())) found.push_back(entry.path());
      };
      if (input.recursive) {
        for (const auto& entry : fs::recursive_directory_iterator(name, error)) consider(entry);
      } else {
        for (const auto& entry : fs::directory_iterator(name, error)) consider(entry);
      }
      std::sort(found.begin(), found.end());
      if (found.empty()) {
        PrintError(Concat("there is no .yaml, .yml or .json file in ", name));
        return false;
      }
      files.insert(files.end(), found.begin(), found.end());
    } else if (fs::exists(name, error)) {
      files.push_back(name);
    } else {
      PrintError(Concat("the path \"", name, "\" does not exist"));
      return false;
    }
  }
  return true;
}

bool ReadText(const std::string& name, std::string& text) {
  if (name == "-") {
    text.assign(std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>());
    return true;
  }
  std::error_code error;
  std::ifstream file(name, std::ios::binary);
  if (!file || fs::file_size(name, error) > kFileBytesMax) {
    PrintError(Concat("can't read ", name));
    return false;
  }
  text.assign(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  return true;
}

bool SetNamespace(const std::string& namespace_name, const std::string& forced,
                  const ManifestDocument& document) {
  const Kind& kind = *FindKind(document.object->GetDescriptor());
  if (kind.cluster_scoped) return true;
  v1::ObjectMeta* const metadata = MutableMetadataOf(*document.object);
  if (metadata->namespace_().empty()) {
    metadata->set_namespace_(namespace_name);
  } else if (!forced.empty() && metadata->namespace_() != forced) {
    PrintProblem(document.Locate("metadata.namespace"), false, "metadata.namespace",
                 Concat("\"", metadata->namespace_(), "\" is not the namespace given with -n, \"",
                        forced, "\""),
                 "remove one of the two");
    return false;
  }
  return true;
}

}  // namespace

void PrintProblem(const SourcePosition& at, bool warning, const std::string& field_path,
                  const std::string& message, const std::string& hint) {
  const bool color = isatty(STDERR_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr;
  const char* const begin = !color ? "" : warning ? "\033[33m" : "\033[31m";
  const char* const end = color ? "\033[0m" : "";
  std::string place;
  if (!at.file.empty()) {
    place = Concat(at.file, ":", std::to_string(at.line), ":", std::to_string(at.column), ": ");
  }
  if (warning) {
    std::cerr << begin << "Warning: " << end << place;
  } else {
    std::cerr << place << begin << "error: " << end;
  }
  if (!field_path.empty()) std::cerr << field_path << ": ";
  std::cerr << message;
  if (!hint.empty()) std::cerr << " (" << hint << ")";
  std::cerr << "\n";
}

LoadedManifests LoadManifests(const FileFlags& input, const std::string& namespace_name,
                              const std::string& forced_namespace) {
  LoadedManifests loaded;
  std::vector<std::string> files;
  if (input.files.empty()) {
    PrintError("must specify one of -f");
    loaded.failed = true;
    return loaded;
  }
  loaded.failed = !ListFiles(input, files);
  for (const std::string& name : files) {
    std::string text;
    if (!ReadText(name, text)) {
      loaded.failed = true;
      continue;
    }
    ManifestResult result = ReadManifest(text, name == "-" ? "STDIN" : name);
    for (const ManifestProblem& problem : result.problems) {
      PrintProblem(problem.at, false, problem.field_path, problem.message, problem.hint);
      loaded.failed = true;
    }
    for (ManifestDocument& document : result.documents) {
      if (!SetNamespace(namespace_name, forced_namespace, document)) loaded.failed = true;
      loaded.documents.push_back(std::move(document));
    }
  }
  if (!loaded.failed && loaded.documents.empty()) {
    PrintError("no objects passed to apply");
    loaded.failed = true;
  }
  return loaded;
}

}  // namespace apk
