// Who may do what: users and groups of them, bound to roles. A viewer reads; an editor also writes,
// and reads Secrets, in the namespaces that the binding names; an admin does everything. A value,
// read from a file of YAML:
//
//   groups:
//     shop: [ann, bob]
//   bindings:
//   - {role: admin, users: [admin, "oidc:eve@example.org"]}
//   - {role: editor, groups: [shop, "oidc:shop-team"], namespaces: [shop]}   # ["*"]: all
//   namespaces
//   - {role: viewer, users: ["*"]}   # "*": whoever has a certificate; "oidc:*": or a token
//
// Names that begin with "oidc:" are of tokens, and so are groups; other groups are the file's own.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "control-plane/access/principal.h"
#include "control-plane/resources/kind_registry.h"

namespace apk {

// What somebody wants to do.
struct AccessRequest {
  // kAnyRole: what everybody may who has a role at all. kEdit: what an editor of the namespace may;
  // kEditSomewhere: of any.
  enum class Need { kAnyRole, kRead, kEdit, kEditSomewhere, kAdmin };
  Principal principal;
  std::string verb;  // get, list, watch, create, …
  std::string group;
  std::string resource;        // The plural: httproutes; or what is no kind, such as backups.
  std::string namespace_name;  // "": all of them, or what belongs to none.
  std::string name;            // "": no certain one.
  bool cluster_scoped = false;
  Need need = Need::kAdmin;
};

// A verb on objects of a kind: get, list and watch read, the others edit; reading Secrets needs the
// right to edit them.
AccessRequest AccessToKind(const Principal& principal, const std::string& verb, const Kind& kind,
                           const std::string& namespace_name, const std::string& name);
// A verb on what is no kind.
AccessRequest AccessTo(const Principal& principal, const std::string& verb,
                       const std::string& resource, AccessRequest::Need need);

class Roles {
 public:
  // INVALID_ARGUMENT names the place, "roles.yaml:3:5: …".
  static absl::StatusOr<Roles> Parse(std::string_view text, const std::string& file);

  // PERMISSION_DENIED as a Kubernetes API server words it: who, what, where.
  absl::Status Check(const AccessRequest& request) const;

 private:
  enum class Role { kViewer, kEditor, kAdmin };
  struct Binding {
    Role role = Role::kViewer;
    std::set<std::string, std::less<>> users;         // Those of the file's groups included.
    std::set<std::string, std::less<>> token_groups;  // Names of tokens' groups.
    std::set<std::string, std::less<>> namespaces;    // Empty: everywhere.
    bool Holds(const Principal& principal) const;
    bool Covers(std::string_view namespace_name) const {
      return namespaces.empty() || namespaces.contains("*") || namespaces.contains(namespace_name);
    }
  };
  class Reader;
  static bool Allows(const Binding& binding, const AccessRequest& request);

  std::vector<Binding> bindings_;
};

}  // namespace apk
