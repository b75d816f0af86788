// Where a request goes, by its path and method.
#include "control-plane/kubernetes_api/kubernetes_api.h"

#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>

#include "common/strings.h"
#include "control-plane/kubernetes_api/discovery_documents.h"
#include "control-plane/kubernetes_api/guard.h"
#include "control-plane/kubernetes_api/openapi.h"
#include "control-plane/kubernetes_api/read.h"
#include "control-plane/kubernetes_api/self_reviews.h"
#include "control-plane/kubernetes_api/write.h"

namespace apk {
namespace {

using Json = nlohmann::ordered_json;
using Segments = std::vector<std::string>;

ApiReply TextReply(const std::string& text) {
  ApiReply reply;
  reply.content_type = "text/plain; charset=utf-8";
  reply.body = text;
  return reply;
}

ApiReply DocumentReply(const std::optional<Json>& document) {
  if (document.has_value()) return JsonReply(*document);
  return ErrorReply(absl::NotFoundError("the server could not find the requested resource"));
}

// Older kubectl, and any that misses a kind in version 3, asks for version 2 in protobuf: an empty
// document, which is no bytes at all, makes it go on without.
ApiReply OpenApiV2(const std::string& accept) {
  if (accept.find("protobuf") == std::string::npos) {
    return JsonReply({{"swagger", "2.0"},
                      {"info", {{"title", "API gateway"}, {"version", APK_VERSION}}},
                      {"paths", Json::object()}});
  }
  ApiReply reply;
  reply.content_type = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
  return reply;
}

ApiReply OpenApi(const Segments& path, const std::string& accept) {
  if (path.size() == 2 && path[1] == "v2") return OpenApiV2(accept);
  if (path.size() < 2 || path[1] != "v3") return DocumentReply(std::nullopt);
  if (path.size() == 2) return JsonReply(OpenApiIndex());
  if (path.size() == 4 && path[2] == "api") return DocumentReply(OpenApiDocument("", path[3]));
  if (path.size() == 5 && path[2] == "apis" && !path[3].empty()) {
    return DocumentReply(OpenApiDocument(path[3], path[4]));
  }
  return DocumentReply(std::nullopt);
}

// nullopt where the path names a resource.
std::optional<ApiReply> ServeDocument(const Segments& path, const std::string& accept) {
  if (path.empty()) return JsonReply({{"paths", {"/api", "/apis", "/openapi/v3", "/version"}}});
  const std::string& first = path[0];
  if (first == "openapi") return OpenApi(path, accept);
  if (path.size() == 1) {
    if (first == "healthz" || first == "livez" || first == "readyz") return TextReply("ok");
    if (first == "version") return JsonReply(VersionDocument());
    if (first == "api") return DiscoverCore(accept);
    if (first == "apis") return DiscoverGroups(accept);
  }
  if (first == "api" && path.size() == 2) return DocumentReply(ResourceListDocument("", path[1]));
  if (first == "apis" && path.size() == 2) return DocumentReply(GroupDocument(path[1]));
  if (first == "apis" && path.size() == 3 && !path[1].empty()) {
    return DocumentReply(ResourceListDocument(path[1], path[2]));
  }
  return std::nullopt;
}

ApiReply NotAllowed(const ApiRequest& request, const ResourcePath& path) {
  const bool status = path.subresource == "status";
  return ErrorReply(absl::UnimplementedError(Concat(
      request.method, " is not supported for ", path.plural, path.subresource.empty() ? "" : "/",
      path.subresource, status ? ": the control plane alone writes the status" : "")));
}

// describe asks for them: there are none.
ApiReply NoEvents() {
  return JsonReply({{"kind", "EventList"},
                    {"apiVersion", "v1"},
                    {"metadata", {{"resourceVersion", "0"}}},
                    {"items", Json::array()}});
}

using Answer = std::variant<ApiReply, std::unique_ptr<Watch>>;

// Who names a version wants no older one; who names none, the newest.
Configuration::View ViewFor(Configuration& configuration, const ApiTarget& target) {
  const std::string named = target.Query("resourceVersion");
  Configuration::View view = configuration.Current();
  uint64_t wanted = 0;
  const auto [rest, error] = std::from_chars(named.data(), named.data() + named.size(), wanted);
  const bool enough = !named.empty() && error == std::errc() && wanted <= view.revision;
  return enough ? view : configuration.Newest();
}

Answer ServeRead(Configuration& configuration, const Gate& gate, const ApiRequest& request,
                 const ApiTarget& target, const ResourcePath& path, const std::string& verb) {
  const Configuration::View view = ViewFor(configuration, target);
  if (verb == "list" || verb == "get") {
    ApiReply reply = verb == "list" ? ListObjects(view, path, target, request.accept)
                                    : GetObject(view, path, target, request.accept);
    if (view.maybe_stale) {
      reply.warnings.push_back(Concat("the store does not answer: as of revision ",
                                      std::to_string(view.revision),
                                      ", others may have changed it since"));
    }
    return reply;
  }
  absl::StatusOr<std::unique_ptr<Watch>> watch = Watch::Begin(view, path, target, request.accept);
  if (!watch.ok()) return ErrorReply(watch.status());
  (*watch)->Ask([&gate, request, path, verb] { return CheckAccess(gate, request, path, verb); });
  return *std::move(watch);
}

// A member that has another type than everywhere else makes the JSON library throw.
ApiReply ServeWrite(Configuration& configuration, const ApiRequest& request,
                    const ApiTarget& target, const ResourcePath& path, const std::string& verb) {
  try {
    if (verb == "create") return CreateObject(configuration, path, target, request);
    if (verb == "update") return ReplaceObject(configuration, path, target, request);
    if (verb == "patch") return PatchObject(configuration, path, target, request);
    return DeleteObject(configuration, path, target, request);
  } catch (const Json::exception& error) {
    return ErrorReply(absl::InvalidArgumentError(
        Concat("the body is no object as it is meant to be: ", error.what())));
  }
}

// Asks before and notes after.
ApiReply ServeGuardedWrite(Configuration& configuration, const Gate& gate,
                           const ApiRequest& request, const ApiTarget& target,
                           const ResourcePath& path, const std::string& verb) {
  absl::Status may = CheckAccess(gate, request, path, verb);
  const bool refused = !may.ok();
  may.Update(gate.ReadyToChange());
  ApiReply reply =
      may.ok() ? ServeWrite(configuration, request, target, path, verb) : ErrorReply(may);
  if (may.ok() || refused) NoteWrite(gate, request, target, path, verb, reply);
  return reply;
}

Answer ServeResource(Configuration& configuration, const Gate& gate, const ApiRequest& request,
                     const ApiTarget& target) {
  const absl::StatusOr<ResourcePath> path = ParseResourcePath(target);
  if (!path.ok()) return ErrorReply(path.status());
  const bool get = request.method == "GET";
  if (path->kind == nullptr) return get ? NoEvents() : NotAllowed(request, *path);
  const bool status = path->subresource == "status";
  if (!path->subresource.empty() && !(status && get)) return NotAllowed(request, *path);
  const std::string verb = VerbOf(request, target, *path);
  if (verb.empty() || (!get && path->name.empty() != (verb == "create"))) {
    return NotAllowed(request, *path);
  }
  if (get) {
    const absl::Status may = CheckAccess(gate, request, *path, verb);
    if (!may.ok()) return ErrorReply(may);
    return ServeRead(configuration, gate, request, target, *path, verb);
  }
  if (verb == "create" && path->namespace_name.empty() && !path->kind->cluster_scoped) {
    return ErrorReply(absl::InvalidArgumentError("metadata.namespace: the path must name one"));
  }
  return ServeGuardedWrite(configuration, gate, request, target, *path, verb);
}

}  // namespace

ApiReply KubernetesApi::Refuse(const ApiRequest& request, const absl::Status& why) {
  ApiReply reply = ErrorReply(why);
  const absl::StatusOr<ApiTarget> target = ParseTarget(request.target);
  if (request.method == "GET" || !target.ok()) return reply;
  const absl::StatusOr<ResourcePath> path = ParseResourcePath(*target);
  if (!path.ok() || path->kind == nullptr) return reply;
  NoteWrite(gate_, request, *target, *path, VerbOf(request, *target, *path), reply);
  return reply;
}

std::optional<ApiReply> KubernetesApi::JudgeHead(const ApiRequest& request) {
  if (request.method == "GET") return std::nullopt;
  const absl::StatusOr<ApiTarget> target = ParseTarget(request.target);
  if (!target.ok()) return std::nullopt;
  const absl::StatusOr<ResourcePath> path = ParseResourcePath(*target);
  if (!path.ok() || path->kind == nullptr) return std::nullopt;
  const std::string verb = VerbOf(request, *target, *path);
  if (verb.empty()) return std::nullopt;
  const absl::Status may = CheckAccess(gate_, request, *path, verb);
  if (may.ok()) return std::nullopt;
  ApiReply reply = ErrorReply(may);
  NoteWrite(gate_, request, *target, *path, verb, reply);
  return reply;
}

Answer KubernetesApi::Serve(const ApiRequest& request) {
  const absl::StatusOr<ApiTarget> target = ParseTarget(request.target);
  if (!target.ok()) return ErrorReply(target.status());
  try {
    if (std::optional<ApiReply> review = ServeSelfReview(gate_, request, *target)) {
      return *std::move(review);
    }
  } catch (const Json::exception& error) {
    return ErrorReply(absl::InvalidArgumentError(error.what()));
  }
  if (std::optional<ApiReply> reply = ServeDocument(target->segments, request.accept)) {
    if (request.method == "GET") return *std::move(reply);
    return ErrorReply(absl::UnimplementedError("only GET is supported here"));
  }
  try {
    return ServeResource(configuration_, gate_, request, *target);
  } catch (const std::exception& error) {  // No memory, say.
    return ErrorReply(absl::InternalError(error.what()));
  }
}

}  // namespace apk
