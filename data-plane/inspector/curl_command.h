// A captured request as a command line for sh. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>

#include "data-plane/inspector/captured_request.h"

namespace apk::inspector {

// One word of the shell that means exactly `text`: quotes, $(), backticks and newlines are inert.
std::string ShellQuote(std::string_view text);

// Sends the request again, to `origin` ("http://127.0.0.1:9602"). Bodies with bytes that no
// argument can carry go through printf. Fails, with a reason to show, when the whole request isn't
// known: a body that was cut, or a value that can't be in a command.
absl::StatusOr<std::string> CurlCommand(const CapturedRequest& request, std::string_view origin);

}  // namespace apk::inspector
