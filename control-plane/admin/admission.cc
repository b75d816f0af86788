// Each object on its own first, then all of them beside the present state.
#include "control-plane/admin/admission.h"

#include <map>
#include <set>

#include "common/strings.h"
#include "control-plane/resources/kind_registry.h"
#include "control-plane/resources/own_objects.h"
#include "control-plane/validation/validate.h"

namespace apk {
namespace {

v1::Violation* AddViolation(v1::ApplyResponse& response, int index,
                            v1::Violation::Severity severity, std::string_view path,
                            std::string_view message, std::string_view hint) {
  v1::Violation* const violation = response.add_violations();
  violation->set_severity(severity);
  violation->set_object_index(static_cast<uint32_t>(index));
  violation->set_field_path(std::string(path));
  violation->set_message(std::string(message));
  violation->set_hint(std::string(hint));
  return violation;
}

// nullptr and a violation where it is no object of ours.
MessagePtr Unpack(const google::protobuf::Any& any, int index, v1::ApplyResponse& response) {
  MessagePtr object = Decode(any);
  if (object != nullptr) return object;
  AddViolation(response, index, v1::Violation::ERROR, "",
               Concat("no object of a known kind: ", any.type_url()),
               "use apkctl of the same version as the control plane");
  return nullptr;
}

v1::Violation* AddError(v1::ApplyResponse& response, int index, const ResourceKey& key,
                        std::string_view path, std::string_view message, std::string_view hint) {
  v1::Violation* const violation =
      AddViolation(response, index, v1::Violation::ERROR, path, message, hint);
  *violation->mutable_key() = ToProto(key);
  return violation;
}

// As the Kubernetes API server takes them: a resourceVersion means that version and no other, a uid
// that very object.
bool CheckPreconditions(const v1::ObjectMeta& wanted, const google::protobuf::Message* current,
                        int index, const ResourceKey& key, v1::ApplyResponse& response) {
  constexpr std::string_view kRetry = "get the present object and make your change in that";
  constexpr std::string_view kVersion = "metadata.resourceVersion";
  if (current == nullptr) {
    if (wanted.resource_version().empty()) return true;
    AddError(response, index, key, kVersion,
             Concat("conflict: ", NameInErrors(key), " does not exist, in no version"),
             "leave resourceVersion out to create it")
        ->set_reason(v1::Violation::CONFLICT);
    return false;
  }
  const v1::ObjectMeta& present = MetadataOf(*current);
  if (!wanted.uid().empty() && wanted.uid() != present.uid()) {
    AddError(response, index, key, "metadata.uid",
             Concat("conflict: ", NameInErrors(key), " has uid ", present.uid(),
                    ": it was deleted and made anew"),
             kRetry)
        ->set_reason(v1::Violation::CONFLICT);
    return false;
  }
  if (!wanted.resource_version().empty() &&
      wanted.resource_version() != present.resource_version()) {
    AddError(response, index, key, kVersion,
             Concat("conflict: ", NameInErrors(key), " has been modified: its resourceVersion is ",
                    present.resource_version()),
             kRetry)
        ->set_reason(v1::Violation::CONFLICT);
    return false;
  }
  return true;
}

bool CheckUpdate(const google::protobuf::Message& object, const google::protobuf::Message& current,
                 int index, const ResourceKey& key, v1::ApplyResponse& response) {
  const std::vector<FieldIssue> issues = ValidateUpdate(object, current);
  for (const FieldIssue& issue : issues) {
    AddError(response, index, key, issue.field_path, issue.message, issue.hint);
  }
  return issues.empty();
}

std::set<std::string> NamespacesIn(const std::vector<MessagePtr>& objects) {
  std::set<std::string> names;
  for (const MessagePtr& object : objects) {
    const ResourceKey key = KeyOf(*object);
    if (key.group.empty() && key.kind == "Namespace") names.insert(key.name);
  }
  return names;
}

}  // namespace

MessagePtr Decode(const google::protobuf::Any& any) {
  const std::string& url = any.type_url();
  const std::string name = url.substr(url.rfind('/') + 1);
  for (const Kind& kind : AllKinds()) {
    if (kind.descriptor->full_name() != name) continue;
    MessagePtr object = kind.New();
    if (object->ParseFromString(any.value())) return object;
  }
  return nullptr;
}

v1::ObjectKey ToProto(const ResourceKey& key) {
  v1::ObjectKey proto;
  proto.set_group(key.group);
  proto.set_kind(key.kind);
  proto.set_namespace_(key.namespace_name);
  proto.set_name(key.name);
  return proto;
}

ResourceKey FromProto(const v1::ObjectKey& key) {
  return {.group = key.group(),
          .kind = key.kind(),
          .namespace_name = key.namespace_(),
          .name = key.name()};
}

std::string NameInErrors(const ResourceKey& key) {
  const Kind* const kind = FindKind(key.group, key.kind);
  if (kind == nullptr) return key.ToString();
  return Concat(kind->plural, kind->group.empty() ? "" : ".", kind->group, " \"", key.name, "\"");
}

bool Admit(const v1::ApplyRequest& request, std::vector<MessagePtr>& objects,
           v1::ApplyResponse& response) {
  bool good = true;
  std::map<ResourceKey, int> seen;
  for (int i = 0; i < request.objects_size(); ++i) {
    MessagePtr object = Unpack(request.objects(i), i, response);
    if (object == nullptr) {
      good = false;
      continue;
    }
    const Kind& kind = *FindKind(object->GetDescriptor());
    v1::ObjectMeta* const metadata = MutableMetadataOf(*object);
    if (!kind.cluster_scoped && metadata->namespace_().empty()) metadata->set_namespace_("default");
    const ResourceKey key = KeyOf(*object);
    bool valid = true;
    for (const FieldIssue& issue : Validate(*object)) {
      const bool error = issue.severity == FieldIssue::Severity::kError;
      *AddViolation(response, i, error ? v1::Violation::ERROR : v1::Violation::WARNING,
                    issue.field_path, issue.message, issue.hint)
           ->mutable_key() = ToProto(key);
      valid = valid && !error;
    }
    const auto [first, is_new] = seen.emplace(key, i);
    if (!is_new) {
      *AddViolation(response, i, v1::Violation::ERROR, "metadata.name",
                    Concat(key.ToString(), " is in the batch twice, first as object ",
                           std::to_string(first->second + 1)),
                    "keep one of them")
           ->mutable_key() = ToProto(key);
      valid = false;
    }
    good = good && valid;
    if (valid) Normalize(*object);
    objects.push_back(std::move(object));
  }
  return good;
}

bool AdmitBeside(const ResourceSet& resources, const std::vector<MessagePtr>& objects,
                 bool create_only, v1::ApplyResponse& response) {
  const std::set<std::string> coming = NamespacesIn(objects);
  bool good = true;
  for (size_t i = 0; i < objects.size(); ++i) {
    const google::protobuf::Message& object = *objects[i];
    const ResourceKey key = KeyOf(object);
    const auto index = static_cast<int>(i);
    const ResourcePtr current = resources.Find(key);
    good = CheckPreconditions(MetadataOf(object), current.get(), index, key, response) && good;
    if (current != nullptr && create_only) {
      AddError(response, index, key, "metadata.name", Concat(NameInErrors(key), " already exists"),
               "")
          ->set_reason(v1::Violation::ALREADY_EXISTS);
      good = false;
    } else if (current != nullptr) {
      good = CheckUpdate(object, *current, index, key, response) && good;
    } else if (!key.namespace_name.empty() && !coming.contains(key.namespace_name) &&
               resources.Find({"", "Namespace", "", key.namespace_name}) == nullptr) {
      AddError(response, index, key, "metadata.namespace",
               Concat("namespaces \"", key.namespace_name, "\" not found"),
               "apply the Namespace before, or in the same batch")
          ->set_reason(v1::Violation::NAMESPACE_NOT_FOUND);
      good = false;
    }
  }
  return good;
}

absl::Status CheckStillValid(const ResourceKey& key, const google::protobuf::Message& object) {
  for (const FieldIssue& issue : Validate(object)) {
    if (issue.severity != FieldIssue::Severity::kError) continue;
    return absl::FailedPreconditionError(Concat(
        NameInErrors(key), " of then is not valid now: ", issue.field_path, ": ", issue.message));
  }
  return absl::OkStatus();
}

std::optional<std::string> ReasonToKeep(const ResourceKey& key) {
  const bool is_namespace = key.kind == "Namespace" && key.group.empty();
  if (is_namespace && key.name == "default") {
    return "it is where objects without a namespace go; delete what is in it instead";
  }
  if (is_namespace && key.name == kOwnNamespace) {
    return "it is where the gateway's own objects are; delete what is in it instead";
  }
  if (key.kind == "GatewayClass" && key.name == "apk") {
    return "Gateways are served by this class; other classes of its controller can be deleted";
  }
  return std::nullopt;
}

}  // namespace apk
