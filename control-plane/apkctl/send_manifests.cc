// The control plane sees objects; where they stand is known here only.
#include "control-plane/apkctl/send_manifests.h"

#include <map>

#include "common/strings.h"
#include "control-plane/resources/resource_set.h"
#include "control-plane/validation/validate.h"

namespace apk {
namespace {

constexpr size_t kRequestBytesMax = 60UL << 20;  // The control plane takes 64 MiB.

void CheckDuplicates(const Documents& documents, ProblemReport& report) {
  std::map<ResourceKey, const ManifestDocument*> seen;
  for (const ManifestDocument& document : documents) {
    const auto [first, is_new] = seen.emplace(KeyOf(*document.object), &document);
    if (is_new) continue;
    const SourcePosition& at = first->second->at;
    report.AddError(document.Locate("metadata.name"), "metadata.name",
                    Concat(first->first.ToString(), " stands twice, first at ", at.file, ":",
                           std::to_string(at.line)),
                    "keep one of them");
  }
}

void ReportViolations(const v1::ApplyResponse& response, const Documents& documents,
                      ProblemReport& report) {
  for (const v1::Violation& violation : response.violations()) {
    SourcePosition at;
    if (violation.object_index() < documents.size())
      at = documents[violation.object_index()].Locate(violation.field_path());
    if (violation.severity() == v1::Violation::WARNING) {
      report.AddWarning(at, violation.field_path(), violation.message(), violation.hint());
    } else {
      report.AddError(at, violation.field_path(), violation.message(), violation.hint());
    }
  }
}

}  // namespace

void CheckOffline(const Documents& documents, ProblemReport& report) {
  for (const ManifestDocument& document : documents) {
    for (const FieldIssue& issue : Validate(*document.object)) {
      const SourcePosition at = document.Locate(issue.field_path);
      if (issue.severity == FieldIssue::Severity::kWarning) {
        report.AddWarning(at, issue.field_path, issue.message, issue.hint);
      } else {
        report.AddError(at, issue.field_path, issue.message, issue.hint);
      }
    }
  }
  CheckDuplicates(documents, report);
}

int Refuse(ProblemReport& report) {
  report.PrintRest();
  return PrintError("nothing was changed");
}

std::optional<Documents> ReadDocuments(const Session& session, const FileFlags& input,
                                       const std::string& forced_namespace, ProblemReport& report) {
  std::optional<Documents> documents =
      LoadManifests(input, session.namespace_name, forced_namespace, report);
  if (documents.has_value() && report.has_errors()) CheckOffline(*documents, report);
  if (documents.has_value() && !report.has_errors()) CheckDuplicates(*documents, report);
  if (!report.has_errors()) return documents;
  Refuse(report);
  return std::nullopt;
}

std::optional<v1::ApplyResponse> Send(const Session& session, const Documents& documents,
                                      const SendOptions& options, ProblemReport& report) {
  v1::ApplyRequest request;
  request.set_field_manager("apkctl");
  request.set_dry_run(options.dry_run);
  if (!options.prune.empty()) request.mutable_prune()->set_label_selector(options.prune);
  for (const ManifestDocument& document : documents)
    request.add_objects()->PackFrom(*document.object);
  if (request.ByteSizeLong() > kRequestBytesMax) {
    PrintError(
        "these are more than 60 MiB, which can't be applied at once: apply the files one by one");
    return std::nullopt;
  }
  absl::StatusOr<v1::ApplyResponse> response = session.client->Apply(request);
  if (!response.ok()) {
    PrintError(response.status());
    return std::nullopt;
  }
  ReportViolations(*response, documents, report);
  if (report.has_errors()) {
    Refuse(report);
    return std::nullopt;
  }
  return *std::move(response);
}

}  // namespace apk
