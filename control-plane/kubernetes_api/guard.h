// What is asked before a request of the Kubernetes API is served, and what is noted then.
#pragma once

#include <absl/status/status.h>

#include <string>

#include "control-plane/access/gate.h"
#include "control-plane/kubernetes_api/reply.h"
#include "control-plane/kubernetes_api/request.h"

namespace apk {

// Kubernetes' verb: get, list, watch, create, update, patch, delete; "" where there is none.
std::string VerbOf(const ApiRequest& request, const ApiTarget& target, const ResourcePath& path);

// 403 Forbidden, naming user, verb, resource and namespace, where the roles don't allow it.
absl::Status CheckAccess(const Gate& gate, const ApiRequest& request, const ResourcePath& path,
                         const std::string& verb);

// Of a request to change something: what became of it, by its reply. A dry run, which changes
// nothing, is noted only where it is forbidden.
void NoteWrite(const Gate& gate, const ApiRequest& request, const ApiTarget& target,
               const ResourcePath& path, const std::string& verb, const ApiReply& reply);

}  // namespace apk
