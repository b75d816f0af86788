// The first "/" behind the scheme begins the prefix.
#include "control-plane/store/etcd_url.h"

#include "common/strings.h"

namespace apk {
namespace {

constexpr std::string_view kScheme = "etcd://";

bool IsPort(std::string_view text) {
  if (text.empty() || text.size() > 5) return false;
  if (text.find_first_not_of("0123456789") != std::string_view::npos) return false;
  const int port = std::stoi(std::string(text));
  return port > 0 && port <= 65535;
}

bool IsEndpoint(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  const std::string_view host = text.substr(0, colon);
  const bool brackets = host.starts_with('[') && host.ends_with(']');
  // An IPv6 address without brackets could end anywhere.
  if (!brackets && host.find_first_of(":@[] ") != std::string_view::npos) return false;
  return IsPort(text.substr(colon + 1));
}

bool IsPrefix(std::string_view text) {
  if (text.size() < 2 || text.ends_with('/') || text.find("//") != std::string_view::npos) {
    return false;
  }
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '/';
    if (!plain) return false;
  }
  return true;
}

}  // namespace

absl::StatusOr<EtcdUrl> ParseEtcdUrl(std::string_view text) {
  const auto complain = [text](std::string_view what) {
    return absl::InvalidArgumentError(
        Concat("--store ", text, ": ", what,
               "; write etcd://host:port[,host:port…][/prefix], for example "
               "etcd://10.0.0.1:2379,10.0.0.2:2379,10.0.0.3:2379/apk"));
  };
  if (!text.starts_with(kScheme)) return complain("it is no etcd:// address");
  const std::string_view rest = text.substr(kScheme.size());
  const size_t slash = rest.find('/');
  EtcdUrl url;
  for (const std::string_view endpoint : Split(rest.substr(0, slash), ',')) {
    if (!IsEndpoint(endpoint)) return complain(Concat("\"", endpoint, "\" is not host:port"));
    url.endpoints.emplace_back(endpoint);
  }
  if (slash == std::string_view::npos || slash + 1 == rest.size()) return url;
  url.prefix = std::string(rest.substr(slash));
  if (!IsPrefix(url.prefix)) {
    return complain("the prefix has words of letters, digits, - _ . between single slashes");
  }
  return url;
}

}  // namespace apk
