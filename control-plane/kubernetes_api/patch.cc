// nlohmann-json does the two patches of the IETF.
#include "control-plane/kubernetes_api/patch.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

#include "common/status_macros.h"
#include "common/strings.h"
#include "control-plane/kubernetes_api/json_body.h"
#include "control-plane/kubernetes_api/reply.h"
#include "control-plane/kubernetes_api/strategic_merge.h"

namespace apk {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kOperationsMax = 10'000;  // As the Kubernetes API server has it.
constexpr size_t kCopiesMax = 4;           // Each may double what there is.
constexpr size_t kPathDepthMax = 64;

// What the library says, without its own number of the error.
std::string MessageOf(const Json::exception& error) {
  const std::string_view message = error.what();
  const size_t bracket = message.find("] ");
  return std::string(bracket == std::string_view::npos ? message : message.substr(bracket + 2));
}

// What the library would not stop at: objects that grow without end, and members of what has none.
// Throws as it does where a pointer is none.
absl::Status CheckOperation(const nlohmann::json& operation, const nlohmann::json& target,
                            size_t& copies) {
  const auto text = [&operation](const char* name) {
    const auto found = operation.is_object() ? operation.find(name) : operation.end();
    return found != operation.end() && found->is_string() ? found->get<std::string>() : "";
  };
  const std::string path = text("path");
  const auto depth = [](const std::string& pointer) {
    return static_cast<size_t>(std::count(pointer.begin(), pointer.end(), '/'));
  };
  if (std::max(depth(path), depth(text("from"))) > kPathDepthMax) {
    return absl::InvalidArgumentError("the patch has a path of more than 64 parts");
  }
  if (text("op") == "copy" && ++copies > kCopiesMax) {
    return absl::InvalidArgumentError("the patch has more than 4 copy operations");
  }
  const nlohmann::json::json_pointer place(path);
  const bool into_scalar = !place.empty() && target.contains(place.parent_pointer()) &&
                           !target.at(place.parent_pointer()).is_structured();
  if (into_scalar) {
    return ApiError(422, "Invalid",
                    Concat("the patch does not apply: what is above ", path, " has no members"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Json> ApplyJsonPatch(const Json& patch, const Json& present) {
  if (!patch.is_array() || patch.size() > kOperationsMax) {
    return absl::InvalidArgumentError("a JSON patch is a list of at most 10000 operations");
  }
  // The library throws for operations that don't fit.
  try {
    // Sorted: "test" then compares values whatever the order of their members.
    nlohmann::json target(present);
    size_t copies = 0;
    for (const Json& operation : patch) {
      const nlohmann::json sorted(operation);
      RETURN_IF_ERROR(CheckOperation(sorted, target, copies));
      target.patch_inplace(nlohmann::json::array({sorted}));
    }
    return Json(target);
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
