// The Location of a redirect (Gateway API, HTTPRequestRedirectFilter). Pure.
#pragma once

#include "data-plane/filters/filter.h"

namespace apk {

// What the redirect doesn't replace of the path as it was matched, base path included, the client
// sees again.
Reply Redirect(const RequestRedirect& redirect, const FilterContext& context,
               const RequestHead& request);

}  // namespace apk
