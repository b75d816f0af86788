// One function per kind of filter; std::visit makes the compiler check that none is forgotten.
#include "data-plane/filters/filter.h"

#include "common/strings.h"
#include "data-plane/filters/redirect.h"
#include "data-plane/filters/rewrite_path.h"

namespace apk {
namespace {

// "my-header: foo,bar", as the Gateway API (HTTPHeaderFilter) shows it; cookies stand apart, since
// they may have commas in them (RFC 6265 3).
void AddValue(const std::string& name, const std::string& value, HeaderMap& headers) {
  const bool joins = !EqualsIgnoreCase(name, "set-cookie");
  for (size_t i = headers.size(); joins && i-- > 0;) {
    if (!EqualsIgnoreCase(headers.name(i), name) || headers.value(i).empty()) continue;
    const std::string joined = Concat(headers.value(i), ",", value);
    headers.RemoveAt(i);
    headers.Add(name, joined);
    return;
  }
  headers.Add(name, value);
}

void Modify(const HeaderModifier& modifier, HeaderMap& headers) {
  for (const auto& [name, value] : modifier.set) headers.Set(name, value);
  for (const auto& [name, value] : modifier.add) AddValue(name, value, headers);
  for (const std::string& name : modifier.remove) headers.Remove(name);
}

void Rewrite(const UrlRewrite& rewrite, const MatchedPath& matched, RequestHead& request) {
  if (!rewrite.hostname.empty()) {
    request.authority = rewrite.hostname;
    request.authority_rewritten = true;
  }
  switch (rewrite.path.kind) {
    case PathModifier::Kind::kNone:
      break;
    case PathModifier::Kind::kReplaceFullPath:
      request.path = ExpandGroups(rewrite.path.value, matched.groups);
      break;
    case PathModifier::Kind::kReplacePrefixMatch:
      ReplacePathPrefix(request.path, matched.prefix.size(), rewrite.path.value);
      break;
  }
}

class RequestHalf {
 public:
  RequestHalf(const FilterContext& context, RequestHead& request)
      : context_(context), request_(request) {}

  std::optional<Reply> operator()(const RequestHeaderModifier& modifier) const {
    Modify(modifier, request_.headers);
    return std::nullopt;
  }
  std::optional<Reply> operator()(const ResponseHeaderModifier&) const { return std::nullopt; }
  std::optional<Reply> operator()(const UrlRewrite& rewrite) const {
    Rewrite(rewrite, *context_.path, request_);
    return std::nullopt;
  }
  std::optional<Reply> operator()(const RequestRedirect& redirect) const {
    return Redirect(redirect, context_, request_);
  }
  std::optional<Reply> operator()(const Cors&) const { return std::nullopt; }

 private:
  const FilterContext& context_;
  RequestHead& request_;
};

}  // namespace

void CutBasePath(const MatchedPath& path, RequestHead& request) {
  request.path.erase(0, path.base_path.size());
  if (request.path.empty()) request.path = "/";
  if (path.drop_trailing_slash && request.path.size() > 1 && request.path.ends_with('/')) {
    request.path.pop_back();
  }
}

std::optional<Reply> ApplyRequestFilters(std::span<const Filter> filters,
                                         const FilterContext& context, RequestHead& request) {
  const RequestHalf apply(context, request);
  for (const Filter& filter : filters) {
    if (std::optional<Reply> reply = std::visit(apply, filter)) return reply;
  }
  return std::nullopt;
}

void ApplyResponseFilters(std::span<const Filter> filters, const FilterContext& context,
                          ResponseHead& response) {
  for (const Filter& filter : filters) {
    if (const auto* modifier = std::get_if<ResponseHeaderModifier>(&filter)) {
      Modify(*modifier, response.headers);
    } else if (const auto* cors = std::get_if<Cors>(&filter)) {
      GrantOrigin(*cors, context.origin, response);
    }
  }
}

std::optional<Reply> AnswerPreflight(std::span<const Filter> filters, const RequestHead& request) {
  for (const Filter& filter : filters) {
    if (const auto* cors = std::get_if<Cors>(&filter)) return AnswerPreflight(*cors, request);
  }
  return std::nullopt;
}

}  // namespace apk
