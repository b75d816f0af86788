// HTTPRoutes: matches, filters and references, rule by rule.
#include <re2/re2.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "common/strings.h"
#include "control-plane/resources/duration.h"
#include "control-plane/validation/field_rules.h"
#include "control-plane/validation/kind_rules.h"
#include "control-plane/validation/route_filter_rules.h"

namespace apk {
namespace {

constexpr size_t kExpressionSizeMax = 1024;
constexpr int kMatchesTotalMax = 128;

void CheckExpression(const std::string& expression, const std::string& path, IssueList& issues) {
  RE2::Options options(RE2::Quiet);
  options.set_max_mem(1 << 20);
  const RE2 compiled(expression, options);
  if (expression.size() > kExpressionSizeMax) {
    issues.Error(path, "is too long for an expression", "at most 1024 characters");
  } else if (!compiled.ok()) {
    issues.Error(path, Concat("is no regular expression: ", compiled.error()),
                 "the syntax is RE2's");
  }
}

void CheckPath(const v1::HTTPPathMatch& match, const std::string& path, IssueList& issues) {
  const std::string& value = match.has_value() ? match.value() : "/";
  if (match.type() == "RegularExpression") {
    CheckExpression(value, path + ".value", issues);
    return;
  }
  if (!value.starts_with('/')) {
    issues.Error(path + ".value", Concat("\"", value, "\" must begin with '/'"),
                 "a path is absolute; for an expression set type: RegularExpression");
    return;
  }
  for (const char* const bad : {"//", "/./", "/../", "%2f", "%2F", "#"}) {
    if (value.find(bad) == std::string::npos) continue;
    issues.Error(path + ".value", Concat("must not contain \"", bad, "\""));
    return;
  }
  for (const char* const bad : {"/..", "/."}) {
    if (!value.ends_with(bad)) continue;
    issues.Error(path + ".value", Concat("must not end with \"", bad, "\""));
    return;
  }
  static const std::string kPathCharacters =
      "^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|[%][0-9a-fA-F]{2})+$";
  if (!MatchesPattern(kPathCharacters, value)) {
    issues.Error(path + ".value", Concat("\"", value, "\" has characters that no path has"),
                 "write them as %XX");
  }
}

void CheckMatch(const v1::HTTPRouteMatch& match, const std::string& path, IssueList& issues) {
  if (match.has_path()) CheckPath(match.path(), path + ".path", issues);
  for (int i = 0; i < match.headers_size(); ++i) {
    if (match.headers(i).type() == "RegularExpression") {
      CheckExpression(match.headers(i).value(), At(path + ".headers", i) + ".value", issues);
    }
  }
  for (int i = 0; i < match.query_params_size(); ++i) {
    if (match.query_params(i).type() == "RegularExpression") {
      CheckExpression(match.query_params(i).value(), At(path + ".queryParams", i) + ".value",
                      issues);
    }
  }
}

void CheckTimeouts(const v1::HTTPRouteTimeouts& timeouts, const std::string& path,
                   IssueList& issues) {
  if (!timeouts.has_request() || !timeouts.has_backend_request()) return;
  const auto request = ParseDurationMs(timeouts.request());
  const auto backend = ParseDurationMs(timeouts.backend_request());
  if (request.value_or(0) != 0 && backend.value_or(0) > *request) {
    issues.Error(path + ".backendRequest", "must not be longer than request");
  }
}

// The cookie or header of the session has its settings under the member of its type.
void CheckSessionPersistence(const v1::SessionPersistence& session, const std::string& path,
                             IssueList& issues) {
  const bool in_header = session.type() == "Header";
  const bool older_form = session.has_session_name() || session.has_cookie_config();
  if (in_header) {
    if (session.has_cookie()) {
      issues.Error(path + ".cookie", "must not be set where type is Header");
    }
    if (!session.has_header() && !session.has_session_name()) {
      issues.Error(path + ".header", "is required where type is Header", "set header.name");
    }
    CheckModifiedName(session.header().name(), path + ".header.name", issues);
  } else {
    if (session.has_header()) {
      issues.Error(path + ".header", "must not be set where type is Cookie");
    }
    const bool of_cookie = !session.has_type() || session.type() == "Cookie";
    if (of_cookie && !session.has_cookie() && !older_form) {
      issues.Error(path + ".cookie", "is required where type is Cookie", "cookie: {} will do");
    }
  }
  const bool permanent = session.cookie().lifetime_type() == "Permanent" ||
                         session.cookie_config().lifetime_type() == "Permanent";
  if (permanent && !session.has_absolute_timeout()) {
    issues.Error(path + ".absoluteTimeout", "is required where lifetimeType is Permanent");
  }
  static const std::string kCookiePath = "^[!-:<-~]*$";  // RFC 6265 4.1.1, path-value.
  if (!MatchesPattern(kCookiePath, session.cookie().path())) {
    issues.Error(path + ".cookie.path", "must not have ';', white space or control characters");
  }
  static const std::string kToken = "^[A-Za-z0-9!#$%&'*+\\-.^_\\x60|~]+$";
  if (session.has_session_name() && !MatchesPattern(kToken, session.session_name())) {
    issues.Error(path + ".sessionName", Concat("\"", session.session_name(), "\" is malformed"),
                 "a cookie's or header's name");
  }
}

bool SameParent(const v1::ParentReference& a, const v1::ParentReference& b) {
  const auto key = [](const v1::ParentReference& parent) {
    return std::make_tuple(
        parent.has_group() ? parent.group() : std::string("gateway.networking.k8s.io"),
        parent.has_kind() ? parent.kind() : std::string("Gateway"), parent.namespace_(),
        parent.name());
  };
  return key(a) == key(b);
}

// References to one parent tell different parts of it, and all tell them in the same way.
void CheckParents(const google::protobuf::RepeatedPtrField<v1::ParentReference>& parents,
                  IssueList& issues) {
  for (int i = 0; i < parents.size(); ++i) {
    for (int j = 0; j < i; ++j) {
      const v1::ParentReference& one = parents.Get(i);
      const v1::ParentReference& other = parents.Get(j);
      if (!SameParent(one, other)) continue;
      const std::string earlier = At("parentRefs", j);
      if (one.section_name().empty() != other.section_name().empty() ||
          (one.port() == 0) != (other.port() == 0)) {
        issues.Error(At("spec.parentRefs", i), Concat("names the same parent as ", earlier,
                                                      ": both must set sectionName, or both port"));
        break;
      }
      if (one.section_name() == other.section_name() && one.port() == other.port()) {
        issues.Error(At("spec.parentRefs", i), Concat("names the same parent as ", earlier),
                     "remove it, or set another sectionName or port");
        break;
      }
    }
  }
}

void CheckRule(const v1::HTTPRouteRule& rule, const std::string& path, IssueList& issues) {
  for (int i = 0; i < rule.matches_size(); ++i)
    CheckMatch(rule.matches(i), At(path + ".matches", i), issues);
  CheckFilters(rule.filters(), path + ".filters", rule, issues);
  for (int i = 0; i < rule.backend_refs_size(); ++i) {
    const std::string reference = At(path + ".backendRefs", i);
    CheckBackendReference(rule.backend_refs(i), reference, issues);
    CheckFilters(rule.backend_refs(i).filters(), reference + ".filters", rule, issues);
  }
  CheckTimeouts(rule.timeouts(), path + ".timeouts", issues);
  if (rule.has_session_persistence()) {
    CheckSessionPersistence(rule.session_persistence(), path + ".sessionPersistence", issues);
  }
  const bool redirects = std::any_of(rule.filters().begin(), rule.filters().end(),
                                     [](const auto& f) { return f.type() == "RequestRedirect"; });
  if (redirects && !rule.backend_refs().empty()) {
    issues.Error(path + ".backendRefs", "must not be set beside a RequestRedirect filter");
  }
  if (!redirects && rule.backend_refs().empty()) {
    const bool mirrors = std::any_of(rule.filters().begin(), rule.filters().end(),
                                     [](const auto& f) { return f.type() == "RequestMirror"; });
    issues.Warning(path,
                   mirrors ? "has no backendRefs: its requests are mirrored and answered 500"
                           : "has no backendRefs: its requests are answered 500",
                   "add backendRefs to name the backend that answers");
  }
}

}  // namespace

void CheckHttpRoute(const v1::HTTPRoute& route, IssueList& issues) {
  const v1::HTTPRouteSpec& spec = route.spec();
  int matches = 0;
  std::map<std::string, int> names;
  for (int i = 0; i < spec.rules_size(); ++i) {
    const std::string path = At("spec.rules", i);
    CheckRule(spec.rules(i), path, issues);
    matches += spec.rules(i).matches_size();
    if (!spec.rules(i).name().empty() && !names.emplace(spec.rules(i).name(), i).second) {
      issues.Error(path + ".name",
                   Concat("\"", spec.rules(i).name(), "\" names another rule already"));
    }
  }
  if (matches > kMatchesTotalMax) {
    issues.Error("spec.rules", "there are more than 128 matches in all rules", "split the route");
  }
  CheckParents(spec.parent_refs(), issues);
  if (spec.has_use_default_gateways() && spec.use_default_gateways() == "All") {
    issues.Warning("spec.useDefaultGateways", "has no effect: no Gateway here is a default",
                   "name Gateways in parentRefs");
  }
  if (spec.parent_refs().empty()) {
    issues.Warning("spec.parentRefs", "is empty: the route attaches to no Gateway",
                   "name a Gateway");
  }
}

}  // namespace apk
