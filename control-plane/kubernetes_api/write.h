// POST, PUT, PATCH and DELETE: each ends in the one transaction by which the configuration changes.
#pragma once

#include "control-plane/admin/configuration.h"
#include "control-plane/kubernetes_api/reply.h"
#include "control-plane/kubernetes_api/request.h"

namespace apk {

// 201, or 409 AlreadyExists.
ApiReply CreateObject(Configuration& configuration, const ResourcePath& path,
                      const ApiTarget& target, const ApiRequest& request);
// 404 where there is none; a resourceVersion in the object is a precondition.
ApiReply ReplaceObject(Configuration& configuration, const ResourcePath& path,
                       const ApiTarget& target, const ApiRequest& request);
// On top of the newest state; server-side apply makes the object where there is none.
ApiReply PatchObject(Configuration& configuration, const ResourcePath& path,
                     const ApiTarget& target, const ApiRequest& request);
// A Status that says Success.
ApiReply DeleteObject(Configuration& configuration, const ResourcePath& path,
                      const ApiTarget& target, const ApiRequest& request);

}  // namespace apk
