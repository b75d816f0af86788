// Everything is read before anything is sent.
#include "control-plane/apkctl/manifest_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "common/strings.h"
#include "control-plane/resources/resource_set.h"

namespace apk {
namespace {

namespace fs = std::filesystem;

constexpr size_t kFileBytesMax = 256ULL << 20;

bool IsManifest(const fs::path& path) {
  const std::string extension = path.extension();
  return extension == ".yaml" || extension == ".yml" || extension == ".json";
}

// "the path "a" can't be read: Permission denied", and what to do.
bool FailToRead(const std::string& name, int error) {
  if (error == ENOENT) {
    PrintError(Concat("the path \"", name, "\" does not exist"));
  } else {
    PrintError(
        Concat("the path \"", name, "\" can't be read: ", std::strerror(error),
               error == EACCES ? "; give yourself the permission, or run as its owner" : ""));
  }
  return false;
}

// One level, or all with -R. Links are followed; a link that leads nowhere or in a circle is an
// error. Directories behind links are not entered, so that circles of these end.
bool ListDirectory(const std::string& name, bool recursive, std::vector<std::string>& files) {
  std::error_code error;
  std::vector<std::string> found;
  fs::directory_iterator entries(name, error);
  if (error) return FailToRead(name, error.value());
  for (; entries != fs::directory_iterator(); entries.increment(error))
    found.push_back(entries->path());
  if (error) return FailToRead(name, error.value());
  std::sort(found.begin(), found.end());
  for (const std::string& path : found) {
    const bool enter = recursive && fs::is_directory(fs::symlink_status(path, error));
    if (enter) {
      if (!ListDirectory(path, true, files)) return false;
    } else if (IsManifest(path)) {
      const fs::file_status status = fs::status(path, error);
      if (error) return FailToRead(path, error.value());
      if (!fs::is_directory(status)) files.push_back(path);
    }
  }
  return true;
}

// Paths to read, sorted within a directory; false where one does not exist.
bool ListFiles(const FileFlags& input, std::vector<std::string>& files) {
  for (const std::string& name : input.files) {
    std::error_code error;
    if (name == "-") {
      files.push_back(name);
    } else if (name.starts_with("http://") || name.starts_with("https://")) {
      PrintError(Concat("\"", name,
                        "\" is an address: download it first (curl -O), look at it, and "
                        "give the file"));
      return false;
    } else if (const fs::file_status status = fs::status(name, error); fs::is_directory(status)) {
      const size_t before = files.size();
      if (!ListDirectory(name, input.recursive, files)) return false;
      if (files.size() > before) continue;
      PrintError(Concat("there is no .yaml, .yml or .json file in ", name,
                        input.recursive ? "" : "; -R looks into the directories below, too"));
      return false;
    } else if (fs::exists(status)) {
      files.push_back(name);
    } else {
      return FailToRead(name, error ? error.value() : ENOENT);
    }
  }
  if (std::count(files.begin(), files.end(), "-") > 1) {
    PrintError("standard input can be read only once: give -f - once");
    return false;
  }
  return true;
}

void SetNamespace(const std::string& namespace_name, const std::string& forced,
                  const ManifestDocument& document, ProblemReport& report) {
  const Kind& kind = *FindKind(document.object->GetDescriptor());
  if (kind.cluster_scoped) return;
  v1::ObjectMeta* const metadata = MutableMetadataOf(*document.object);
  if (metadata->namespace_().empty()) {
    metadata->set_namespace_(namespace_name);
  } else if (!forced.empty() && metadata->namespace_() != forced) {
    report.AddError(document.Locate("metadata.namespace"), "metadata.namespace",
                    Concat("\"", metadata->namespace_(),
                           "\" is not the namespace given with -n, \"", forced, "\""),
                    "remove one of the two");
  }
}

}  // namespace

// Pipes and devices have no size beforehand: the limit counts what comes.
bool ReadText(const std::string& name, std::string& text) {
  const int file = name == "-" ? STDIN_FILENO : open(name.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return FailToRead(name, errno);
  constexpr size_t kChunkBytes = 64UL << 10;
  ssize_t count = 0;
  do {
    const size_t size = text.size();
    text.resize(size + kChunkBytes);
    count = read(file, text.data() + size, kChunkBytes);
    text.resize(size + static_cast<size_t>(std::max<ssize_t>(count, 0)));
  } while ((count > 0 && text.size() <= kFileBytesMax) || (count < 0 && errno == EINTR));
  const int error = errno;
  if (name != "-") close(file);
  if (count < 0) return FailToRead(name, error);
  if (text.size() > kFileBytesMax) {
    PrintError(Concat(name, " is larger than 256 MiB: split it"));
    return false;
  }
  return true;
}

std::optional<std::vector<ManifestDocument>> LoadManifests(const FileFlags& input,
                                                           const std::string& namespace_name,
                                                           const std::string& forced_namespace,
                                                           ProblemReport& report) {
  std::vector<std::string> files;
  if (input.files.empty()) {
    PrintError("must specify -f: files, directories, or - for standard input");
    return std::nullopt;
  }
  if (!ListFiles(input, files)) return std::nullopt;
  std::vector<ManifestDocument> documents;
  for (const std::string& name : files) {
    std::string text;
    if (!ReadText(name, text)) return std::nullopt;
    ManifestResult result = ReadManifest(text, name == "-" ? "STDIN" : name);
    for (const ManifestProblem& problem : result.problems)
      report.AddError(problem.at, problem.field_path, problem.message, problem.hint);
    report.AddUntoldErrors(result.problem_count - result.problems.size());
    for (ManifestDocument& document : result.documents) {
      SetNamespace(namespace_name, forced_namespace, document, report);
      documents.push_back(std::move(document));
    }
  }
  if (documents.empty() && !report.has_errors()) {
    PrintError(Concat("no objects found in ", Join(input.files, ", ")));
    return std::nullopt;
  }
  return documents;
}

}  // namespace apk
