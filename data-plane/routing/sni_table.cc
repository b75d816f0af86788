// From the whole name to ever shorter suffixes.
#include "data-plane/routing/sni_table.h"

namespace apk {

void SniTable::Add(std::string_view hostname, const TlsRule* rule) {
  if (hostname.empty()) {
    if (any_ == nullptr) any_ = rule;
  } else if (hostname.starts_with("*.")) {
    wildcards_.emplace(std::string(hostname.substr(1)), rule);
  } else {
    exact_.emplace(std::string(hostname), rule);
  }
}

const TlsRule* SniTable::Find(std::string_view server_name) const {
  if (const auto found = exact_.find(server_name); found != exact_.end()) return found->second;
  for (size_t dot = server_name.find('.'); dot != std::string_view::npos;
       dot = server_name.find('.', dot + 1)) {
    if (dot == 0) continue;  // A wildcard takes one label at least.
    const auto found = wildcards_.find(server_name.substr(dot));
    if (found != wildcards_.end()) return found->second;
  }
  return any_;
}

}  // namespace apk
