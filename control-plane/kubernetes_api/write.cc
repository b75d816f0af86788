// The bodies differ; what is done with the wanted object is the same.
#include "control-plane/kubernetes_api/write.h"

#include <nlohmann/json.hpp>

#include "common/status_macros.h"
#include "common/strings.h"
#include "common/time_format.h"
#include "control-plane/admin/admission.h"
#include "control-plane/apkctl/object_conditions.h"
#include "control-plane/audit/audit_entry.h"
#include "control-plane/kubernetes_api/field_managers.h"
#include "control-plane/kubernetes_api/json_body.h"
#include "control-plane/kubernetes_api/object_form.h"
#include "control-plane/kubernetes_api/patch.h"
#include "control-plane/kubernetes_api/protobuf_body.h"
#include "control-plane/validation/validate.h"

namespace apk {
namespace {

using google::protobuf::Message;
using Json = nlohmann::ordered_json;

constexpr int kTriesMax = 5;
constexpr size_t kManagerBytesMax = 128;

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

// The reply with what was done, for who notes it.
ApiReply Noted(ApiReply reply, const v1::ObjectResult& result, uint64_t revision, bool dry_run) {
  reply.change = ForAudit(result);
  reply.revision = revision;
  reply.dry_run = dry_run;
  return reply;
}

struct Write {
  const ResourcePath& path;
  std::string author;
  FieldManager manager;  // Without fields.
  bool dry_run = false;
  bool force = false;
  bool create_only = false;
};

absl::StatusOr<Write> ParseWrite(const ResourcePath& path, const ApiTarget& target,
                                 const ApiRequest& request) {
  Write write{.path = path, .author = request.user.name, .manager = {}};
  write.manager.name = target.Query("fieldManager");
  if (write.manager.name.size() > kManagerBytesMax) {
    return absl::InvalidArgumentError("fieldManager: longer than 128 bytes");
  }
  if (write.manager.name.empty()) {
    write.manager.name =
        request.user_agent.substr(0, request.user_agent.find('/')).substr(0, kManagerBytesMax);
  }
  if (write.manager.name.empty()) write.manager.name = "unknown";
  write.manager.api_version = ApiVersionOf(*path.kind, path.version);
  write.manager.time = Rfc3339Now();
  write.force = target.Flag("force");
  ASSIGN_OR_RETURN(write.dry_run, ParseDryRun(target));
  return write;
}

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
  return Noted(std::move(reply), applied.results(0), applied.revision(), write.dry_run);
}

absl::StatusOr<std::string> BodyOf(const ApiRequest& request) {
  const std::string& type = request.content_type;
  if (IsProtobuf(type)) return JsonOfProtobuf(request.body);
  if (type.empty() || type.starts_with("application/json") ||
      type.starts_with("application/yaml")) {
    return request.body;
  }
  return ApiError(415, "UnsupportedMediaType",
                  Concat("bodies of type ", type, " are not read: application/json is"));
}

absl::StatusOr<ApiReply> Create(Configuration& configuration, const ResourcePath& path,
                                const ApiTarget& target, const ApiRequest& request) {
  ASSIGN_OR_RETURN(Write write, ParseWrite(path, target, request));
  write.create_only = true;
  ASSIGN_OR_RETURN(const std::string body, BodyOf(request));
  ASSIGN_OR_RETURN(const std::unique_ptr<Message> wanted, ReadObject(body, path));
  SetManagers(AfterUpdate({}, write.manager, nullptr, ToVersion(*wanted, path.version), *path.kind),
              *MutableMetadataOf(*wanted));
  return Apply(configuration, write, *wanted);
}

// Managed fields that the client didn't change, or can't have seen, go on from what they are.
FieldManagers ManagersBefore(const Message& present, const Json& before, const Json& after) {
  const Json none = Json::array();
  const Json then = before["metadata"].value("managedFields", none);
  const Json now = after.contains("metadata") && after["metadata"].is_object()
                       ? after["metadata"].value("managedFields", none)
                       : none;
  return now.is_array() && !now.empty() && now != then ? ManagersIn(after)
                                                       : ManagersOf(MetadataOf(present));
}

// `text` is the wanted object; a version that it doesn't name is the newest: it must still be there
// when the update is made.
absl::StatusOr<ApiReply> Update(Configuration& configuration, const Write& write,
                                const Message& present, const std::string& text) {
  const ResourcePath& path = write.path;
  ASSIGN_OR_RETURN(const std::unique_ptr<Message> wanted, ReadObject(text, path));
  v1::ObjectMeta* const metadata = MutableMetadataOf(*wanted);
  if (metadata->resource_version().empty()) {
    metadata->set_resource_version(MetadataOf(present).resource_version());
  }
  const Json before = ToVersion(present, path.version);
  const Json sent = ParseBody(text);
  SetManagers(AfterUpdate(ManagersBefore(present, before, sent), write.manager, before,
                          ToVersion(*wanted, path.version), *path.kind),
              *metadata);
  return Apply(configuration, write, *wanted);
}

// nullptr: there is none.
absl::StatusOr<ResourcePtr> FindPresent(Configuration& configuration, const ResourcePath& path) {
  const Configuration::View view = configuration.Newest();
  ResourcePtr present = view.resources->Find(KeyIn(path));
  if (present != nullptr || !view.maybe_stale) return present;
  return absl::UnavailableError("the store does not answer: try again later");
}

absl::StatusOr<ApiReply> ReplaceOnce(Configuration& configuration, const Write& write,
                                     const ApiRequest& request) {
  ASSIGN_OR_RETURN(const ResourcePtr present, FindPresent(configuration, write.path));
  if (present == nullptr) return NotFound(KeyIn(write.path));
  ASSIGN_OR_RETURN(const std::string body, BodyOf(request));
  return Update(configuration, write, *present, body);
}

absl::StatusOr<ApiReply> PatchOnce(Configuration& configuration, const Write& write,
                                   const ApiRequest& request) {
  const ResourcePath& path = write.path;
  ASSIGN_OR_RETURN(const ResourcePtr present, FindPresent(configuration, path));
  if (present == nullptr) return NotFound(KeyIn(path));
  ASSIGN_OR_RETURN(const Json after, ApplyPatch(*path.kind, request.content_type, request.body,
                                                ToVersion(*present, path.version)));
  return Update(configuration, write, *present, Dump(after));
}

// The defaults are filled in, so that they don't count as changes. What can't be valid stays as it
// is: the apply will say why.
absl::StatusOr<Json> WithDefaults(const Json& object, const ResourcePath& path) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Message> message, ReadObject(Dump(object), path));
  for (const FieldIssue& issue : Validate(*message)) {
    if (issue.severity == FieldIssue::Severity::kError) return object;
  }
  Normalize(*message);
  return ToVersion(*message, path.version);
}

absl::StatusOr<ApiReply> ApplyOnce(Configuration& configuration, const Write& write,
                                   const ApiRequest& request) {
  const ResourcePath& path = write.path;
  const Kind& kind = *path.kind;
  ASSIGN_OR_RETURN(const std::unique_ptr<Message> read, ReadObject(request.body, path));
  const Json applied = ToVersion(*read, path.version);
  ASSIGN_OR_RETURN(const ResourcePtr present, FindPresent(configuration, path));
  Write made = write;
  made.create_only = present == nullptr;
  const Json live = present == nullptr ? Json::object() : ToVersion(*present, path.version);
  ASSIGN_OR_RETURN(const Json merged,
                   WithDefaults(WithFields(live, applied, *kind.descriptor), path));
  FieldManagers before = present == nullptr ? FieldManagers() : ManagersOf(MetadataOf(*present));
  ASSIGN_OR_RETURN(
      const FieldsApplied result,
      ApplyFields(live, std::move(before), applied, ChangedFields(live, merged, *kind.descriptor),
                  write.manager, write.force, kind));
  ASSIGN_OR_RETURN(const std::unique_ptr<Message> wanted, ReadObject(Dump(result.object), path));
  v1::ObjectMeta* const metadata = MutableMetadataOf(*wanted);
  const std::string& named = MetadataOf(*read).resource_version();
  if (present != nullptr && named.empty()) {
    metadata->set_resource_version(MetadataOf(*present).resource_version());
  }
  SetManagers(result.managers, *metadata);
  return Apply(configuration, made, *wanted);
}

bool NamesVersion(const ApiRequest& request) {
  return request.body.find("\"resourceVersion\"") != std::string::npos ||
         request.body.find("/metadata/resourceVersion") != std::string::npos;
}

// Somebody else was faster. A conflict between managers is none of these.
bool WasOvertaken(const absl::Status& status) {
  if (status.ok()) return false;
  const Json object = StatusObject(status);
  const bool of_managers = object.contains("details") && object["details"].contains("causes");
  return (object["reason"] == "Conflict" && !of_managers) || object["reason"] == "AlreadyExists";
}

using Attempt = absl::StatusOr<ApiReply> (*)(Configuration&, const Write&, const ApiRequest&);

// What names no version goes on top of whatever is there.
absl::StatusOr<ApiReply> Retry(Attempt attempt, Configuration& configuration,
                               const ResourcePath& path, const ApiTarget& target,
                               const ApiRequest& request) {
  ASSIGN_OR_RETURN(const Write write, ParseWrite(path, target, request));
  absl::StatusOr<ApiReply> reply = attempt(configuration, write, request);
  for (int i = 1; i < kTriesMax && !NamesVersion(request) && WasOvertaken(reply.status()); ++i) {
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
    const Json options = ParseBody(request.body);
    if (!options.is_object()) return absl::InvalidArgumentError("the body must be DeleteOptions");
    if (options.contains("dryRun") && !options["dryRun"].empty()) dry_run = true;
    if (options.contains("preconditions")) {
      wanted.set_uid(MemberText(options["preconditions"], "uid"));
      wanted.set_resource_version(MemberText(options["preconditions"], "resourceVersion"));
    }
  }
  wanted.set_dry_run(dry_run);
  const absl::StatusOr<v1::DeleteResponse> deleted =
      configuration.Delete(wanted, request.user.name);
  if (absl::IsNotFound(deleted.status())) return NotFound(KeyIn(path));
  RETURN_IF_ERROR(deleted.status());
  const std::unique_ptr<Message> object = path.kind->New();
  object->ParseFromString(deleted->results(0).object().value());
  ApiReply reply = JsonReply({{"kind", "Status"},
                              {"apiVersion", "v1"},
                              {"metadata", Json::object()},
                              {"status", "Success"},
                              {"details",
                               {{"name", path.name},
                                {"group", path.kind->group},
                                {"kind", path.kind->plural},
                                {"uid", MetadataOf(*object).uid()}}}});
  return Noted(std::move(reply), deleted->results(0), deleted->revision(), dry_run);
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
  if (!request.content_type.starts_with("application/apply-patch+yaml")) {
    return ReplyOf(Retry(PatchOnce, configuration, path, target, request));
  }
  if (target.Query("fieldManager").empty()) {
    return ErrorReply(absl::InvalidArgumentError("fieldManager: is required for an apply patch"));
  }
  return ReplyOf(Retry(ApplyOnce, configuration, path, target, request));
}

ApiReply DeleteObject(Configuration& configuration, const ResourcePath& path,
                      const ApiTarget& target, const ApiRequest& request) {
  return ReplyOf(Delete(configuration, path, target, request));
}

}  // namespace apk
