// The manifest's reader reads bodies, too: the same fields, the same messages.
#include "control-plane/kubernetes_api/object_form.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "apk/v1/api.pb.h"
#include "apk/v1/schema.pb.h"
#include "common/strings.h"
#include "control-plane/apkctl/manifest/read_manifest.h"
#include "control-plane/kubernetes_api/json_body.h"
#include "control-plane/kubernetes_api/reply.h"
#include "control-plane/resources/json.h"
#include "control-plane/resources/resource_set.h"

namespace apk {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using Json = nlohmann::ordered_json;

bool IsIn(const FieldDescriptor& field, const std::string& version) {
  const v1::FieldRules& rules = field.options().GetExtension(v1::field);
  return rules.only_in().empty() || std::find(rules.only_in().begin(), rules.only_in().end(),
                                              version) != rules.only_in().end();
}

void ClearWhatIsNotIn(const std::string& version, Message& message) {
  const Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* const field : fields) {
    if (!IsIn(*field, version)) {
      reflection.ClearField(&message, field);
    } else if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || field->is_map()) {
      continue;
    } else if (!field->is_repeated()) {
      ClearWhatIsNotIn(version, *reflection.MutableMessage(&message, field));
    } else {
      for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
        ClearWhatIsNotIn(version, *reflection.MutableRepeatedMessage(&message, field, i));
      }
    }
  }
}

void RestoreNames(const std::string& version, v1::API& api) {
  if (version != "v1alpha1") return;
  for (auto* const environments :
       {api.mutable_spec()->mutable_production(), api.mutable_spec()->mutable_sandbox()}) {
    for (v1::ApiEnvironment& environment : *environments) {
      environment.mutable_http_route_refs()->Swap(environment.mutable_route_refs());
    }
  }
}

absl::Status BadRequest(const std::string& message) { return ApiError(400, "BadRequest", message); }

absl::Status CheckIdentity(const Message& object, const ResourcePath& path) {
  const ResourceKey key = KeyOf(object);
  const Kind& kind = *path.kind;
  if (key.group != kind.group || key.kind != kind.name) {
    return BadRequest(Concat("the object is a ", key.kind, ", the path is of ", kind.plural));
  }
  const auto* const field = object.GetDescriptor()->FindFieldByName("api_version");
  const std::string api_version = object.GetReflection()->GetString(object, field);
  if (api_version != ApiVersionOf(kind, path.version)) {
    return BadRequest(Concat("apiVersion: ", api_version, " in the object, ",
                             ApiVersionOf(kind, path.version), " in the path"));
  }
  if (!path.name.empty() && key.name != path.name) {
    return BadRequest(Concat("metadata.name: the object is named \"", key.name, "\", the path \"",
                             path.name, "\""));
  }
  const std::string& written = MetadataOf(object).namespace_();
  if (!written.empty() && written != path.namespace_name && !kind.cluster_scoped) {
    return BadRequest(Concat("metadata.namespace: the object is in \"", written,
                             "\", the path in \"", path.namespace_name, "\""));
  }
  return absl::OkStatus();
}

// For messages: the name that a body that can't be read as a whole seems to have.
std::string NameIn(const std::string& body, const ResourcePath& path) {
  if (!path.name.empty()) return path.name;
  const Json json = ParseBody(body);
  if (!json.is_object() || !json.contains("metadata")) return "";
  const Json& metadata = json["metadata"];
  return metadata.is_object() && metadata.contains("name") && metadata["name"].is_string()
             ? metadata["name"].get<std::string>()
             : "";
}

}  // namespace

std::string ApiVersionOf(const Kind& kind, const std::string& version) {
  return kind.group.empty() ? version : Concat(kind.group, "/", version);
}

Json ToVersion(const Message& object, const std::string& version) {
  const Kind& kind = *FindKind(object.GetDescriptor());
  std::unique_ptr<Message> shown(object.New());
  shown->CopyFrom(object);
  if (version != kind.versions.back()) {
    if (kind.name == "API") RestoreNames(version, static_cast<v1::API&>(*shown));
    ClearWhatIsNotIn(version, *shown);
  }
  Json json = ToJson(*shown);
  json["apiVersion"] = ApiVersionOf(kind, version);
  return json;
}

absl::StatusOr<std::unique_ptr<Message>> ReadObject(const std::string& body,
                                                    const ResourcePath& path) {
  ManifestResult read = ReadManifest(body, "");
  if (!read.problems.empty()) {
    std::vector<FieldCause> causes;
    for (const ManifestProblem& problem : read.problems) {
      causes.push_back({problem.field_path,
                        problem.hint.empty() ? problem.message
                                             : Concat(problem.message, " (", problem.hint, ")")});
    }
    return InvalidObject(*path.kind, NameIn(body, path), causes);
  }
  if (read.documents.size() != 1) return BadRequest("the body must be one object");
  std::unique_ptr<Message> object = std::move(read.documents[0].object);
  if (absl::Status status = CheckIdentity(*object, path); !status.ok()) return status;
  if (!path.kind->cluster_scoped) {
    MutableMetadataOf(*object)->set_namespace_(path.namespace_name);
  }
  return object;
}

}  // namespace apk
