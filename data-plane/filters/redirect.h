// The Location of a redirect (Gateway API, HTTPRequestRedirectFilter). Pure.
#pragma once

#include "data-plane/filters/filter.h"

namespace apk {

// `original_path` is the path as it was matched, the base path included: what the redirect doesn't
// replace, the client sees again.
Reply Redirect(const RequestRedirect& redirect, const FilterContext& context,
               const RequestHead& request, std::string_view original_path);

}  // namespace apk
