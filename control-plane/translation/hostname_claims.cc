// Each hostname that changed against each that is wanted.
#include "control-plane/translation/hostname_claims.h"

#include <algorithm>

#include "control-plane/translation/hostnames.h"

namespace apk {
namespace {

constexpr size_t kHostnamesMax = 64;  // Of one listener and kind.

}  // namespace

void HostnameClaims::AddChanged(const std::string& kind, const RouteAttachments& attachments) {
  for (const v1::RouteAttachment& attachment : attachments) {
    Changed& changed = changed_[attachment.listener()][kind];
    if (changed.too_many) continue;
    changed.hostnames.insert(attachment.hostnames().begin(), attachment.hostnames().end());
    changed.too_many = changed.hostnames.size() > kHostnamesMax;
  }
}

bool HostnameClaims::Touch(const std::string& kind, const RouteAttachments& wanted) const {
  if (changed_.empty()) return false;
  for (const v1::RouteAttachment& attachment : wanted) {
    const auto listener = changed_.find(attachment.listener());
    if (listener == changed_.end()) continue;
    const std::vector<std::string> hostnames(attachment.hostnames().begin(),
                                             attachment.hostnames().end());
    for (const auto& [other, changed] : listener->second) {
      if (other == kind) continue;
      if (changed.too_many) return true;
      const bool shared = std::any_of(changed.hostnames.begin(), changed.hostnames.end(),
                                      [&hostnames](const std::string& hostname) {
                                        return OverlapsAny(hostname, hostnames);
                                      });
      if (shared) return true;
    }
  }
  return false;
}

}  // namespace apk
