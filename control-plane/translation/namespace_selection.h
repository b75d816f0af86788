// Which namespaces a Gateway takes routes and ListenerSets from. Pure.
#pragma once

#include <string>

#include "apk/v1/gateway.pb.h"
#include "control-plane/resources/resource_set.h"

namespace apk {

// `own`: the namespace of the object that says `allowed`; `other`: of the one that wants in.
bool NamespaceAllowed(const ResourceSet& resources, const v1::RouteNamespaces& allowed,
                      const std::string& own, const std::string& other);
bool NamespaceAllowed(const ResourceSet& resources, const v1::ListenerNamespaces& allowed,
                      const std::string& own, const std::string& other);

}  // namespace apk
