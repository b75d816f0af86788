// The file of roles: what is unknown or left out is an error with its place.
#include "common/status_macros.h"
#include "common/strings.h"
#include "control-plane/access/roles.h"
#include "control-plane/apkctl/manifest/suggest.h"
#include "control-plane/apkctl/manifest/yaml_tree.h"

namespace apk {

class Roles::Reader {
 public:
  explicit Reader(const std::string& file) : file_(file) {}

  absl::StatusOr<Roles> Read(const YamlNode& root) {
    const YamlNode* groups = nullptr;
    const YamlNode* bindings = nullptr;
    RETURN_IF_ERROR(Members(root, {{"groups", &groups}, {"bindings", &bindings}}));
    if (groups != nullptr) RETURN_IF_ERROR(ReadGroups(*groups));
    if (bindings == nullptr) return Error(root, "bindings is missing: who has which role");
    if (bindings->kind != YamlNode::Kind::kList) return Error(*bindings, "bindings must be a list");
    Roles roles;
    for (const auto& item : bindings->items) {
      ASSIGN_OR_RETURN(Binding binding, ReadBinding(*item));
      roles.bindings_.push_back(std::move(binding));
    }
    return roles;
  }

  absl::Status Error(const YamlNode& at, std::string_view message) const {
    return absl::InvalidArgumentError(
        Concat(file_, ":", std::to_string(at.line), ":", std::to_string(at.column), ": ", message));
  }

 private:
  using Names = std::set<std::string, std::less<>>;
  struct Member {
    std::string name;
    const YamlNode** value;
  };

  // Each at most once, and no others.
  absl::Status Members(const YamlNode& map, const std::vector<Member>& known) const {
    if (map.kind != YamlNode::Kind::kMap) return Error(map, "a mapping is expected here");
    std::vector<std::string> names;
    for (const Member& member : known) names.push_back(member.name);
    for (const auto& [key, value] : map.members) {
      const YamlNode** place = nullptr;
      for (const Member& member : known) {
        if (member.name == key->scalar) place = member.value;
      }
      if (place == nullptr) {
        const std::string nearest = Suggest(key->scalar, names);
        return Error(*key, Concat("there is no field \"", key->scalar, "\"; ",
                                  nearest.empty() ? Concat("there are ", Join(names, ", "))
                                                  : Concat("did you mean ", nearest, "?")));
      }
      if (*place != nullptr) return Error(*key, Concat(key->scalar, " stands twice"));
      *place = value.get();
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Names> ReadNames(const YamlNode& list, std::string_view what) const {
    if (list.kind != YamlNode::Kind::kList || list.items.empty()) {
      return Error(list, Concat(what, " must be a list of at least one name"));
    }
    Names names;
    for (const auto& item : list.items) {
      if (item->kind != YamlNode::Kind::kScalar || item->scalar.empty()) {
        return Error(*item, Concat(what, ": a name is expected here"));
      }
      names.insert(item->scalar);
    }
    return names;
  }

  absl::Status ReadGroups(const YamlNode& map) {
    if (map.kind != YamlNode::Kind::kMap) {
      return Error(map, "groups must map the name of each group to a list of users");
    }
    for (const auto& [key, value] : map.members) {
      if (key->scalar.starts_with(kTokenPrefix)) {
        return Error(*key, Concat(key->scalar, ": tokens say themselves who is in their groups"));
      }
      ASSIGN_OR_RETURN(Names users, ReadNames(*value, Concat("groups.", key->scalar)));
      if (!groups_.emplace(key->scalar, std::move(users)).second) {
        return Error(*key, Concat("the group ", key->scalar, " stands twice"));
      }
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Role> ReadRole(const YamlNode& map, const YamlNode* role) const {
    const std::string word = role == nullptr ? "" : role->scalar;
    if (word == "viewer") return Role::kViewer;
    if (word == "editor") return Role::kEditor;
    if (word == "admin") return Role::kAdmin;
    return Error(role == nullptr ? map : *role, "role must be viewer, editor or admin");
  }

  absl::Status AddGroups(const YamlNode& list, Binding& binding) const {
    ASSIGN_OR_RETURN(const Names groups, ReadNames(list, "groups"));
    for (const std::string& group : groups) {
      if (group.starts_with(kTokenPrefix)) {
        binding.token_groups.insert(group);
        continue;
      }
      const auto found = groups_.find(group);
      if (found == groups_.end()) {
        return Error(list, Concat("there is no group \"", group, "\"; one that tokens name is \"",
                                  kTokenPrefix, group, "\""));
      }
      binding.users.insert(found->second.begin(), found->second.end());
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Binding> ReadBinding(const YamlNode& map) const {
    const YamlNode* role = nullptr;
    const YamlNode* users = nullptr;
    const YamlNode* groups = nullptr;
    const YamlNode* namespaces = nullptr;
    RETURN_IF_ERROR(Members(
        map,
        {{"role", &role}, {"users", &users}, {"groups", &groups}, {"namespaces", &namespaces}}));
    Binding binding;
    ASSIGN_OR_RETURN(binding.role, ReadRole(map, role));
    if (users != nullptr) {
      ASSIGN_OR_RETURN(binding.users, ReadNames(*users, "users"));
    }
    if (groups != nullptr) RETURN_IF_ERROR(AddGroups(*groups, binding));
    if (binding.users.empty() && binding.token_groups.empty()) {
      return Error(map, "who has it? name users or groups");
    }
    if (namespaces != nullptr) {
      ASSIGN_OR_RETURN(binding.namespaces, ReadNames(*namespaces, "namespaces"));
    }
    if (binding.role == Role::kAdmin && namespaces != nullptr) {
      return Error(*namespaces, "an admin is one everywhere: leave namespaces out, or use editor");
    }
    if (binding.role == Role::kEditor && namespaces == nullptr) {
      return Error(map, "an editor needs namespaces; [\"*\"] is all of them");
    }
    return binding;
  }

  const std::string& file_;
  std::map<std::string, Names, std::less<>> groups_;
};

absl::StatusOr<Roles> Roles::Parse(std::string_view text, const std::string& file) {
  YamlReader documents(text, YamlLimits());
  const std::unique_ptr<YamlNode> root = documents.Next();
  if (root != nullptr) return Reader(file).Read(*root);
  if (!documents.problem().has_value()) {
    return absl::InvalidArgumentError(Concat(file, ": it is empty: nobody would have a role"));
  }
  const YamlProblem& problem = *documents.problem();
  return absl::InvalidArgumentError(Concat(file, ":", std::to_string(problem.line), ":",
                                           std::to_string(problem.column), ": ", problem.message));
}

}  // namespace apk
