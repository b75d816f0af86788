// The roles are asked what they would be asked if it were done.
#include "control-plane/kubernetes_api/self_reviews.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "common/status_macros.h"
#include "common/strings.h"
#include "control-plane/kubernetes_api/json_body.h"
#include "control-plane/kubernetes_api/protobuf_body.h"

namespace apk {
namespace {

using Json = nlohmann::ordered_json;
using Need = AccessRequest::Need;

constexpr std::array<const char*, 7> kVerbs = {"get",    "list",  "watch", "create",
                                               "update", "patch", "delete"};
constexpr int kCreated = 201;

// What is no kind, and what may be done with it by apkctl.
struct Other {
  const char* resource;
  const char* verb;
  Need need;
};
constexpr std::array<Other, 8> kOthers = {{{"agents", "list", Need::kAnyRole},
                                           {"revisions", "list", Need::kRead},
                                           {"exports", "list", Need::kRead},
                                           {"tokens", "create", Need::kEditSomewhere},
                                           {"rollbacks", "create", Need::kAdmin},
                                           {"backups", "create", Need::kAdmin},
                                           {"restores", "create", Need::kAdmin},
                                           {"identities", "list", Need::kAdmin}}};

std::string TextIn(const Json& object, const char* name) {
  return object.is_object() && object.contains(name) && object[name].is_string()
             ? object[name].get<std::string>()
             : "";
}

// An object; an empty one where there is none.
Json ObjectIn(const Json& object, const char* name) {
  return object.is_object() && object.contains(name) && object[name].is_object() ? object[name]
                                                                                 : Json::object();
}

bool IsVerb(const std::string& verb) {
  return std::find(kVerbs.begin(), kVerbs.end(), verb) != kVerbs.end();
}

const Kind* FindByPlural(const std::string& group, const std::string& plural) {
  for (const Kind& kind : AllKinds()) {
    if (kind.group == group && kind.plural == plural) return &kind;
  }
  return nullptr;
}

absl::Status MayTouch(const Gate& gate, const Principal& user, const Json& attributes) {
  const std::string verb = TextIn(attributes, "verb");
  const std::string group = TextIn(attributes, "group");
  const std::string resource = TextIn(attributes, "resource");
  if (resource == "*" || verb == "*")
    return gate.Check(AccessTo(user, verb, resource, Need::kAdmin));
  const Kind* const kind = FindByPlural(group, resource);
  if (kind != nullptr) {
    const bool status = TextIn(attributes, "subresource") == "status";
    if (!IsVerb(verb) || (status && verb != "get")) {
      return absl::PermissionDeniedError(Concat("nobody can ", verb, " ", resource, " here"));
    }
    return gate.Check(AccessToKind(user, verb, *kind, TextIn(attributes, "namespace"),
                                   TextIn(attributes, "name")));
  }
  for (const Other& other : kOthers) {
    if (group.empty() && resource == other.resource && verb == other.verb) {
      return gate.Check(AccessTo(user, verb, resource, other.need));
    }
  }
  return absl::PermissionDeniedError(Concat("there is no resource \"", resource,
                                            "\" in API group \"", group, "\", or no verb \"", verb,
                                            "\" for it"));
}

Json AccessStatus(const Gate& gate, const ApiRequest& request, const Json& spec) {
  absl::Status may;  // Documents that are no resources are everybody's who is let in.
  if (spec.contains("resourceAttributes")) {
    may = MayTouch(gate, request.user, ObjectIn(spec, "resourceAttributes"));
  } else if (TextIn(ObjectIn(spec, "nonResourceAttributes"), "verb") != "get") {
    may = absl::PermissionDeniedError("only get is served there");
  }
  Json status{{"allowed", may.ok()}};
  if (!may.ok()) status["reason"] = std::string(may.message());
  return status;
}

Json RulesStatus(const Gate& gate, const ApiRequest& request, const Json& spec) {
  const std::string namespace_name = TextIn(spec, "namespace");
  Json rules = Json::array();
  for (const Kind& kind : AllKinds()) {
    Json verbs = Json::array();
    for (const char* const verb : kVerbs) {
      const std::string& where = kind.cluster_scoped ? "" : namespace_name;
      if (gate.Check(AccessToKind(request.user, verb, kind, where, "")).ok()) verbs.push_back(verb);
    }
    if (verbs.empty()) continue;
    rules.push_back({{"verbs", verbs}, {"apiGroups", {kind.group}}, {"resources", {kind.plural}}});
  }
  return {{"resourceRules", std::move(rules)},
          {"nonResourceRules", Json::array({Json{{"verbs", {"get"}}, {"nonResourceURLs", {"*"}}}})},
          {"incomplete", false}};
}

Json UserStatus(const ApiRequest& request) {
  const std::string& name = request.user.name;
  const bool certificate = name.starts_with(kUserUri);
  return {{"userInfo",
           {{"username", certificate ? name.substr(kUserUri.size()) : name},
            {"groups", request.user.groups}}}};
}

absl::StatusOr<Json> ReadReview(const ApiRequest& request) {
  if (request.method != "POST") return absl::UnimplementedError("only POST is supported here");
  std::string text = request.body;
  if (IsProtobuf(request.content_type)) {
    ASSIGN_OR_RETURN(text, JsonOfProtobuf(request.body));
  }
  Json review = ParseBody(text);
  if (review.is_object()) return review;
  return absl::InvalidArgumentError("the body is no JSON object");
}

}  // namespace

std::optional<ApiReply> ServeSelfReview(const Gate& gate, const ApiRequest& request,
                                        const ApiTarget& target) {
  const std::vector<std::string>& path = target.segments;
  if (path.size() != 4 || path[0] != "apis" || path[2] != "v1") return std::nullopt;
  const bool authorization = path[1] == "authorization.k8s.io";
  const bool access = authorization && path[3] == "selfsubjectaccessreviews";
  const bool rules = authorization && path[3] == "selfsubjectrulesreviews";
  const bool user = path[1] == "authentication.k8s.io" && path[3] == "selfsubjectreviews";
  if (!access && !rules && !user) return std::nullopt;
  absl::StatusOr<Json> review = ReadReview(request);
  if (!review.ok()) return ErrorReply(review.status());
  (*review)["apiVersion"] = Concat(path[1], "/v1");
  (*review)["kind"] = access  ? "SelfSubjectAccessReview"
                      : rules ? "SelfSubjectRulesReview"
                              : "SelfSubjectReview";
  const Json spec = ObjectIn(*review, "spec");
  (*review)["status"] = access  ? AccessStatus(gate, request, spec)
                        : rules ? RulesStatus(gate, request, spec)
                                : UserStatus(request);
  return JsonReply(*review, kCreated);
}

}  // namespace apk
