// Who the agent is to control planes.
#pragma once

#include <absl/status/statusor.h>

#include <functional>
#include <memory>
#include <optional>

#include "data-plane/agent/flags.h"
#include "data-plane/identity/file_identity.h"
#include "data-plane/identity/identity_keeper.h"

namespace apk {

// Where the agent's certificate comes from: files of the operator, or a token that it joins by.
struct AgentIdentity {
  std::unique_ptr<FileIdentity> files;
  std::unique_ptr<IdentityKeeper> keeper;

  std::optional<SystemTime> expires() const {
    return keeper != nullptr ? keeper->expires() : files->expires();
  }
  std::optional<TlsIdentity> Current() const {
    return keeper != nullptr ? keeper->Current() : files->Current();
  }
  // What renews it, where something does. Start also after Stop.
  void Start() const {
    if (keeper != nullptr) keeper->Start();
  }
  void Stop() const {
    if (keeper != nullptr) keeper->Stop();
  }
};

// `on_refused` as in IdentityOptions.
absl::StatusOr<AgentIdentity> OpenIdentity(const Flags& flags,
                                           std::function<void(const absl::Status&)> on_refused);

}  // namespace apk
