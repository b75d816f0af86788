// Reasons, codes and messages are those of the Kubernetes API server, which clients know.
#include "control-plane/kubernetes_api/reply.h"

#include <absl/strings/cord.h>

#include <nlohmann/json.hpp>

#include "common/strings.h"
#include "control-plane/access/limits.h"
#include "control-plane/admin/admission.h"

namespace apk {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kPayload[] = "kubernetes/Status";

struct Known {
  absl::StatusCode status;
  int code;
  const char* reason;
};

constexpr Known kKnown[] = {
    {absl::StatusCode::kInvalidArgument, 400, "BadRequest"},
    {absl::StatusCode::kUnauthenticated, 401, "Unauthorized"},
    {absl::StatusCode::kPermissionDenied, 403, "Forbidden"},
    {absl::StatusCode::kNotFound, 404, "NotFound"},
    {absl::StatusCode::kUnimplemented, 405, "MethodNotAllowed"},
    {absl::StatusCode::kAlreadyExists, 409, "AlreadyExists"},
    {absl::StatusCode::kAborted, 409, "Conflict"},
    {absl::StatusCode::kOutOfRange, 410, "Expired"},
    {absl::StatusCode::kResourceExhausted, 429, "TooManyRequests"},
    {absl::StatusCode::kUnavailable, 503, "ServiceUnavailable"},
};

Json MakeStatus(int code, const std::string& reason, const std::string& message,
                const Json& details) {
  Json status{{"kind", "Status"},    {"apiVersion", "v1"}, {"metadata", Json::object()},
              {"status", "Failure"}, {"message", message}, {"reason", reason}};
  if (!details.is_null()) status["details"] = details;
  status["code"] = code;
  return status;
}

Json DetailsOf(const ResourceKey& key) {
  const Kind* const kind = FindKind(key.group, key.kind);
  Json details{{"name", key.name}};
  if (!key.group.empty()) details["group"] = key.group;
  details["kind"] = kind == nullptr ? key.kind : kind->plural;
  return details;
}

std::string WithHint(const v1::Violation& violation) {
  return violation.hint().empty() ? violation.message()
                                  : Concat(violation.message(), " (", violation.hint(), ")");
}

}  // namespace

std::string Dump(const Json& object) {
  return object.dump(-1, ' ', false, Json::error_handler_t::replace);
}

ApiReply JsonReply(const Json& object, int status) {
  ApiReply reply;
  reply.status = status;
  reply.body = Dump(object) + "\n";
  return reply;
}

absl::Status ApiError(int code, const std::string& reason, const std::string& message) {
  return ApiError(code, reason, message, nullptr);
}

absl::Status ApiError(int code, const std::string& reason, const std::string& message,
                      const Json& details) {
  absl::Status status = absl::UnknownError(message);
  status.SetPayload(kPayload, absl::Cord(Dump(MakeStatus(code, reason, message, details))));
  return status;
}

Json StatusObject(const absl::Status& error) {
  if (const auto payload = error.GetPayload(kPayload); payload.has_value()) {
    return Json::parse(std::string(*payload), nullptr, false);
  }
  const std::string message(error.message());
  for (const Known& known : kKnown) {
    if (known.status == error.code()) return MakeStatus(known.code, known.reason, message, nullptr);
  }
  return MakeStatus(500, "InternalError", message, nullptr);
}

ApiReply ErrorReply(const absl::Status& error) {
  Json status = StatusObject(error);
  // By it clients know that it is no fault of theirs, and wait.
  if (const int seconds = RetryAfterSeconds(error); seconds > 0) {
    status["details"]["retryAfterSeconds"] = seconds;
  }
  return JsonReply(status, status["code"].get<int>());
}

absl::Status InvalidObject(const Kind& kind, const std::string& name,
                           const std::vector<FieldCause>& causes) {
  std::vector<std::string> messages;
  Json details{
      {"name", name}, {"group", kind.group}, {"kind", kind.name}, {"causes", Json::array()}};
  for (const FieldCause& cause : causes) {
    messages.push_back(cause.field_path.empty() ? cause.message
                                                : Concat(cause.field_path, ": ", cause.message));
    details["causes"].push_back(
        {{"reason", "FieldValueInvalid"}, {"message", cause.message}, {"field", cause.field_path}});
  }
  const std::string all =
      messages.size() == 1 ? messages[0] : Concat("[", Join(messages, ", "), "]");
  const std::string qualified = kind.group.empty() ? kind.name : Concat(kind.name, ".", kind.group);
  return ApiError(422, "Invalid", Concat(qualified, " \"", name, "\" is invalid: ", all), details);
}

absl::Status NotFound(const ResourceKey& key) {
  return ApiError(404, "NotFound", Concat(NameInErrors(key), " not found"), DetailsOf(key));
}

absl::Status RefusedApply(const ResourceKey& key, const v1::ApplyResponse& response) {
  std::vector<FieldCause> causes;
  for (const v1::Violation& violation : response.violations()) {
    if (violation.severity() != v1::Violation::ERROR) continue;
    switch (violation.reason()) {
      case v1::Violation::CONFLICT:
        return ApiError(409, "Conflict",
                        Concat("Operation cannot be fulfilled on ", NameInErrors(key),
                               ": the object has been modified; please apply your changes to the "
                               "latest version and try again (",
                               violation.field_path(), ": ", violation.message(), ")"),
                        DetailsOf(key));
      case v1::Violation::ALREADY_EXISTS:
        return ApiError(409, "AlreadyExists", violation.message(), DetailsOf(key));
      case v1::Violation::NAMESPACE_NOT_FOUND:
        return NotFound({"", "Namespace", "", key.namespace_name});
      default:
        causes.push_back({violation.field_path(), WithHint(violation)});
    }
  }
  return InvalidObject(*FindKind(key.group, key.kind), key.name, causes);
}

}  // namespace apk
