// GRPCRoutes: methods; all the rest is as in the HTTPRoute that says the same.
#include <re2/re2.h>

#include "common/strings.h"
#include "control-plane/resources/grpc_route.h"
#include "control-plane/validation/field_rules.h"
#include "control-plane/validation/kind_rules.h"

namespace apk {
namespace {

// The CEL rules of the official schema.
constexpr char kService[] = "^(?i)\\.?[a-z_][a-z_0-9]*(\\.[a-z_][a-z_0-9]*)*$";
constexpr char kMethod[] = "^[A-Za-z_][A-Za-z_0-9]*$";

void CheckPart(const std::string& value, const char* pattern, bool expression,
               const std::string& path, IssueList& issues) {
  if (value.empty()) return;
  if (!expression && !MatchesPattern(pattern, value)) {
    issues.Error(path, Concat("\"", value, "\" is no name: it must match ", pattern),
                 "for an expression set type: RegularExpression");
    return;
  }
  if (!expression) return;
  RE2::Options options(RE2::Quiet);
  options.set_max_mem(1 << 20);
  const RE2 compiled(value, options);
  if (!compiled.ok()) {
    issues.Error(path, Concat("is no regular expression: ", compiled.error()),
                 "the syntax is RE2's");
  }
}

void CheckMethod(const v1::GRPCMethodMatch& method, const std::string& path, IssueList& issues) {
  if (method.service().empty() && method.method().empty()) {
    issues.Error(path, "has neither service nor method", "set one of them, or leave method out");
  }
  const bool expression = method.type() == "RegularExpression";
  CheckPart(method.service(), kService, expression, path + ".service", issues);
  CheckPart(method.method(), kMethod, expression, path + ".method", issues);
}

}  // namespace

void CheckGrpcRoute(const v1::GRPCRoute& route, IssueList& issues) {
  for (int i = 0; i < route.spec().rules_size(); ++i) {
    const v1::GRPCRouteRule& rule = route.spec().rules(i);
    for (int j = 0; j < rule.matches_size(); ++j) {
      if (!rule.matches(j).has_method()) continue;
      CheckMethod(
          rule.matches(j).method(),
          Concat("spec.rules[", std::to_string(i), "].matches[", std::to_string(j), "].method"),
          issues);
    }
  }
  // A method that is wrong was named above; as a path it would be named again, as what it is not.
  if (!issues.HasErrors()) CheckHttpRoute(AsHttpRoute(route), issues);
}

}  // namespace apk
