// apply and validate: read everything, check it here, then one call.
#include <iostream>
#include <map>

#include "common/strings.h"
#include "control-plane/apkctl/commands.h"
#include "control-plane/apkctl/manifest_files.h"
#include "control-plane/resources/resource_set.h"
#include "control-plane/validation/validate.h"

namespace apk {
namespace {

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

// The same checks as the server's, with nobody asked. False where there is an error.
bool CheckOffline(const LoadedManifests& loaded) {
  bool good = true;
  std::map<ResourceKey, const ManifestDocument*> seen;
  for (const ManifestDocument& document : loaded.documents) {
    for (const FieldIssue& issue : Validate(*document.object)) {
      const bool warning = issue.severity == FieldIssue::Severity::kWarning;
      PrintProblem(document.Locate(issue.field_path), warning, issue.field_path, issue.message,
                   issue.hint);
      good = good && warning;
    }
    const auto [first, is_new] = seen.emplace(KeyOf(*document.object), &document);
    if (!is_new) {
      const SourcePosition& at = first->second->at;
      PrintProblem(document.Locate("metadata.name"), false, "metadata.name",
                   Concat(first->first.ToString(), " stands twice, first at ", at.file, ":",
                          std::to_string(at.line)),
                   "keep one of them");
      good = false;
    }
  }
  return good;
}

// False where one of them is an error.
bool PrintViolations(const v1::ApplyResponse& response, const LoadedManifests& loaded) {
  bool good = true;
  for (const v1::Violation& violation : response.violations()) {
    const bool warning = violation.severity() == v1::Violation::WARNING;
    SourcePosition at;
    if (violation.object_index() < loaded.documents.size()) {
      at = loaded.documents[violation.object_index()].Locate(violation.field_path());
    }
    PrintProblem(at, warning, violation.field_path(), violation.message(), violation.hint());
    good = good && warning;
  }
  return good;
}

}  // namespace

int RunApply(const GlobalFlags& global, const ApplyFlags& flags) {
  const bool offline = flags.dry_run == "client";
  std::optional<Session> session;
  if (!offline) {
    session = OpenSession(global);
    if (!session.has_value()) return 1;
  }
  const std::string fallback = global.namespace_name.empty() ? "default" : global.namespace_name;
  const LoadedManifests loaded = LoadManifests(
      flags.input, session.has_value() ? session->namespace_name : fallback, global.namespace_name);
  if (loaded.failed) return 1;
  if (offline) {
    if (!CheckOffline(loaded)) return 1;
    for (const ManifestDocument& document : loaded.documents) {
      const Kind& kind = *FindKind(document.object->GetDescriptor());
      std::cout << kind.QualifiedName() << "/" << MetadataOf(*document.object).name()
                << " configured (dry run)\n";
    }
    return 0;
  }
  v1::ApplyRequest request;
  request.set_field_manager("apkctl");
  request.set_dry_run(flags.dry_run == "server");
  for (const ManifestDocument& document : loaded.documents)
    request.add_objects()->PackFrom(*document.object);
  const absl::StatusOr<v1::ApplyResponse> response = session->client->Apply(request);
  if (!response.ok()) return PrintError(response.status());
  if (!PrintViolations(*response, loaded)) {
    std::cerr << "error: nothing was changed\n";
    return 1;
  }
  for (const v1::ObjectResult& result : response->results()) {
    std::cout << ResourceName(result.key()) << " " << VerbOf(result.action())
              << (request.dry_run() ? " (server dry run)" : "") << "\n";
  }
  return 0;
}

int RunValidate(const GlobalFlags& global, const FileFlags& input) {
  const std::string fallback = global.namespace_name.empty() ? "default" : global.namespace_name;
  const LoadedManifests loaded = LoadManifests(input, fallback, global.namespace_name);
  if (loaded.failed || !CheckOffline(loaded)) return 1;
  for (const ManifestDocument& document : loaded.documents) {
    const Kind& kind = *FindKind(document.object->GetDescriptor());
    std::cout << kind.QualifiedName() << "/" << MetadataOf(*document.object).name() << " valid\n";
  }
  return 0;
}

int RunDelete(const GlobalFlags& global, const DeleteFlags& flags) {
  const std::optional<Session> session = OpenSession(global);
  if (!session.has_value()) return 1;
  v1::DeleteRequest request;
  request.set_ignore_not_found(flags.ignore_not_found);
  const auto add = [&request](const Kind& kind, const std::string& namespace_name,
                              const std::string& name) {
    v1::ObjectKey* const key = request.add_keys();
    key->set_group(kind.group);
    key->set_kind(kind.name);
    if (!kind.cluster_scoped) key->set_namespace_(namespace_name);
    key->set_name(name);
  };
  if (!flags.input.files.empty()) {
    const LoadedManifests loaded =
        LoadManifests(flags.input, session->namespace_name, global.namespace_name);
    if (loaded.failed) return 1;
    for (const ManifestDocument& document : loaded.documents) {
      const v1::ObjectMeta& metadata = MetadataOf(*document.object);
      add(*FindKind(document.object->GetDescriptor()), metadata.namespace_(), metadata.name());
    }
  } else {
    const std::optional<std::vector<Target>> targets = ParseTargets(flags.names);
    if (!targets.has_value()) return 1;
    for (const Target& target : *targets) {
      if (target.name.empty()) return PrintError("name what to delete: KIND NAME, or -f FILE");
      add(*target.kind, session->namespace_name, target.name);
    }
  }
  const absl::StatusOr<v1::DeleteResponse> response = session->client->Delete(request);
  if (!response.ok()) return PrintError(response.status());
  for (const v1::ObjectResult& result : response->results()) {
    const Kind* const kind = FindKind(result.key().group(), result.key().kind());
    std::cout << kind->QualifiedName() << " \"" << result.key().name() << "\" deleted\n";
  }
  return 0;
}

}  // namespace apk
