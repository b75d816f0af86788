// Files of the operator win over a token, and what a token brought over the token.
#include "data-plane/agent/agent_identity.h"

#include <utility>

#include "common/join_token.h"
#include "common/private_file.h"
#include "common/status_macros.h"
#include "common/strings.h"

namespace apk {
namespace {

// The token of the flags; nullopt where there is none. INVALID_ARGUMENT where it is malformed. The
// file may be gone once the agent has joined.
absl::StatusOr<std::optional<JoinToken>> ReadJoinToken(const Flags& flags, bool joined) {
  std::string text = flags.join_token;
  if (!flags.join_token_file.empty()) {
    const absl::StatusOr<std::string> file = ReadFile(flags.join_token_file);
    if (joined && absl::IsNotFound(file.status())) return std::nullopt;
    if (!file.ok()) return file.status();
    text = *file;
  }
  if (text.empty()) return std::nullopt;
  const absl::StatusOr<JoinToken> token = ParseJoinToken(text);
  if (token.ok()) return *token;
  const std::string flag = flags.join_token_file.empty() ? "--join-token" : "--join-token-file";
  return absl::InvalidArgumentError(Concat(flag, ": ", std::string(token.status().message())));
}

// host:7446 for each host:7443.
std::vector<std::string> EnrollmentAddresses(const Flags& flags) {
  if (!flags.enrollment.empty()) return flags.enrollment;
  std::vector<std::string> addresses;
  for (const std::string& control_plane : flags.control_planes) {
    addresses.push_back(control_plane.substr(0, control_plane.rfind(':')) + ":7446");
  }
  return addresses;
}

}  // namespace

absl::StatusOr<AgentIdentity> OpenIdentity(const Flags& flags,
                                           std::function<void(const absl::Status&)> on_refused) {
  IdentityOptions options;
  options.directory = flags.data_dir + "/identity";
  const bool joined =
      IdentityFiles(options.directory).Exist() && flags.identity.certificate.empty();
  ASSIGN_OR_RETURN(options.token, ReadJoinToken(flags, joined));
  options.agent = flags.id;
  options.enrollment = EnrollmentAddresses(flags);
  options.on_refused = std::move(on_refused);
  AgentIdentity identity;
  if (options.token.has_value() || joined) {
    identity.keeper = std::make_unique<IdentityKeeper>(std::move(options));
    return identity;
  }
  identity.files = std::make_unique<FileIdentity>(flags.identity);
  RETURN_IF_ERROR(identity.files->Load());
  return identity;
}

}  // namespace apk
