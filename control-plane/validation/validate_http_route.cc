// HTTPRoutes: matches, filters and references, rule by rule.
#include <re2/re2.h>

#include <algorithm>
#include <map>

#include "common/strings.h"
#include "control-plane/resources/duration.h"
#include "control-plane/validation/field_rules.h"
#include "control-plane/validation/kind_rules.h"

namespace apk {
namespace {

constexpr size_t kExpressionSizeMax = 1024;
constexpr int kMatchesTotalMax = 128;

std::string At(const std::string& path, int index) {
  return Concat(path, "[", std::to_string(index), "]");
}

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
    if (value.find(bad) != std::string::npos) {
      issues.Error(path + ".value", Concat("must not contain \"", bad, "\""));
    }
  }
  for (const char* const bad : {"/..", "/."}) {
    if (value.ends_with(bad))
      issues.Error(path + ".value", Concat("must not end with \"", bad, "\""));
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

void CheckModifiedName(const std::string& name, const std::string& path, IssueList& issues) {
  static constexpr std::string_view kOwned[] = {
      "host",    "connection", "content-length", "keep-alive",       "transfer-encoding",
      "upgrade", "te",         "trailer",        "proxy-connection", "http2-settings"};
  static const std::string kToken = "^[A-Za-z0-9!#$%&'*+\\-.^_\\x60|~]{1,256}$";
  const std::string lower = ToLower(name);
  if (!MatchesPattern(kToken, name)) {
    issues.Error(path, Concat("\"", name, "\" is no header name"));
  }
  if (std::find(std::begin(kOwned), std::end(kOwned), lower) != std::end(kOwned)) {
    issues.Error(
        path, Concat(name, " can't be changed by a header modifier"),
        lower == "host" ? "use a URLRewrite filter with hostname" : "the gateway sets it itself");
  }
}

void CheckModifiedValue(const std::string& value, const std::string& path, IssueList& issues) {
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\t') || byte == 0x7f) {
      issues.Error(path, "must not contain control characters");
      return;
    }
  }
}

void CheckModifier(const v1::HTTPHeaderFilter& filter, const std::string& path, IssueList& issues) {
  for (int i = 0; i < filter.set_size(); ++i) {
    CheckModifiedName(filter.set(i).name(), At(path + ".set", i) + ".name", issues);
    CheckModifiedValue(filter.set(i).value(), At(path + ".set", i) + ".value", issues);
  }
  for (int i = 0; i < filter.add_size(); ++i) {
    CheckModifiedName(filter.add(i).name(), At(path + ".add", i) + ".name", issues);
    CheckModifiedValue(filter.add(i).value(), At(path + ".add", i) + ".value", issues);
  }
  for (int i = 0; i < filter.remove_size(); ++i) {
    CheckModifiedName(filter.remove(i), At(path + ".remove", i), issues);
  }
}

bool HasOnePrefixMatch(const v1::HTTPRouteRule& rule) {
  if (rule.matches().empty()) return true;  // Defaults to the prefix "/".
  if (rule.matches_size() != 1) return false;
  const v1::HTTPPathMatch& path = rule.matches(0).path();
  return !path.has_type() || path.type() == "PathPrefix";
}

// What replaces a path goes into a request line as it stands.
void CheckNewPath(const std::string& value, const std::string& path, IssueList& issues) {
  const bool plain = std::all_of(value.begin(), value.end(), [](char c) {
    return c > 0x20 && c < 0x7f && c != '?' && c != '#';
  });
  if (!plain) {
    issues.Error(path, "must be a path: no query, fragment, white space or bytes beyond ASCII",
                 "write other characters as %XX");
  }
}

void CheckPathModifier(const v1::HTTPPathModifier& modifier, const std::string& path,
                       const v1::HTTPRouteRule& rule, IssueList& issues) {
  const bool full = modifier.type() == "ReplaceFullPath";
  CheckNewPath(modifier.replace_full_path(), path + ".replaceFullPath", issues);
  CheckNewPath(modifier.replace_prefix_match(), path + ".replacePrefixMatch", issues);
  if (full && !modifier.has_replace_full_path()) {
    issues.Error(path + ".replaceFullPath", "is required where type is ReplaceFullPath");
  }
  if (!full && !modifier.has_replace_prefix_match()) {
    issues.Error(path + ".replacePrefixMatch", "is required where type is ReplacePrefixMatch");
  }
  if (full && modifier.has_replace_prefix_match()) {
    issues.Error(path + ".replacePrefixMatch", "must not be set where type is ReplaceFullPath");
  }
  if (!full && modifier.has_replace_full_path()) {
    issues.Error(path + ".replaceFullPath", "must not be set where type is ReplacePrefixMatch");
  }
  if (!full && !HasOnePrefixMatch(rule)) {
    issues.Error(path, "ReplacePrefixMatch needs exactly one match, of type PathPrefix",
                 "split the rule, or use ReplaceFullPath");
  }
}

void CheckMirror(const v1::HTTPRequestMirrorFilter& mirror, const std::string& path,
                 IssueList& issues) {
  CheckBackendReference(mirror.backend_ref(), path + ".backendRef", issues);
  if (mirror.has_percent() && mirror.has_fraction()) {
    issues.Error(path, "percent and fraction are both set", "keep one");
  }
  if (mirror.has_fraction()) {
    const int denominator =
        mirror.fraction().has_denominator() ? mirror.fraction().denominator() : 100;
    if (mirror.fraction().numerator() > denominator) {
      issues.Error(path + ".fraction", "numerator must not be greater than denominator");
    }
  }
}

// The member that a filter of a type carries.
const char* MemberOf(const std::string& type) {
  static const std::map<std::string, const char*> kMembers = {
      {"RequestHeaderModifier", "requestHeaderModifier"},
      {"ResponseHeaderModifier", "responseHeaderModifier"},
      {"RequestMirror", "requestMirror"},
      {"RequestRedirect", "requestRedirect"},
      {"URLRewrite", "urlRewrite"},
      {"ExtensionRef", "extensionRef"}};
  const auto found = kMembers.find(type);
  return found == kMembers.end() ? nullptr : found->second;
}

void CheckMembers(const v1::HTTPRouteFilter& filter, const std::string& path, IssueList& issues) {
  const char* const wanted = MemberOf(filter.type());
  if (wanted == nullptr) return;
  bool found = false;
  const auto* const descriptor = filter.GetDescriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const auto* const field = descriptor->field(i);
    if (field->name() == "type" || !filter.GetReflection()->HasField(filter, field)) continue;
    if (field->json_name() == wanted) {
      found = true;
    } else {
      issues.Error(Concat(path, ".", field->json_name()),
                   Concat("does not belong to type ", filter.type()), Concat("set ", wanted));
    }
  }
  if (!found)
    issues.Error(Concat(path, ".", wanted), Concat("is required where type is ", filter.type()));
}

void CheckFilter(const v1::HTTPRouteFilter& filter, const std::string& path,
                 const v1::HTTPRouteRule& rule, IssueList& issues) {
  CheckMembers(filter, path, issues);
  CheckModifier(filter.request_header_modifier(), path + ".requestHeaderModifier", issues);
  CheckModifier(filter.response_header_modifier(), path + ".responseHeaderModifier", issues);
  if (filter.has_request_mirror())
    CheckMirror(filter.request_mirror(), path + ".requestMirror", issues);
  if (filter.url_rewrite().has_path()) {
    CheckPathModifier(filter.url_rewrite().path(), path + ".urlRewrite.path", rule, issues);
  }
  const v1::HTTPRequestRedirectFilter& redirect = filter.request_redirect();
  if (redirect.has_path()) {
    CheckPathModifier(redirect.path(), path + ".requestRedirect.path", rule, issues);
  }
  if (redirect.has_status_code()) {
    static constexpr int kCodes[] = {301, 302, 303, 307, 308};
    if (std::find(std::begin(kCodes), std::end(kCodes), redirect.status_code()) ==
        std::end(kCodes)) {
      issues.Error(path + ".requestRedirect.statusCode",
                   Concat(std::to_string(redirect.status_code()), " is not allowed"),
                   "use one of 301, 302, 303, 307, 308");
    }
  }
}

template <class Filters>
void CheckFilters(const Filters& filters, const std::string& path, const v1::HTTPRouteRule& rule,
                  IssueList& issues) {
  std::map<std::string, int> first;
  for (int i = 0; i < filters.size(); ++i) {
    const v1::HTTPRouteFilter& filter = filters.Get(i);
    CheckFilter(filter, At(path, i), rule, issues);
    const bool may_repeat = filter.type() == "RequestMirror" || filter.type() == "ExtensionRef";
    const auto [earlier, is_new] = first.emplace(filter.type(), i);
    if (!is_new && !may_repeat) {
      issues.Error(
          At(path, i),
          Concat(filter.type(), " stands twice, first as filter ", std::to_string(earlier->second)),
          "join the two");
    }
  }
  if (first.contains("URLRewrite") && first.contains("RequestRedirect")) {
    issues.Error(path, "URLRewrite and RequestRedirect can't be combined", "keep one of them");
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
  if (spec.parent_refs().empty()) {
    issues.Warning("spec.parentRefs", "is empty: the route attaches to no Gateway",
                   "name a Gateway");
  }
}

}  // namespace apk
