// Filter by filter; what one filter may not say about another comes last.
#include "control-plane/validation/route_filter_rules.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <tuple>

#include "common/strings.h"
#include "control-plane/validation/field_rules.h"

namespace apk {
namespace {

void CheckModifier(const v1::HTTPHeaderFilter& filter, const std::string& path, IssueList& issues) {
  static const std::string kToken = "^[A-Za-z0-9!#$%&'*+\\-.^_\\x60|~]{1,256}$";
  for (int i = 0; i < filter.set_size(); ++i) {
    CheckModifiedName(filter.set(i).name(), At(path + ".set", i) + ".name", issues);
  }
  for (int i = 0; i < filter.add_size(); ++i) {
    CheckModifiedName(filter.add(i).name(), At(path + ".add", i) + ".name", issues);
  }
  for (int i = 0; i < filter.remove_size(); ++i) {
    const std::string item = At(path + ".remove", i);
    CheckModifiedName(filter.remove(i), item, issues);
    if (!MatchesPattern(kToken, filter.remove(i))) {
      issues.Error(item, Concat("\"", filter.remove(i), "\" is no header name"));
    }
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
  if (!full && modifier.type() != "ReplacePrefixMatch") return;  // Which its field's rules say.
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

// "*" says everything, so that nothing can stand beside it.
void CheckWildcard(const google::protobuf::RepeatedPtrField<std::string>& items,
                   const std::string& path, IssueList& issues) {
  const bool wildcard = std::find(items.begin(), items.end(), "*") != items.end();
  if (wildcard && items.size() > 1) {
    issues.Error(path, "must not have other items beside \"*\"", "keep either");
  }
}

void CheckCors(const v1::HTTPCORSFilter& cors, const std::string& path, IssueList& issues) {
  CheckWildcard(cors.allow_origins(), path + ".allowOrigins", issues);
  CheckWildcard(cors.allow_methods(), path + ".allowMethods", issues);
  CheckWildcard(cors.allow_headers(), path + ".allowHeaders", issues);
  for (int i = 0; i < cors.allow_origins_size(); ++i) {
    const std::string& origin = cors.allow_origins(i);
    const size_t colon = origin.rfind(':');
    if (colon == std::string::npos ||
        origin.find_first_not_of("0123456789", colon + 1) != std::string::npos) {
      continue;
    }
    const std::string port = origin.substr(colon + 1);
    if (port.empty() || port.size() > 5 || std::stoi(port) < 1 || std::stoi(port) > 65535) {
      issues.Error(At(path + ".allowOrigins", i), Concat("port ", port, " is out of range"),
                   "between 1 and 65535");
    }
  }
}

void CheckExternalAuth(const v1::HTTPExternalAuthFilter& auth, const std::string& path,
                       IssueList& issues) {
  CheckBackendReference(auth.backend_ref(), path + ".backendRef", issues);
  if (auth.protocol().empty()) return;  // Which its field's rules say.
  for (const auto& [protocol, member, present] :
       {std::make_tuple("GRPC", ".grpc", auth.has_grpc()),
        std::make_tuple("HTTP", ".http", auth.has_http())}) {
    if (auth.protocol() == protocol && !present) {
      issues.Error(path + member, Concat("is required where protocol is ", protocol));
    } else if (auth.protocol() != protocol && present) {
      issues.Error(path + member, Concat("must not be set where protocol is ", auth.protocol()));
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
      {"ExtensionRef", "extensionRef"},
      {"CORS", "cors"},
      {"ExternalAuth", "externalAuth"}};
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
  CheckCors(filter.cors(), path + ".cors", issues);
  if (filter.has_external_auth()) {
    CheckExternalAuth(filter.external_auth(), path + ".externalAuth", issues);
  }
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

}  // namespace

std::string At(const std::string& path, int index) {
  return Concat(path, "[", std::to_string(index), "]");
}

void CheckModifiedName(const std::string& name, const std::string& path, IssueList& issues) {
  static constexpr std::string_view kOwned[] = {
      "host",    "connection", "content-length", "keep-alive",       "transfer-encoding",
      "upgrade", "te",         "trailer",        "proxy-connection", "http2-settings"};
  const std::string lower = ToLower(name);
  if (std::find(std::begin(kOwned), std::end(kOwned), lower) != std::end(kOwned)) {
    issues.Error(
        path, Concat(name, " can't be changed by a header modifier"),
        lower == "host" ? "use a URLRewrite filter with hostname" : "the gateway sets it itself");
  }
}

void CheckFilters(const RouteFilters& filters, const std::string& path,
                  const v1::HTTPRouteRule& rule, IssueList& issues) {
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
  if (first.contains("RequestMirror") && first.contains("RequestRedirect")) {
    issues.Warning(At(path, first.at("RequestMirror")),
                   "has no effect beside a RequestRedirect: what is redirected is not mirrored",
                   "remove one of the two");
  }
}

}  // namespace apk
