// nlohmann-json does the two patches of the IETF.
#include "control-plane/kubernetes_api/patch.h"

#include <nlohmann/json.hpp>
#include <string_view>

#include "common/strings.h"
#include "control-plane/kubernetes_api/json_body.h"
#include "control-plane/kubernetes_api/reply.h"
#include "control-plane/kubernetes_api/strategic_merge.h"

namespace apk {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kOperationsMax = 10'000;  // As the Kubernetes API server has it.

// What the library says, without its own number of the error.
std::string MessageOf(const Json::exception& error) {
  const std::string_view message = error.what();
  const size_t bracket = message.find("] ");
  return std::string(bracket == std::string_view::npos ? message : message.substr(bracket + 2));
}

absl::StatusOr<Json> ApplyJsonPatch(const Json& patch, const Json& present) {
  if (!patch.is_array() || patch.size() > kOperationsMax) {
    return absl::InvalidArgumentError("a JSON patch is a list of at most 10000 operations");
  }
  // The library throws for operations that don't fit.
  try {
    // Sorted: "test" then compares values whatever the order of their members.
    return Json(nlohmann::json(present).patch(nlohmann::json(patch)));
  } catch (const Json::other_error& error) {
    return ApiError(422, "Invalid", Concat("the patch does not apply: ", MessageOf(error)));
  } catch (const Json::exception& error) {
    return absl::InvalidArgumentError(Concat("the patch does not fit: ", MessageOf(error)));
  }
}

}  // namespace

bool HasStrategicPatches(const Kind& kind) {
  return kind.group.empty() || kind.group == "discovery.k8s.io";
}

absl::StatusOr<Json> ApplyPatch(const Kind& kind, const std::string& content_type,
                                const std::string& patch, const Json& present) {
  const std::string type(
      TrimSpace(std::string_view(content_type).substr(0, content_type.find(';'))));
  const bool merge = type == "application/merge-patch+json";
  const bool strategic =
      type == "application/strategic-merge-patch+json" && HasStrategicPatches(kind);
  if (!merge && !strategic && type != "application/json-patch+json") {
    return ApiError(415, "UnsupportedMediaType",
                    Concat("patches of type ", type, " are not supported for ", kind.plural));
  }
  const Json body = ParseBody(patch);
  if (body.is_discarded()) return absl::InvalidArgumentError("the patch is no JSON, or too deep");
  if (type == "application/json-patch+json") return ApplyJsonPatch(body, present);
  if (!body.is_object()) return absl::InvalidArgumentError("a merge patch is an object");
  if (strategic) return StrategicMerge(present, body);
  Json wanted = present;
  wanted.merge_patch(body);
  return wanted;
}

}  // namespace apk
