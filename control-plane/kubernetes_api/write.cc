// The bodies differ; what is done with the wanted object is the same.
#include "control-plane/kubernetes_api/write.h"

#include <nlohmann/json.hpp>

#include "common/status_macros.h"
#include "common/strings.h"
#include "control-plane/admin/admission.h"
#include "control-plane/apkctl/object_conditions.h"
#include "control-plane/kubernetes_api/object_form.h"
#include "control-plane/kubernetes_api/patch.h"

namespace apk {
namespace {

using google::protobuf::Message;
using Json = nlohmann::ordered_json;

constexpr int kTriesMax = 5;

ResourceKey KeyIn(const ResourcePath& path) {
  return {path.kind->group, path.kind->name, path.namespace_name, path.name};
}

absl::StatusOr<bool> ParseDryRun(const ApiTarget& target) {
  const std::string dry_run = target.Query("dryRun");
  if (dry_run.empty() || dry_run == "All") return !dry_run.empty();
  return absl::InvalidArgumentError(Concat("dryRun: \"", dry_run, "\" must be All"));
}

void AddWarnings(const v1::ApplyResponse& applied, const Message& object, ApiReply& reply) {
  for (const v1::Violation& violation : applied.violations()) {
    if (violation.severity() != v1::Violation::WARNING) continue;
    reply.warnings.push_back(Concat(violation.field_path(), ": ", violation.message()));
  }
  for (const ConditionWarning& warning : WarningsOf(object)) {
    reply.warnings.push_back(warning.field_path.empty()
                                 ? warning.message
                                 : Concat(warning.field_path, ": ", warning.message));
  }
}

struct Write {
  const ResourcePath& path;
  std::string author;
  bool dry_run = false;
  bool create_only = false;
};

absl::StatusOr<ApiReply> Apply(Configuration& configuration, const Write& write,
                               const Message& wanted) {
  v1::ApplyRequest request;
  request.add_objects()->PackFrom(wanted);
  request.set_dry_run(write.dry_run);
  request.set_create_only(write.create_only);
  ASSIGN_OR_RETURN(const v1::ApplyResponse applied, configuration.Apply(request, write.author));
  if (applied.results().empty()) return RefusedApply(KeyOf(wanted), applied);
  const std::unique_ptr<Message> object = write.path.kind->New();
  object->ParseFromString(applied.results(0).object().value());
  const bool created = applied.results(0).action() == v1::ObjectResult::CREATED;
  ApiReply reply = JsonReply(ToVersion(*object, write.path.version), created ? 201 : 200);
  AddWarnings(applied, *object, reply);
  return reply;
}

absl::StatusOr<ApiReply> Create(Configuration& configuration, const ResourcePath& path,
                                const ApiTarget& target, const ApiRequest& request) {
  Write write{.path = path, .author = request.user, .create_only = true};
  ASSIGN_OR_RETURN(write.dry_run, ParseDryRun(target));
  ASSIGN_OR_RETURN(const std::unique_ptr<Message> wanted, ReadObject(request.body, path));
  return Apply(configuration, write, *wanted);
}

// An update that names no version is of the newest: it must still be there when it is made.
absl::StatusOr<ApiReply> Update(Configuration& configuration, const Write& write,
                                const Message& present, std::unique_ptr<Message> wanted) {
  if (MetadataOf(*wanted).resource_version().empty()) {
    MutableMetadataOf(*wanted)->set_resource_version(MetadataOf(present).resource_version());
  }
  return Apply(configuration, write, *wanted);
}

absl::StatusOr<ApiReply> ReplaceOnce(Configuration& configuration, const Write& write,
                                     const ApiRequest& request) {
  ASSIGN_OR_RETURN(std::unique_ptr<Message> wanted, ReadObject(request.body, write.path));
  const ResourcePtr present = configuration.Current().resources->Find(KeyIn(write.path));
  if (present == nullptr) return NotFound(KeyIn(write.path));
  return Update(configuration, write, *present, std::move(wanted));
}

absl::StatusOr<ApiReply> PatchOnce(Configuration& configuration, const Write& write,
                                   const ApiRequest& request) {
  const ResourcePath& path = write.path;
  const ResourcePtr present = configuration.Current().resources->Find(KeyIn(path));
  if (present == nullptr) return NotFound(KeyIn(path));
  const Json before = ToVersion(*present, path.version);
  ASSIGN_OR_RETURN(const Json after,
                   ApplyPatch(*path.kind, request.content_type, request.body, before));
  ASSIGN_OR_RETURN(std::unique_ptr<Message> wanted, ReadObject(Dump(after), path));
  return Update(configuration, write, *present, std::move(wanted));
}

bool NamesVersion(const ApiRequest& request) {
  return request.body.find("\"resourceVersion\"") != std::string::npos ||
         request.body.find("/metadata/resourceVersion") != std::string::npos;
}

bool IsConflict(const absl::Status& status) {
  return !status.ok() && StatusObject(status)["reason"] == "Conflict";
}

using Attempt = absl::StatusOr<ApiReply> (*)(Configuration&, const Write&, const ApiRequest&);

// What names no version goes on top of whatever is there: it is tried anew when somebody else was
// faster.
absl::StatusOr<ApiReply> Retry(Attempt attempt, Configuration& configuration,
                               const ResourcePath& path, const ApiTarget& target,
                               const ApiRequest& request) {
  Write write{.path = path, .author = request.user};
  ASSIGN_OR_RETURN(write.dry_run, ParseDryRun(target));
  absl::StatusOr<ApiReply> reply = attempt(configuration, write, request);
  for (int i = 1; i < kTriesMax && !NamesVersion(request) && IsConflict(reply.status()); ++i) {
    reply = attempt(configuration, write, request);
  }
  return reply;
}

std::string MemberText(const Json& object, const char* name) {
  return object.is_object() && object.contains(name) && object[name].is_string()
             ? object[name].get<std::string>()
             : "";
}

absl::StatusOr<ApiReply> Delete(Configuration& configuration, const ResourcePath& path,
                                const ApiTarget& target, const ApiRequest& request) {
  v1::DeleteRequest wanted;
  *wanted.add_keys() = ToProto(KeyIn(path));
  ASSIGN_OR_RETURN(bool dry_run, ParseDryRun(target));
  if (!request.body.empty()) {
    const Json options = Json::parse(request.body, nullptr, false);
    if (!options.is_object()) return absl::InvalidArgumentError("the body must be DeleteOptions");
    if (options.contains("dryRun") && !options["dryRun"].empty()) dry_run = true;
    if (options.contains("preconditions")) {
      wanted.set_uid(MemberText(options["preconditions"], "uid"));
      wanted.set_resource_version(MemberText(options["preconditions"], "resourceVersion"));
    }
  }
  wanted.set_dry_run(dry_run);
  const absl::StatusOr<v1::DeleteResponse> deleted = configuration.Delete(wanted, request.user);
  if (absl::IsNotFound(deleted.status())) return NotFound(KeyIn(path));
  RETURN_IF_ERROR(deleted.status());
  const std::unique_ptr<Message> object = path.kind->New();
  object->ParseFromString(deleted->results(0).object().value());
  return JsonReply({{"kind", "Status"},
                    {"apiVersion", "v1"},
                    {"metadata", Json::object()},
                    {"status", "Success"},
                    {"details",
                     {{"name", path.name},
                      {"group", path.kind->group},
                      {"kind", path.kind->plural},
                      {"uid", MetadataOf(*object).uid()}}}});
}

ApiReply ReplyOf(absl::StatusOr<ApiReply> reply) {
  return reply.ok() ? *std::move(reply) : ErrorReply(reply.status());
}

}  // namespace

ApiReply CreateObject(Configuration& configuration, const ResourcePath& path,
                      const ApiTarget& target, const ApiRequest& request) {
  return ReplyOf(Create(configuration, path, target, request));
}

ApiReply ReplaceObject(Configuration& configuration, const ResourcePath& path,
                       const ApiTarget& target, const ApiRequest& request) {
  return ReplyOf(Retry(ReplaceOnce, configuration, path, target, request));
}

ApiReply PatchObject(Configuration& configuration, const ResourcePath& path,
                     const ApiTarget& target, const ApiRequest& request) {
  return ReplyOf(Retry(PatchOnce, configuration, path, target, request));
}

ApiReply DeleteObject(Configuration& configuration, const ResourcePath& path,
                      const ApiTarget& target, const ApiRequest& request) {
  return ReplyOf(Delete(configuration, path, target, request));
}

}  // namespace apk
