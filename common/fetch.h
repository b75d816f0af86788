// What stands at a URL, for keys and other small documents. Thread-safe.
#pragma once

#include <absl/status/statusor.h>

#include <string>

namespace apk {

// One GET: http or https, no redirects, no proxies, 256 KiB and 5 s at most. `ca_pem`: whom to
// trust, "": whom the system trusts. UNAVAILABLE says why there is nothing.
absl::StatusOr<std::string> Fetch(const std::string& url, const std::string& ca_pem);

}  // namespace apk
