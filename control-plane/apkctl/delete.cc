// delete: one call for all that is named; what was not there is said, and is no reason to keep the
// rest.
#include <iostream>
#include <set>

#include "common/strings.h"
#include "control-plane/apkctl/commands.h"
#include "control-plane/apkctl/manifest_files.h"
#include "control-plane/resources/resource_set.h"

namespace apk {
namespace {

ResourceKey FromProto(const v1::ObjectKey& key) {
  return {.group = key.group(),
          .kind = key.kind(),
          .namespace_name = key.namespace_(),
          .name = key.name()};
}

void AddKey(const Kind& kind, const std::string& namespace_name, const std::string& name,
            v1::DeleteRequest& request) {
  v1::ObjectKey* const key = request.add_keys();
  key->set_group(kind.group);
  key->set_kind(kind.name);
  if (!kind.cluster_scoped) key->set_namespace_(namespace_name);
  key->set_name(name);
}

bool AddFromFiles(const GlobalFlags& global, const Session& session, const FileFlags& input,
                  v1::DeleteRequest& request) {
  ProblemReport report;
  const std::optional<std::vector<ManifestDocument>> documents =
      LoadManifests(input, session.namespace_name, global.namespace_name, report);
  if (!documents.has_value() || report.has_errors()) return false;
  for (const ManifestDocument& document : *documents) {
    const v1::ObjectMeta& metadata = MetadataOf(*document.object);
    AddKey(*FindKind(document.object->GetDescriptor()), metadata.namespace_(), metadata.name(),
           request);
  }
  return true;
}

// All of a kind, or those with the labels.
bool AddFromList(const Session& session, const Target& target, const std::string& selector,
                 v1::DeleteRequest& request) {
  v1::ListRequest list;
  list.set_group(target.kind->group);
  list.set_kind(target.kind->name);
  if (!target.kind->cluster_scoped) list.set_namespace_(session.namespace_name);
  list.set_label_selector(selector);
  const absl::StatusOr<v1::ListResponse> response = session.client->List(list);
  if (!response.ok()) {
    PrintError(response.status());
    return false;
  }
  for (const google::protobuf::Any& any : response->objects()) {
    const auto object = Unpack(any);
    if (object == nullptr) return false;
    const v1::ObjectMeta& metadata = MetadataOf(*object);
    AddKey(*target.kind, metadata.namespace_(), metadata.name(), request);
  }
  return true;
}

bool AddFromNames(const Session& session, const DeleteFlags& flags, v1::DeleteRequest& request) {
  const std::optional<std::vector<Target>> targets = ParseTargets(flags.names);
  if (!targets.has_value()) return false;
  const bool of_kind = flags.all || !flags.selector.empty();
  for (const Target& target : *targets) {
    if (of_kind && !target.name.empty()) {
      PrintError("name cannot be provided when --all or a selector is specified");
      return false;
    }
    if (!of_kind && target.name.empty()) {
      PrintError("resource(s) were provided, but no name was specified: KIND NAME, -l, or --all");
      return false;
    }
    if (!of_kind) {
      AddKey(*target.kind, session.namespace_name, target.name, request);
    } else if (!AddFromList(session, target, flags.selector, request)) {
      return false;
    }
  }
  return true;
}

}  // namespace

int RunDelete(const GlobalFlags& global, const DeleteFlags& flags) {
  if (flags.input.files.empty() && flags.names.empty())
    return PrintError("name what to delete: KIND NAME, or -f FILE");
  if (!flags.input.files.empty() && !flags.names.empty())
    return PrintError("give either -f or KIND NAME, not both");
  const std::optional<Session> session = OpenSession(global);
  if (!session.has_value()) return 1;
  v1::DeleteRequest request;
  request.set_ignore_not_found(true);  // What is missing is seen by what is not in the answer.
  request.set_dry_run(flags.dry_run != "none");
  const bool good = flags.input.files.empty()
                        ? AddFromNames(*session, flags, request)
                        : AddFromFiles(global, *session, flags.input, request);
  if (!good) return 1;
  if (request.keys().empty()) {
    std::cerr << "No resources found\n";
    return 0;
  }
  const absl::StatusOr<v1::DeleteResponse> response = session->client->Delete(request);
  if (!response.ok()) return PrintError(response.status());
  const char* const dry_run = flags.dry_run == "none"     ? ""
                              : flags.dry_run == "client" ? " (dry run)"
                                                          : " (server dry run)";
  std::set<ResourceKey> deleted;
  for (const v1::ObjectResult& result : response->results()) {
    const Kind* const kind = FindKind(result.key().group(), result.key().kind());
    deleted.insert(FromProto(result.key()));
    std::cout << kind->QualifiedName() << " \"" << result.key().name() << "\" deleted" << dry_run
              << "\n";
  }
  std::cout.flush();
  int exit_code = 0;
  for (const v1::ObjectKey& key : request.keys()) {
    if (flags.ignore_not_found || !deleted.insert(FromProto(key)).second) continue;
    const Kind& kind = *FindKind(key.group(), key.kind());
    exit_code =
        PrintError(absl::NotFoundError(Concat(kind.plural, kind.group.empty() ? "" : ".",
                                              kind.group, " \"", key.name(), "\" not found")));
  }
  return exit_code;
}

}  // namespace apk
