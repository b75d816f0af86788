// HTTPRoutes and GRPCRoutes may not share a hostname on a listener: the oldest that wants it has
// it. So a change of one route may matter to younger ones of the other kind. Pure.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "apk/v1/snapshot.pb.h"

namespace apk {

using RouteAttachments = std::vector<v1::RouteAttachment>;

// Where the hostnames that routes have are others than before.
class HostnameClaims {
 public:
  // A route of that kind has, or had, these.
  void AddChanged(const std::string& kind, const RouteAttachments& attachments);
  // A route of that kind that wants these may get others of them than before.
  bool Touch(const std::string& kind, const RouteAttachments& wanted) const;

 private:
  struct Changed {
    std::set<std::string> hostnames;
    bool too_many = false;  // To be told apart: any may have changed.
  };
  // By listener and kind.
  std::map<std::string, std::map<std::string, Changed>> changed_;
};

}  // namespace apk
