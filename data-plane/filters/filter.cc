// One function per kind of filter; std::visit makes the compiler check that none is forgotten.
#include "data-plane/filters/filter.h"

#include <algorithm>

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

void Rewrite(const UrlRewrite& rewrite, const MatchedPath& matched, size_t prefix_size,
             RequestHead& request) {
  if (!rewrite.hostname.empty()) request.authority = rewrite.hostname;
  switch (rewrite.path.kind) {
    case PathModifier::Kind::kNone:
      break;
    case PathModifier::Kind::kReplaceFullPath:
      request.path = ExpandGroups(rewrite.path.value, matched.groups);
      break;
    case PathModifier::Kind::kReplacePrefixMatch:
      ReplacePathPrefix(request.path, prefix_size, rewrite.path.value);
      break;
  }
}

void CutBasePath(size_t base_size, bool drop_trailing_slash, std::string& path) {
  path.erase(0, base_size);
  if (path.empty()) path = "/";
  if (drop_trailing_slash && path.size() > 1 && path.ends_with('/')) path.pop_back();
}

class RequestHalf {
 public:
  RequestHalf(const FilterContext& context, RequestHead& request, std::string_view original_path)
      : context_(context),
        prefix_size_(context.path->prefix.size()),
        request_(request),
        original_path_(original_path) {}

  std::optional<Reply> operator()(const RequestHeaderModifier& modifier) const {
    Modify(modifier, request_.headers);
    return std::nullopt;
  }
  std::optional<Reply> operator()(const ResponseHeaderModifier&) const { return std::nullopt; }
  std::optional<Reply> operator()(const UrlRewrite& rewrite) const {
    Rewrite(rewrite, *context_.path, prefix_size_, request_);
    return std::nullopt;
  }
  std::optional<Reply> operator()(const RequestRedirect& redirect) const {
    return Redirect(redirect, context_, request_, original_path_);
  }

 private:
  const FilterContext& context_;
  const size_t prefix_size_;  // The views in context_ end with the first change of the path.
  RequestHead& request_;
  std::string_view original_path_;
};

}  // namespace

std::optional<Reply> ApplyRequestFilters(std::span<const Filter> filters,
                                         const FilterContext& context, RequestHead& request) {
  const MatchedPath& matched = *context.path;
  // Only a redirect looks at the path as the client sent it, so nothing else pays for the copy.
  const bool redirects = std::any_of(filters.begin(), filters.end(), [](const Filter& filter) {
    return std::holds_alternative<RequestRedirect>(filter);
  });
  const std::string original_path = redirects ? request.path : std::string();
  CutBasePath(matched.base_path.size(), matched.drop_trailing_slash, request.path);

  const RequestHalf apply(context, request, original_path);
  for (const Filter& filter : filters) {
    if (std::optional<Reply> reply = std::visit(apply, filter)) return reply;
  }
  return std::nullopt;
}

void ApplyResponseFilters(std::span<const Filter> filters, ResponseHead& response) {
  for (const Filter& filter : filters) {
    if (const auto* modifier = std::get_if<ResponseHeaderModifier>(&filter)) {
      Modify(*modifier, response.headers);
    }
  }
}

}  // namespace apk
