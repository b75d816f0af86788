// diff: two directories of what there is and what would be, and a program that compares them.
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "apk/v1/core.pb.h"
#include "common/strings.h"
#include "control-plane/apkctl/commands.h"
#include "control-plane/apkctl/send_manifests.h"
#include "control-plane/apkctl/written_form.h"
#include "control-plane/resources/json.h"
#include "control-plane/resources/resource_set.h"

extern char** environ;

namespace apk {
namespace {

namespace fs = std::filesystem;

// Only the user may read it; gone with this.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::error_code error;
    std::string pattern = (fs::temp_directory_path(error) / "apkctl-diff-XXXXXX").string();
    if (mkdtemp(pattern.data()) != nullptr) path_ = pattern;
  }
  ~TemporaryDirectory() {
    std::error_code error;
    if (!path_.empty()) fs::remove_all(path_, error);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::string& path() const { return path_; }  // "" where it could not be made.

 private:
  std::string path_;
};

// Values of Secrets are not for the screen: only that they differ is. Stars stand in stringData,
// where they are no base64.
v1::Secret Masked(const v1::Secret& secret, const v1::Secret* other, std::string_view side) {
  v1::Secret masked = secret;
  masked.clear_data();
  // kubectl keeps all that it applied there.
  masked.mutable_metadata()->mutable_annotations()->erase(
      "kubectl.kubernetes.io/last-applied-configuration");
  for (const auto& [key, value] : secret.data()) {
    const bool same =
        other != nullptr && other->data().contains(key) && other->data().at(key) == value;
    (*masked.mutable_string_data())[key] = same ? "***" : Concat("*** (", side, ")");
  }
  return masked;
}

void MaskSecrets(google::protobuf::Message* before, google::protobuf::Message& after) {
  auto* const secret = dynamic_cast<v1::Secret*>(&after);
  if (secret == nullptr) return;
  auto* const old = dynamic_cast<v1::Secret*>(before);
  v1::Secret masked = Masked(*secret, old, "after");
  if (old != nullptr) *old = Masked(*old, secret, "before");
  *secret = std::move(masked);
}

bool Write(const fs::path& path, const google::protobuf::Message& object) {
  std::ofstream file(path, std::ios::binary);
  file << ToYaml(object);
  file.close();
  return static_cast<bool>(file);
}

// Through a shell, so that $APKCTL_EXTERNAL_DIFF may have flags. Returns its exit code.
int Compare(const std::string& directory) {
  const char* const chosen = std::getenv("APKCTL_EXTERNAL_DIFF");
  const std::string program =
      chosen == nullptr || *chosen == '\0' ? "diff -u -N" : std::string(chosen);
  std::string command = Concat("cd \"$1\" && exec ", program, " live merged");
  std::string shell = "sh";
  std::string flag = "-c";
  std::string path = directory;
  char* const arguments[] = {shell.data(), flag.data(), command.data(),
                             shell.data(), path.data(), nullptr};
  pid_t child = 0;
  const int error = posix_spawn(&child, "/bin/sh", nullptr, nullptr, arguments, environ);
  if (error != 0) {
    PrintError(Concat("can't run ", program, ": ", std::strerror(error)));
    return kDiffFailed;
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : kDiffFailed;
}

// Writes both sides of one object. False where that fails, which is printed.
bool WriteBoth(const Session& session, const v1::ObjectResult& result,
               const std::string& directory) {
  const auto after = Unpack(result.object());
  if (after == nullptr) return false;
  v1::GetRequest request;
  *request.mutable_key() = result.key();
  const absl::StatusOr<v1::GetResponse> present = session.client->Get(request);
  if (!present.ok() && !absl::IsNotFound(present.status())) {
    PrintError(present.status());
    return false;
  }
  const auto before = present.ok() ? Unpack(present->object()) : nullptr;
  MaskSecrets(before.get(), *after);
  const v1::ObjectKey& key = result.key();
  const std::string name = Concat(key.group(), key.group().empty() ? "" : ".", key.kind(), ".",
                                  key.namespace_(), ".", key.name());
  DropOwned(*after);
  bool written = Write(directory + "/merged/" + name, *after);
  if (before != nullptr) {
    DropOwned(*before);
    written = Write(directory + "/live/" + name, *before) && written;
  }
  if (!written) PrintError(Concat("can't write to ", directory));
  return written;
}

}  // namespace

int RunDiff(const GlobalFlags& global, const FileFlags& input) {
  const std::optional<Session> session = OpenSession(global);
  if (!session.has_value()) return kDiffFailed;
  ProblemReport report;
  const std::optional<Documents> documents =
      ReadDocuments(*session, input, global.namespace_name, report);
  if (!documents.has_value()) return kDiffFailed;
  const std::optional<v1::ApplyResponse> response =
      Send(*session, *documents, {.dry_run = true, .prune = ""}, report);
  if (!response.has_value()) return kDiffFailed;
  const TemporaryDirectory directory;
  std::error_code error;
  const bool made = !directory.path().empty() &&
                    fs::create_directory(directory.path() + "/live", error) &&
                    fs::create_directory(directory.path() + "/merged", error);
  if (!made) {
    PrintError("can't make a temporary directory: set TMPDIR to one that can be written to");
    return kDiffFailed;
  }
  for (const v1::ObjectResult& result : response->results()) {
    if (result.action() == v1::ObjectResult::UNCHANGED) continue;
    if (!WriteBoth(*session, result, directory.path())) return kDiffFailed;
  }
  return Compare(directory.path());
}

}  // namespace apk
