// Where a request goes, by its path and method.
#include "control-plane/kubernetes_api/kubernetes_api.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "common/strings.h"
#include "control-plane/kubernetes_api/discovery_documents.h"
#include "control-plane/kubernetes_api/openapi.h"
#include "control-plane/kubernetes_api/read.h"
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

Answer ServeResource(Configuration& configuration, const ApiRequest& request,
                     const ApiTarget& target) {
  const absl::StatusOr<ResourcePath> path = ParseResourcePath(target);
  if (!path.ok()) return ErrorReply(path.status());
  const bool get = request.method == "GET";
  if (path->kind == nullptr) return get ? NoEvents() : NotAllowed(request, *path);
  const bool status = path->subresource == "status";
  if (!path->subresource.empty() && !(status && get)) return NotAllowed(request, *path);
  if (get && target.Flag("watch")) {
    absl::StatusOr<std::unique_ptr<Watch>> watch =
        Watch::Begin(configuration.Current(), *path, target, request.accept);
    if (!watch.ok()) return ErrorReply(watch.status());
    return *std::move(watch);
  }
  const bool collection = path->name.empty();
  if (get && collection) return ListObjects(configuration.Current(), *path, target, request.accept);
  if (get) return GetObject(configuration.Current(), *path, target, request.accept);
  if (collection && request.method == "POST") {
    if (path->namespace_name.empty() && !path->kind->cluster_scoped) {
      return ErrorReply(absl::InvalidArgumentError("metadata.namespace: the path must name one"));
    }
    return CreateObject(configuration, *path, target, request);
  }
  if (collection) return NotAllowed(request, *path);
  if (request.method == "PUT") return ReplaceObject(configuration, *path, target, request);
  if (request.method == "PATCH") return PatchObject(configuration, *path, target, request);
  if (request.method == "DELETE") return DeleteObject(configuration, *path, target, request);
  return NotAllowed(request, *path);
}

}  // namespace

Answer KubernetesApi::Serve(const ApiRequest& request) {
  const absl::StatusOr<ApiTarget> target = ParseTarget(request.target);
  if (!target.ok()) return ErrorReply(target.status());
  if (std::optional<ApiReply> reply = ServeDocument(target->segments, request.accept)) {
    if (request.method == "GET") return *std::move(reply);
    return ErrorReply(absl::UnimplementedError("only GET is supported here"));
  }
  // A member that has another type than everywhere else makes the JSON library throw.
  try {
    return ServeResource(configuration_, request, *target);
  } catch (const Json::exception& error) {
    return ErrorReply(absl::InvalidArgumentError(
        Concat("the body is no object as it is meant to be: ", error.what())));
  } catch (const std::exception& error) {  // No memory, say.
    return ErrorReply(absl::InternalError(error.what()));
  }
}

}  // namespace apk
