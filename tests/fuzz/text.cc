// Short texts. The first byte says which: a join token (j), a label selector (l), the field
// traceparent (t), the value that keeps a client's session (s), the file of roles (r).
#include <google/protobuf/map.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "common/join_token.h"
#include "control-plane/access/roles.h"
#include "control-plane/resources/label_selector.h"
#include "data-plane/forward/session_value.h"
#include "data-plane/http/trace_context.h"
#include "tests/fuzz/require.h"

namespace apk {
namespace {

void CheckJoinToken(std::string_view text) {
  const auto token = ParseJoinToken(text);
  if (!token.ok()) return;
  const auto again = ParseJoinToken(token->ToString());
  Require(again.ok() && again->ToString() == token->ToString(), "a token is read as it is written");
}

void CheckSelector(std::string_view text) {
  const auto selector = LabelSelector::Parse(text);
  if (!selector.ok()) {
    Require(!selector.status().message().empty(), "a refusal says why");
    return;
  }
  google::protobuf::Map<std::string, std::string> labels;
  selector->Matches(labels);
  labels["a"] = "b";
  if (selector->Matches(labels)) Require(!selector->Excludes(*selector), "what is met can be met");
}

void CheckTrace(std::string_view text) {
  const auto trace = ParseTraceParent(text);
  if (!trace.has_value()) return;
  Require(trace->trace_id.size() == 32 && trace->parent_id.size() == 16, "identifiers are whole");
  Require(trace->trace_id.find_first_not_of("0123456789abcdef") == std::string_view::npos &&
              trace->trace_id.find_first_not_of('0') != std::string_view::npos,
          "an identifier is one");
}

void CheckSession(std::string_view text) {
  SessionPersistence policy;
  policy.in_header = true;
  policy.name = "x-session";
  policy.key = "0123456789abcdef0123456789abcdef";
  policy.targets = {{.id = 7, .backend = 0, .endpoint = 0}};
  HeaderMap headers;
  headers.Add("x-session", text);
  Require(!FindSession(policy, headers, 1000).has_value(), "nobody else makes a value");
  const Session session{.target = policy.targets[0], .begun_ms = 1000, .seen_ms = 1000};
  HeaderMap own;
  own.Add("x-session", SessionValue(policy, session));
  Require(FindSession(policy, own, 1000).has_value(), "our own is known");
}

void CheckRoles(std::string_view text) {
  const auto roles = Roles::Parse(text, "r");
  if (!roles.ok()) {
    Require(std::string(roles.status().message()).starts_with("r"), "an error names the place");
    return;
  }
  AccessRequest nobody;
  nobody.verb = "delete";
  nobody.resource = "gateways";
  Require(!roles->Check(nobody).ok(), "who has no name may do nothing");
}

void Check(std::string_view bytes) {
  if (bytes.empty()) return;
  const std::string_view rest = bytes.substr(1);
  switch (bytes[0]) {
    case 'j':
      return CheckJoinToken(rest);
    case 'l':
      return CheckSelector(rest);
    case 't':
      return CheckTrace(rest);
    case 's':
      return CheckSession(rest);
    case 'r':
      return CheckRoles(rest);
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
