// Host allow-list and same-origin check.
#include "data-plane/inspector/access.h"

#include <algorithm>
#include <boost/asio/ip/address.hpp>

#include "common/strings.h"

namespace apk::inspector {
namespace {

std::string_view WithoutPort(std::string_view host) {
  if (host.starts_with('['))
    return host.substr(1, host.find(']') == host.npos ? 0 : host.find(']') - 1);
  return host.substr(0, host.find(':'));
}

}  // namespace

bool IsAllowedHost(std::string_view host, const std::vector<std::string>& further) {
  const std::string_view name = WithoutPort(host);
  if (EqualsIgnoreCase(name, "localhost")) return true;
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(std::string(name), error);
  if (!error && address.is_loopback()) return true;
  return std::any_of(further.begin(), further.end(),
                     [&](const std::string& allowed) { return EqualsIgnoreCase(name, allowed); });
}

bool MayChangeState(const CapturedRequest& request) {
  if (!request.Header("x-requested-with").empty()) return true;
  const std::string_view origin = request.Header("origin");
  const std::string_view host = request.Header("host");
  return !host.empty() && (origin == Concat("http://", host) || origin == Concat("https://", host));
}

}  // namespace apk::inspector
