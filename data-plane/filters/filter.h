// Filters are values, applied in the order written. Pure: a filter that had to wait would be a step
// of forward/serve_request.cc instead.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "data-plane/filters/cors.h"
#include "data-plane/http/message.h"

namespace apk {

// What the winning match saw of the request's path, all views into it.
struct MatchedPath {
  std::string_view base_path;  // Of the API; "" for a plain route. Cut off before anything else.
  std::string_view
      prefix;  // The part a PathPrefix match consumed, after base_path, no trailing '/'.
  bool is_prefix = false;
  bool drop_trailing_slash = false;  // The match tolerated one; it is not forwarded.
  std::string_view expression;       // That matched, as written, where it was a RegularExpression.
  std::vector<std::string>
      groups;  // Of a RegularExpression; [0] is the whole. Only where a rewrite needs them.
};

struct HeaderModifier {
  std::vector<std::pair<std::string, std::string>> set;
  std::vector<std::pair<std::string, std::string>> add;
  std::vector<std::string> remove;
};
struct RequestHeaderModifier : HeaderModifier {};
struct ResponseHeaderModifier : HeaderModifier {};

struct PathModifier {
  enum class Kind { kNone, kReplaceFullPath, kReplacePrefixMatch };
  Kind kind = Kind::kNone;
  std::string value;
};

struct UrlRewrite {
  std::string hostname;  // "" leaves Host alone.
  PathModifier path;
};

struct RequestRedirect {
  std::string scheme;    // "" keeps the request's.
  std::string hostname;  // "" keeps the request's.
  PathModifier path;
  uint16_t port = 0;
  uint16_t status = 302;
};

using Filter =
    std::variant<RequestHeaderModifier, ResponseHeaderModifier, UrlRewrite, RequestRedirect, Cors>;

// The gateway answers itself.
struct Reply {
  uint16_t status = 0;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string content_type;
  std::string body;
};

// What filters need to know of the exchange beside the head, which they change.
struct FilterContext {
  const MatchedPath* path = nullptr;  // Once the path has changed, sizes and groups count alone.
  uint16_t listener_port = 0;
  std::string original_path;  // As it was matched; only where a filter of the rule redirects.
  std::string origin;         // Of the request; only where a filter of the rule is Cors.
};

// Cuts the API's base path, and a tolerated trailing slash, off request.path. Once, before all
// filters. REQUIRES: `path` views request.path as it was matched.
void CutBasePath(const MatchedPath& path, RequestHead& request);

// Applies the request half in order: those of a rule, then those of the backend that was chosen. A
// reply ends the request. A rewritten Host is put into request.authority.
std::optional<Reply> ApplyRequestFilters(std::span<const Filter> filters,
                                         const FilterContext& context, RequestHead& request);

void ApplyResponseFilters(std::span<const Filter> filters, const FilterContext& context,
                          ResponseHead& response);

// The answer to a preflight request; none where no filter is Cors. Asked before authentication: a
// browser sends no credentials with it.
std::optional<Reply> AnswerPreflight(std::span<const Filter> filters, const RequestHead& request);

}  // namespace apk
