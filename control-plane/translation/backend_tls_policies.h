// BackendTLSPolicies: which one holds for a port of a Service, what it asks of connections there,
// and what its status says. Pure.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "apk/v1/backend_tls_policy.pb.h"
#include "apk/v1/core.pb.h"
#include "apk/v1/gateway.pb.h"
#include "apk/v1/snapshot.pb.h"
#include "control-plane/resources/resource_set.h"
#include "control-plane/translation/conditions.h"

namespace apk {

// A Service that routes refer to.
struct ServiceName {
  std::string namespace_name;
  std::string name;

  auto operator<=>(const ServiceName&) const = default;
};

class BackendTlsPolicies {
 public:
  explicit BackendTlsPolicies(const ResourceSet& resources);
  BackendTlsPolicies(const BackendTlsPolicies&) = delete;
  BackendTlsPolicies& operator=(const BackendTlsPolicies&) = delete;

  struct Effect {
    bool valid = false;  // Otherwise nothing may be sent: neither in clear nor to a stranger.
    v1::BackendTlsConfig tls;
  };
  // nullptr where no policy targets the port.
  const Effect* Find(const v1::Service& service, const v1::ServicePort& port) const;

  bool empty() const { return policies_.empty(); }
  // The Gateway reaches the Service: it is an ancestor of what targets the Service.
  void AddAncestor(const v1::Gateway& gateway, const ServiceName& service);

  std::vector<const v1::BackendTLSPolicy*> All() const;
  // With all ancestors added.
  v1::BackendTLSPolicyStatus StatusOf(const v1::BackendTLSPolicy& policy,
                                      const std::string& now) const;

 private:
  // A target, and the oldest policy that has it.
  using Target =
      std::tuple<std::string, std::string, std::string>;  // namespace, Service, port name

  struct Policy {
    const v1::BackendTLSPolicy* object = nullptr;
    Effect effect;
    Problem accepted;  // What is wrong with it wherever it is used.
    Problem resolved;
  };

  void Evaluate(Policy& policy) const;
  static std::optional<Target> TargetOf(const v1::BackendTLSPolicy& policy, int index);
  bool Exists(const Target& target) const;
  Problem AcceptedBy(const Policy& policy, const std::set<ServiceName>& reached) const;

  const ResourceSet& resources_;
  std::vector<Policy> policies_;  // Oldest first.
  std::map<Target, const Policy*> winners_;
  // By namespace and name of the Gateway.
  std::map<std::pair<std::string, std::string>, std::set<ServiceName>> reached_;
};

}  // namespace apk
