// apply and validate: read everything, check it here, then one call.
#include <iostream>
#include <map>

#include "common/strings.h"
#include "control-plane/apkctl/commands.h"
#include "control-plane/apkctl/manifest_files.h"
#include "control-plane/apkctl/object_conditions.h"
#include "control-plane/resources/resource_set.h"
#include "control-plane/validation/validate.h"

namespace apk {
namespace {

using Documents = std::vector<ManifestDocument>;

constexpr size_t kRequestBytesMax = 60UL << 20;  // The control plane takes 64 MiB.

const char* VerbOf(v1::ObjectResult::Action action) {
  switch (action) {
    case v1::ObjectResult::CREATED:
      return "created";
    case v1::ObjectResult::CONFIGURED:
      return "configured";
    case v1::ObjectResult::DELETED:
      return "deleted";
    default:
      return "unchanged";
  }
}

// The control plane sees objects; where both stand is known here only.
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

// The same checks as the server's, with nobody asked.
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

// What the objects' new statuses say against them, where it stands in the manifests.
void ReportConditions(const v1::ApplyResponse& response, const Documents& documents,
                      ProblemReport& report) {
  for (int i = 0; i < response.results_size(); ++i) {
    const auto object = Unpack(response.results(i).object());
    const auto index = static_cast<size_t>(i);  // Results are in the order of the request.
    if (object == nullptr || index >= documents.size()) continue;
    for (const ConditionWarning& warning : WarningsOf(*object)) {
      const std::string subject =
          warning.field_path.empty() ? ResourceName(response.results(i).key()) : warning.field_path;
      report.AddWarning(documents[index].Locate(warning.field_path), subject, warning.message,
                        warning.hint);
    }
  }
}

int Refuse(ProblemReport& report) {
  report.PrintRest();
  return PrintError("nothing was changed");
}

// What an apply of objects that are well would do, as far as that shows from who is there: nobody
// is asked what is different.
int RunOnClient(const Session& session, const Documents& documents) {
  for (const ManifestDocument& document : documents) {
    const ResourceKey key = KeyOf(*document.object);
    v1::GetRequest request;
    v1::ObjectKey& wanted = *request.mutable_key();
    wanted.set_group(key.group);
    wanted.set_kind(key.kind);
    wanted.set_namespace_(key.namespace_name);
    wanted.set_name(key.name);
    const absl::Status found = session.client->Get(request).status();
    if (!found.ok() && !absl::IsNotFound(found)) return PrintError(found);
    std::cout << ResourceName(wanted) << (found.ok() ? " configured" : " created")
              << " (dry run)\n";
  }
  return 0;
}

// Who applies where no agent listens would wait for nothing.
void NoteIfNobodyServes(const Session& session) {
  const absl::StatusOr<v1::ListAgentsResponse> response = session.client->ListAgents();
  if (!response.ok()) return;
  for (const v1::AgentStatus& agent : response->agents()) {
    if (agent.connected()) return;
  }
  std::cerr
      << "Note: no agent is connected now (apkctl agents); what was applied is kept and served "
         "when one is\n";
}

}  // namespace

int RunApply(const GlobalFlags& global, const ApplyFlags& flags) {
  const std::optional<Session> session = OpenSession(global);
  if (!session.has_value()) return 1;
  ProblemReport report;
  const std::optional<Documents> documents =
      LoadManifests(flags.input, session->namespace_name, global.namespace_name, report);
  if (!documents.has_value()) return report.has_errors() ? Refuse(report) : 1;
  if (report.has_errors() || flags.dry_run == "client") {
    CheckOffline(*documents, report);
    return report.has_errors() ? Refuse(report) : RunOnClient(*session, *documents);
  }
  CheckDuplicates(*documents, report);
  if (report.has_errors()) return Refuse(report);
  v1::ApplyRequest request;
  request.set_field_manager("apkctl");
  request.set_dry_run(flags.dry_run == "server");
  for (const ManifestDocument& document : *documents)
    request.add_objects()->PackFrom(*document.object);
  if (request.ByteSizeLong() > kRequestBytesMax) {
    return PrintError(
        "these are more than 60 MiB, which can't be applied at once: apply the files one by one");
  }
  const absl::StatusOr<v1::ApplyResponse> response = session->client->Apply(request);
  if (!response.ok()) return PrintError(response.status());
  ReportViolations(*response, *documents, report);
  if (report.has_errors()) return Refuse(report);
  for (const v1::ObjectResult& result : response->results()) {
    std::cout << ResourceName(result.key()) << " " << VerbOf(result.action())
              << (request.dry_run() ? " (server dry run)" : "") << "\n";
  }
  std::cout.flush();
  ReportConditions(*response, *documents, report);
  if (!request.dry_run()) NoteIfNobodyServes(*session);
  return 0;
}

int RunValidate(const GlobalFlags& global, const FileFlags& input) {
  const std::string fallback = global.namespace_name.empty() ? "default" : global.namespace_name;
  ProblemReport report;
  const std::optional<Documents> documents =
      LoadManifests(input, fallback, global.namespace_name, report);
  if (!documents.has_value()) return 1;
  CheckOffline(*documents, report);
  if (report.has_errors()) return 1;
  for (const ManifestDocument& document : *documents) {
    const Kind& kind = *FindKind(document.object->GetDescriptor());
    std::cout << kind.QualifiedName() << "/" << MetadataOf(*document.object).name() << " valid\n";
  }
  return 0;
}

}  // namespace apk
