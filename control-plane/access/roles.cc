// Any binding that allows it is enough; nothing takes away what another one gives.
#include "control-plane/access/roles.h"

#include <algorithm>

#include "common/strings.h"
#include "control-plane/identity/spiffe.h"

namespace apk {
namespace {

constexpr std::string_view kEverybody = "*";
constexpr std::string_view kEverybodyByToken = "oidc:*";

std::string_view NameOf(std::string_view user) {
  return user.starts_with(kUserUri) ? user.substr(kUserUri.size()) : user;
}

std::string Refusal(const AccessRequest& request) {
  const std::string qualified =
      Concat(request.resource, request.group.empty() ? "" : ".", request.group);
  std::string text = qualified;
  if (!request.name.empty()) text += Concat(" \"", request.name, "\"");
  text += Concat(" is forbidden: User \"", NameOf(request.principal.name), "\" cannot ",
                 request.verb, " resource \"", request.resource, "\"");
  text += Concat(" in API group \"", request.group, "\"");
  return text + (request.namespace_name.empty()
                     ? " at the cluster scope"
                     : Concat(" in the namespace \"", request.namespace_name, "\""));
}

}  // namespace

AccessRequest AccessToKind(const Principal& principal, const std::string& verb, const Kind& kind,
                           const std::string& namespace_name, const std::string& name) {
  using Need = AccessRequest::Need;
  const bool secret = kind.group.empty() && kind.name == "Secret";
  const bool reads = verb == "get" || verb == "list" || verb == "watch";
  return {.principal = principal,
          .verb = verb,
          .group = kind.group,
          .resource = kind.plural,
          .namespace_name = kind.cluster_scoped ? "" : namespace_name,
          .name = name,
          .cluster_scoped = kind.cluster_scoped,
          .need = reads && !secret ? Need::kRead : Need::kEdit};
}

AccessRequest AccessTo(const Principal& principal, const std::string& verb,
                       const std::string& resource, AccessRequest::Need need) {
  return {.principal = principal,
          .verb = verb,
          .group = "",
          .resource = resource,
          .namespace_name = "",
          .name = "",
          .cluster_scoped = false,
          .need = need};
}

bool Roles::Allows(const Binding& binding, const AccessRequest& request) {
  using Need = AccessRequest::Need;
  if (binding.role == Role::kAdmin || request.need == Need::kAnyRole) return true;
  if (request.need == Need::kAdmin) return false;
  if (request.need == Need::kEditSomewhere) return binding.role == Role::kEditor;
  // Classes and the names of namespaces are everybody's to read.
  if (request.cluster_scoped) return request.need == Need::kRead;
  if (request.need == Need::kEdit && binding.role != Role::kEditor) return false;
  return binding.Covers(request.namespace_name.empty() ? "*" : request.namespace_name);
}

bool Roles::Binding::Holds(const Principal& principal) const {
  const bool by_token = principal.name.starts_with(kTokenPrefix);
  if (users.contains(NameOf(principal.name))) return true;
  if (users.contains(by_token ? kEverybodyByToken : kEverybody)) return true;
  return std::any_of(principal.groups.begin(), principal.groups.end(),
                     [this](const std::string& group) { return token_groups.contains(group); });
}

absl::Status Roles::Check(const AccessRequest& request) const {
  for (const Binding& binding : bindings_) {
    if (binding.Holds(request.principal) && Allows(binding, request)) return absl::OkStatus();
  }
  return absl::PermissionDeniedError(Refusal(request));
}

}  // namespace apk
