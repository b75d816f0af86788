// API resources: the base paths, and the token checks, that they give to the routes they name.
// Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "apk/v1/api.pb.h"
#include "apk/v1/policies.pb.h"
#include "apk/v1/snapshot.pb.h"
#include "control-plane/resources/resource_set.h"
#include "control-plane/translation/conditions.h"
#include "control-plane/translation/snapshot_assembly.h"

namespace apk {

struct ApiBinding {
  const v1::API* api = nullptr;
  std::vector<std::string> base_paths;
  std::optional<v1::AuthenticationConfig> authentication;  // Of the API; rules may differ.
};

class ApiBindings {
 public:
  // Puts the token issuers of bound APIs into the assembly.
  ApiBindings(const ResourceSet& resources, SnapshotAssembly& assembly);

  // nullptr for a route that no API names.
  const ApiBinding* Find(const std::string& namespace_name, const std::string& route) const;
  // The check for one rule: the API's, unless the Authentication that the rule's ExtensionRef names
  // says otherwise.
  std::optional<v1::AuthenticationConfig> ForRule(const ApiBinding& binding,
                                                  const v1::Authentication* of_rule) const;

  // Problems by API, for its status; an empty one for an API that is well.
  const std::map<const v1::API*, Problem>& problems() const { return problems_; }
  // The same for TokenIssuers.
  const std::map<const v1::TokenIssuer*, Problem>& issuer_problems() const {
    return issuer_problems_;
  }

 private:
  void Bind(const v1::API& api);
  void BindRoute(const v1::API& api, const std::string& route, const std::string& field);
  v1::AuthenticationConfig DefaultCheck(const v1::API& api);
  void AddIssuers();

  const ResourceSet& resources_;
  SnapshotAssembly& assembly_;
  std::map<std::pair<std::string, std::string>, ApiBinding> bindings_;
  std::map<const v1::API*, Problem> problems_;
  std::map<const v1::TokenIssuer*, Problem> issuer_problems_;
};

}  // namespace apk
