// The reply has all that is noted; of a refusal that is its Status object.
#include "control-plane/kubernetes_api/guard.h"

#include <nlohmann/json.hpp>

namespace apk {
namespace {

using Json = nlohmann::ordered_json;

std::string TextIn(const Json& object, const char* name) {
  return object.is_object() && object.contains(name) && object[name].is_string()
             ? object[name].get<std::string>()
             : "";
}

// The name of an object that is to be made; "" where that can't be told.
std::string NameIn(const std::string& body) {
  const Json object = Json::parse(body, nullptr, false);
  return object.is_object() && object.contains("metadata") ? TextIn(object["metadata"], "name")
                                                           : "";
}

}  // namespace

std::string VerbOf(const ApiRequest& request, const ApiTarget& target, const ResourcePath& path) {
  if (request.method == "GET") {
    if (target.Flag("watch")) return "watch";
    return path.name.empty() ? "list" : "get";
  }
  if (request.method == "POST") return "create";
  if (request.method == "PUT") return "update";
  if (request.method == "PATCH") return "patch";
  return request.method == "DELETE" ? "delete" : "";
}

absl::Status CheckAccess(const Gate& gate, const ApiRequest& request, const ResourcePath& path,
                         const std::string& verb) {
  const Kind& kind = *path.kind;
  const absl::Status allowed =
      gate.Check(AccessToKind(request.user, verb, kind, path.namespace_name, path.name));
  if (allowed.ok()) return allowed;
  Json details = Json::object();
  if (!path.name.empty()) details["name"] = path.name;
  if (!kind.group.empty()) details["group"] = kind.group;
  details["kind"] = kind.plural;
  return ApiError(403, "Forbidden", std::string(allowed.message()), details);
}

void NoteWrite(const Gate& gate, const ApiRequest& request, const ApiTarget& target,
               const ResourcePath& path, const std::string& verb, const ApiReply& reply) {
  constexpr int kForbidden = 403;
  const bool dry_run = reply.dry_run || !target.Query("dryRun").empty();
  if (!gate.has_audit() || (dry_run && reply.status != kForbidden)) return;
  AuditEntry entry;
  entry.user = request.user.name;
  entry.address = request.address;
  entry.api = "kubernetes";
  entry.verb = verb;
  if (reply.change.has_value()) {
    entry.result = ResultWord(absl::StatusCode::kOk);
    entry.revision = reply.revision;
    entry.objects.push_back(*reply.change);
    return gate.NoteChange(std::move(entry));
  }
  const Json status = Json::parse(reply.body, nullptr, false);
  entry.result = TextIn(status, "reason");
  entry.message = TextIn(status, "message");
  v1::ObjectKey& key = *entry.objects.emplace_back().mutable_key();
  key.set_group(path.kind->group);
  key.set_kind(path.kind->name);
  key.set_namespace_(path.namespace_name);
  key.set_name(path.name.empty() ? NameIn(request.body) : path.name);
  gate.NoteRefusal(std::move(entry));
}

}  // namespace apk
