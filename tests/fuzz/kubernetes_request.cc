// What kubectl may send. The first byte says what the rest is: a target (t), a body of JSON (b) or
// protobuf (p), or a patch for a Service: merge (m), strategic (s), JSON (j). All of it is refused
// with a reason or makes JSON.
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "control-plane/kubernetes_api/json_body.h"
#include "control-plane/kubernetes_api/list_options.h"
#include "control-plane/kubernetes_api/patch.h"
#include "control-plane/kubernetes_api/protobuf_body.h"
#include "control-plane/kubernetes_api/request.h"
#include "tests/fuzz/quiet_protobuf.h"
#include "tests/fuzz/require.h"

namespace apk {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kService[] =
    R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"a","labels":{"b":"c"},
  "finalizers":["x"]},"spec":{"ports":[{"port":80,"name":"p"},{"port":81}],"selector":{"a":"b"}}})";

void CheckTarget(const std::string& target) {
  const auto parsed = ParseTarget(target);
  if (!parsed.ok()) return;
  const auto path = ParseResourcePath(*parsed);
  if (!path.ok()) return;
  Require(!path->plural.empty(), "a resource has a name");
  const auto options = ParseListOptions(*path, *parsed);
  Require(options.ok() || !options.status().message().empty(), "a refusal says why");
}

void CheckBody(const std::string& body) {
  const Json parsed = ParseBody(body);
  if (parsed.is_discarded()) return;
  const std::string written = parsed.dump(-1, ' ', false, Json::error_handler_t::replace);
  Require(!ParseBody(written).is_discarded(), "what was read is JSON again");
}

void CheckPatch(const char* type, const std::string& patch) {
  const Kind& kind = *FindKind("", "Service");
  const auto patched = ApplyPatch(kind, type, patch, Json::parse(kService));
  if (!patched.ok()) {
    Require(!patched.status().message().empty(), "a refusal says why");
    return;
  }
  patched->dump(-1, ' ', false, Json::error_handler_t::replace);
  if (std::string_view(type) != "application/merge-patch+json") return;
  const auto again = ApplyPatch(kind, type, patch, *patched);
  Require(again.ok() && *again == *patched, "merged twice is as merged once");
}

void Check(std::string_view bytes) {
  if (bytes.empty()) return;
  const std::string rest(bytes.substr(1));
  switch (bytes[0]) {
    case 't':
      return CheckTarget(rest);
    case 'b':
      return CheckBody(rest);
    case 'p': {
      const auto json = JsonOfProtobuf(rest);
      if (json.ok()) Require(!ParseBody(*json).is_discarded(), "it is JSON");
      return;
    }
    case 'm':
      return CheckPatch("application/merge-patch+json", rest);
    case 's':
      return CheckPatch("application/strategic-merge-patch+json", rest);
    case 'j':
      return CheckPatch("application/json-patch+json", rest);
    default:
      return;
  }
}

}  // namespace
}  // namespace apk

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  apk::Check(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
