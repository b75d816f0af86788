// API resources: the base paths, and the token checks, that they give to the routes they name.
// Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
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
  std::vector<std::string> token_issuers;  // Names of TokenIssuerConfig resources, sorted.
  const v1::Authentication* authentication = nullptr;  // That targets the API; may be absent.
  // Why the API is not deployed; "" where it is. A route of one that is not isn't served: at its
  // own paths, and without a check of tokens, nobody asked for it.
  std::string not_deployed;
};

class ApiBindings {
 public:
  // Puts the token issuers that are well into the assembly.
  ApiBindings(const ResourceSet& resources, SnapshotAssembly& assembly);

  // nullptr for a route that no API names.
  const ApiBinding* Find(const std::string& namespace_name, const std::string& route) const;
  // The check for one rule, which may name an Authentication of its own in an ExtensionRef; nullopt
  // where it is turned off. The strongest word comes from the API's override, then from the rule's
  // override, the rule's default and the API's default.
  static std::optional<v1::AuthenticationConfig> ForRule(const ApiBinding& binding,
                                                         const v1::Authentication* of_rule);

  // Problems by API, for its status; an empty one for an API that is well.
  const std::map<const v1::API*, Problem>& problems() const { return problems_; }
  // The same for Authentications.
  const std::map<const v1::Authentication*, Problem>& policy_problems() const {
    return policy_problems_;
  }
  // The same for TokenIssuers.
  const std::map<const v1::TokenIssuer*, Problem>& issuer_problems() const {
    return issuer_problems_;
  }

 private:
  bool ClaimBasePaths(const v1::API& api);
  void Bind(const v1::API& api);
  void Withhold(const v1::API& api);
  void BindRoute(const v1::API& api, const std::string& route, const std::string& field);
  std::vector<std::string> IssuersOf(const v1::API& api) const;
  void AddIssuers();
  void FindPolicies();
  void FindPolicy(const v1::Authentication& policy);

  const ResourceSet& resources_;
  SnapshotAssembly& assembly_;
  // By organization, environment and base path.
  std::map<std::tuple<std::string, std::string, std::string>, const v1::API*> owners_;
  std::map<std::pair<std::string, std::string>, ApiBinding> bindings_;
  // By namespace and name of the API that they target.
  std::map<std::pair<std::string, std::string>, const v1::Authentication*> policies_;
  std::map<const v1::API*, Problem> problems_;
  std::map<const v1::Authentication*, Problem> policy_problems_;
  std::map<const v1::TokenIssuer*, Problem> issuer_problems_;
};

}  // namespace apk
