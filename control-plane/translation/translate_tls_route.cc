// The schema allows one rule; it has no matches: the hostnames are.
#include "control-plane/translation/translate_tls_route.h"

#include "common/strings.h"
#include "control-plane/translation/age_order.h"

namespace apk {

TlsRouteTranslation TranslateTlsRoute(const v1::TLSRoute& route, const Attachments& attachments,
                                      BackendResolver& backends) {
  TlsRouteTranslation result;
  const v1::ObjectMeta& metadata = route.metadata();
  const ReferenceFrom from{kGatewayGroup, "TLSRoute", metadata.namespace_()};
  result.config.set_name(Concat(metadata.namespace_(), "/", metadata.name()));
  result.config.set_created_unix_seconds(UnixSeconds(metadata.creation_timestamp()));
  *result.config.mutable_attachments() = {attachments.listeners.begin(),
                                          attachments.listeners.end()};
  for (int i = 0; i < route.spec().rules_size(); ++i) {
    const v1::TLSRouteRule& rule = route.spec().rules(i);
    for (int j = 0; j < rule.backend_refs_size(); ++j) {
      const v1::TLSBackendRef& reference = rule.backend_refs(j);
      v1::WeightedBackendConfig* const entry = result.config.add_backends();
      entry->set_weight(reference.has_weight() ? static_cast<uint32_t>(reference.weight()) : 1);
      entry->set_backend(backends.Resolve(
          ReferenceOf(reference, metadata.namespace_()), from,
          Concat("spec.rules[", std::to_string(i), "].backendRefs[", std::to_string(j), "]"),
          result.resolved));
    }
  }
  return result;
}

}  // namespace apk
