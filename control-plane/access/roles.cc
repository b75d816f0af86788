// Any binding that allows it is enough; nothing takes away what another one gives.
#include "control-plane/access/roles.h"

#include "common/strings.h"
#include "control-plane/identity/spiffe.h"

namespace apk {
namespace {

std::string_view NameOf(std::string_view user) {
  return user.starts_with(kUserUri) ? user.substr(kUserUri.size()) : user;
}

std::string Refusal(const AccessRequest& request) {
  const std::string qualified =
      Concat(request.resource, request.group.empty() ? "" : ".", request.group);
  std::string text = qualified;
  if (!request.name.empty()) text += Concat(" \"", request.name, "\"");
  text += Concat(" is forbidden: User \"", NameOf(request.user), "\" cannot ", request.verb,
                 " resource \"", request.resource, "\"");
  text += Concat(" in API group \"", request.group, "\"");
  return text + (request.namespace_name.empty()
                     ? " at the cluster scope"
                     : Concat(" in the namespace \"", request.namespace_name, "\""));
}

}  // namespace

AccessRequest AccessToKind(const std::string& user, const std::string& verb, const Kind& kind,
                           const std::string& namespace_name, const std::string& name) {
  using Need = AccessRequest::Need;
  const bool secret = kind.group.empty() && kind.name == "Secret";
  const bool reads = verb == "get" || verb == "list" || verb == "watch";
  return {.user = user,
          .verb = verb,
          .group = kind.group,
          .resource = kind.plural,
          .namespace_name = kind.cluster_scoped ? "" : namespace_name,
          .name = name,
          .cluster_scoped = kind.cluster_scoped,
          .need = reads && !secret ? Need::kRead : Need::kEdit};
}

AccessRequest AccessTo(const std::string& user, const std::string& verb,
                       const std::string& resource, AccessRequest::Need need) {
  return {.user = user,
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
  // Classes and the names of namespaces are everybody's to read.
  if (request.cluster_scoped) return request.need == Need::kRead;
  if (request.need == Need::kEdit && binding.role != Role::kEditor) return false;
  return binding.Covers(request.namespace_name.empty() ? "*" : request.namespace_name);
}

absl::Status Roles::Check(const AccessRequest& request) const {
  const std::string_view user = NameOf(request.user);
  for (const Binding& binding : bindings_) {
    if (binding.Holds(user) && Allows(binding, request)) return absl::OkStatus();
  }
  return absl::PermissionDeniedError(Refusal(request));
}

}  // namespace apk
