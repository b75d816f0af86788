// Manifests: problems have places in the text, and what is accepted is the same once it is printed and read again.
#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "control-plane/apkctl/manifest/read_manifest.h"
#include "control-plane/resources/json.h"
#include "control-plane/validation/validate.h"
#include "tests/fuzz/require.h"

namespace apk {
namespace {

void CheckPrinted(const google::protobuf::Message& object, const std::string& text) {
  const ManifestResult again = ReadManifest(text, "printed");
  Require(again.problem_count == 0 && again.documents.size() == 1, "what was printed is read");
  Require(google::protobuf::util::MessageDifferencer::Equals(object, *again.documents[0].object),
          "it is the same object");
}

void Check(std::string_view bytes) {
  const auto lines = static_cast<size_t>(std::count(bytes.begin(), bytes.end(), '\n')) + 1;
  const ManifestResult result = ReadManifest(bytes, "f");
  Require(result.problem_count >= result.problems.size(), "all problems are counted");
  for (const ManifestProblem& problem : result.problems) {
    Require(!problem.message.empty(), "a problem says what is wrong");
    Require(problem.at.line <= lines, "its place is in the text");
  }
  for (const ManifestDocument& document : result.documents) {
    Require(document.object != nullptr, "a document has an object");
    bool valid = true;
    for (const FieldIssue& issue : Validate(*document.object)) {
      Require(!issue.message.empty(), "an issue says what is wrong");
      Require(document.Locate(issue.field_path).line <= lines, "its place is in the text");
      valid = valid && issue.severity != FieldIssue::Severity::kError;
    }
    if (!valid) continue;
    Normalize(*document.object);
    CheckPrinted(*document.object, ToJson(*document.object).dump());
    CheckPrinted(*document.object, ToYaml(*document.object));
  }
}

}  // namespace
}  // namespace apk

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  apk::Check(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
