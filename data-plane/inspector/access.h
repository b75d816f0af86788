// Who may talk to the page's listener. Pure.
//
// Other sites in the user's browser can send requests to loopback. The Host must be one of ours,
// which defeats DNS rebinding; what changes state must show that our own page, or no browser, sent
// it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "data-plane/inspector/captured_request.h"

namespace apk::inspector {

// localhost, loopback addresses, and `further` names. `host` is the field's value, with or without
// port.
bool IsAllowedHost(std::string_view host, const std::vector<std::string>& further);

// For anything but GET and HEAD: has X-Requested-With, which a foreign page can't set, or comes
// from our own origin.
bool MayChangeState(const CapturedRequest& request);

}  // namespace apk::inspector
