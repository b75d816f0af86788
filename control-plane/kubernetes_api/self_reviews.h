// What kubectl auth can-i and whoami ask: reviews of oneself, which are answered and not kept.
// Pure.
#pragma once

#include <optional>

#include "control-plane/access/gate.h"
#include "control-plane/kubernetes_api/reply.h"
#include "control-plane/kubernetes_api/request.h"

namespace apk {

// nullopt where the target is none of authorization.k8s.io and authentication.k8s.io.
std::optional<ApiReply> ServeSelfReview(const Gate& gate, const ApiRequest& request,
                                        const ApiTarget& target);

}  // namespace apk
