// The part of the Kubernetes REST API that kubectl needs, for our kinds: requests in, replies out,
// without a socket. Changes go through Configuration, as those of AdminService do. Thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <variant>

#include "control-plane/access/gate.h"
#include "control-plane/admin/configuration.h"
#include "control-plane/kubernetes_api/reply.h"
#include "control-plane/kubernetes_api/request.h"
#include "control-plane/kubernetes_api/watch.h"

namespace apk {

class KubernetesApi {
 public:
  // Both outlive it.
  KubernetesApi(Configuration& configuration, const Gate& gate)
      : configuration_(configuration), gate_(gate) {}

  // The answer by the head alone, whose body is not there yet, to what the roles don't let the user
  // change, which is noted; nullopt where the rest is worth reading.
  std::optional<ApiReply> JudgeHead(const ApiRequest& request);

  // A reply, or a watch whose events are to be sent as they come. It may wait for the store.
  std::variant<ApiReply, std::unique_ptr<Watch>> Serve(const ApiRequest& request);

  // The answer to who is not let in at all; it is noted where they would have changed something.
  ApiReply Refuse(const ApiRequest& request, const absl::Status& why);

 private:
  Configuration& configuration_;
  const Gate& gate_;
};

}  // namespace apk
