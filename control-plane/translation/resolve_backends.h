// References to what answers requests: Backend (dp.wso2.com) and Service with its EndpointSlices.
// Pure.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "apk/v1/backend.pb.h"
#include "apk/v1/core.pb.h"
#include "apk/v1/routes.pb.h"
#include "common/strings.h"
#include "control-plane/resources/resource_set.h"
#include "control-plane/translation/backend_tls_policies.h"
#include "control-plane/translation/conditions.h"
#include "control-plane/translation/read_log.h"
#include "control-plane/translation/reference_grants.h"
#include "control-plane/translation/snapshot_assembly.h"

namespace apk {

struct BackendReference {
  std::string group;
  std::string kind;
  std::string namespace_name;
  std::string name;
  int port = 0;          // 0: none.
  bool of_grpc = false;  // A GRPCRoute's: HTTP/2 whatever the backend says.

  // "Service default/a:80".
  std::string ToString() const;
};

// From a backendRef of a route or a mirror, with the API's defaults.
template <class Reference>
BackendReference ReferenceOf(const Reference& reference, const std::string& route_namespace) {
  return {
      .group = reference.group(),
      .kind = reference.has_kind() ? reference.kind() : "Service",
      .namespace_name = reference.namespace_().empty() ? route_namespace : reference.namespace_(),
      .name = reference.name(),
      .port = reference.port()};
}

class BackendResolver {
 public:
  // `log`, where it is given, observes the resources: each Resolve tells it all that the answer
  // depends on, whether it was read now or by an earlier one. `policies`, made from what
  // `policy_reads` says, outlives it.
  BackendResolver(const ResourceSet& resources, const BackendTlsPolicies& policies,
                  Reads policy_reads, SnapshotAssembly& assembly, ReadLog* log = nullptr);

  // The name of its BackendConfig, which is then in the assembly; "" where it does not resolve,
  // with the reason added to `problem`, and where a BackendTLSPolicy forbids to connect to it, of
  // which its own status tells. `from` is the route, `where` the field path for the message.
  std::string Resolve(const BackendReference& reference, const ReferenceFrom& from,
                      const std::string& where, Problem& problem);

  // The Services that were asked for since the last call.
  std::set<ServiceName> TakeServices() { return std::exchange(services_, {}); }

 private:
  std::string ResolveBackend(const BackendReference& reference, const std::string& where,
                             Problem& problem);
  std::string ResolveService(const BackendReference& reference, const std::string& where,
                             Problem& problem);

  std::string ResolveKnown(const BackendReference& reference, const std::string& where,
                           Problem& problem);

  const ResourceSet& resources_;
  const BackendTlsPolicies& policies_;
  const Reads policy_reads_;
  SnapshotAssembly& assembly_;
  ReadLog* const log_;
  StringMap<Reads> reads_;  // By reference.
  std::set<ServiceName> services_;
  // By namespace and name of the Service that they belong to.
  std::map<std::pair<std::string, std::string>, std::vector<const v1::EndpointSlice*>> slices_;
};

// What is wrong with a Backend itself, whoever refers to it: certificates and credentials.
Problem CheckBackend(const ResourceSet& resources, const v1::Backend& backend);

// The text of `name`/`key`, from a Secret or a ConfigMap; empty and a problem where it is not
// there. `where`: path of the field that refers to it.
std::string ReadSecretKey(const ResourceSet& resources, const std::string& namespace_name,
                          const std::string& name, const std::string& key, std::string_view where,
                          Problem& problem);
std::string ReadConfigMapKey(const ResourceSet& resources, const std::string& namespace_name,
                             const std::string& name, const std::string& key,
                             std::string_view where, Problem& problem);

}  // namespace apk
