// Builds the Location of a redirect; path replacement is shared with rewrites.
#include "data-plane/filters/redirect.h"

#include "common/strings.h"
#include "data-plane/filters/rewrite_path.h"

namespace apk {
namespace {

uint16_t DefaultPort(std::string_view scheme) {
  if (scheme == "http") return 80;
  if (scheme == "https") return 443;
  return 0;
}

uint16_t LocationPort(const RequestRedirect& redirect, const FilterContext& context,
                      std::string_view scheme) {
  if (redirect.port != 0) return redirect.port;
  if (!redirect.scheme.empty()) return DefaultPort(scheme);
  return context.listener_port;
}

std::string LocationPath(const RequestRedirect& redirect, const MatchedPath& matched,
                         std::string_view original_path) {
  switch (redirect.path.kind) {
    case PathModifier::Kind::kNone:
      break;
    case PathModifier::Kind::kReplaceFullPath:
      return ExpandGroups(redirect.path.value, matched.groups);
    case PathModifier::Kind::kReplacePrefixMatch: {
      // The prefix is written relative to the base path; the client stays within the same API.
      const size_t base_size = matched.base_path.size();
      std::string rest(original_path.substr(base_size));
      ReplacePathPrefix(rest, matched.prefix.size(), redirect.path.value);
      return Concat(original_path.substr(0, base_size), rest);
    }
  }
  return std::string(original_path);
}

}  // namespace

Reply Redirect(const RequestRedirect& redirect, const FilterContext& context,
               const RequestHead& request) {
  std::string_view scheme = request.secure ? "https" : "http";
  if (!redirect.scheme.empty()) scheme = redirect.scheme;
  const std::string_view host = redirect.hostname.empty() ? request.host : redirect.hostname;

  std::string location;
  if (!host.empty()) {  // HTTP/1.0 may have none; a path alone is a valid Location too.
    location = Concat(scheme, "://", host);
    const uint16_t port = LocationPort(redirect, context, scheme);
    if (port != 0 && port != DefaultPort(scheme)) location += Concat(":", std::to_string(port));
  }
  location += LocationPath(redirect, *context.path, context.original_path);
  if (request.has_query) location += Concat("?", request.query);

  Reply reply;
  reply.status = redirect.status == 0 ? uint16_t{302} : redirect.status;
  reply.headers.emplace_back("Location", std::move(location));
  return reply;
}

}  // namespace apk
