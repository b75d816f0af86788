// GET of one object and of a collection.
#pragma once

#include "control-plane/admin/configuration.h"
#include "control-plane/kubernetes_api/reply.h"
#include "control-plane/kubernetes_api/request.h"

namespace apk {

// 404 where there is none.
ApiReply GetObject(const Configuration::View& view, const ResourcePath& path,
                   const ApiTarget& target, const std::string& accept);

// With `limit`, a page: the next begins where it ends, in the state of then. All pages name the
// revision of the first, so that a watch from there tells whatever changed in between.
ApiReply ListObjects(const Configuration::View& view, const ResourcePath& path,
                     const ApiTarget& target, const std::string& accept);

}  // namespace apk
