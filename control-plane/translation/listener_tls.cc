// A reference that can't be used leaves the others in force; where none is left, the listener isn't
// served.
#include "control-plane/translation/listener_tls.h"

#include <algorithm>

#include "common/strings.h"
#include "control-plane/translation/tls_references.h"

namespace apk {
namespace {

std::string At(std::string_view list, int index) {
  return Concat(list, "[", std::to_string(index), "]");
}

// What clients are asked for: the settings of the port, or else of the Gateway.
struct ClientCheck {
  const v1::FrontendTlsValidation* validation = nullptr;  // nullptr: nothing.
  std::string path;                                       // Of that field.
};

ClientCheck ClientCheckFor(const v1::Gateway& gateway, int port) {
  const v1::GatewayFrontendTls& frontend = gateway.spec().tls().frontend();
  const v1::FrontendTlsConfig* config = &frontend.default_();
  std::string path = "spec.tls.frontend.default.validation";
  for (int i = 0; i < frontend.per_port_size(); ++i) {
    if (frontend.per_port(i).port() != port) continue;
    config = &frontend.per_port(i).tls();
    path = At("spec.tls.frontend.perPort", i) + ".tls.validation";
  }
  if (!config->has_validation()) return {};
  return {.validation = &config->validation(), .path = std::move(path)};
}

void AddCertificates(const ResourceSet& resources, ListenerState& state,
                     SnapshotAssembly& certificates) {
  const ReferenceFrom from{kGatewayGroup, state.set == nullptr ? "Gateway" : "ListenerSet",
                           state.namespace_name};
  const auto& references = state.spec->tls().certificate_refs();
  if (references.empty()) {
    state.resolved.Add("InvalidCertificateRef", "tls.certificateRefs is empty");
  }
  for (int i = 0; i < references.size(); ++i) {
    const std::string name =
        ResolveCertificate(resources, from, references.Get(i), At("tls.certificateRefs", i),
                           "InvalidCertificateRef", state.resolved, certificates);
    const bool known = std::find(state.certificates.begin(), state.certificates.end(), name) !=
                       state.certificates.end();
    if (!name.empty() && !known) state.certificates.push_back(name);
  }
  state.unresolved = state.certificates.empty();
}

void AddClientValidation(const ResourceSet& resources, const v1::Gateway& gateway,
                         const ClientCheck& check, ListenerState& state) {
  const v1::FrontendTlsValidation& validation = *check.validation;
  const ReferenceFrom from{kGatewayGroup, "Gateway", gateway.metadata().namespace_()};
  v1::ClientValidationConfig& config = state.client_validation.emplace();
  config.set_allow_insecure_fallback(validation.mode() == "AllowInsecureFallback");
  for (int i = 0; i < validation.ca_certificate_refs_size(); ++i) {
    const v1::ObjectReference& reference = validation.ca_certificate_refs(i);
    config.mutable_ca_pem()->append(ResolveCa(resources, from,
                                              {.group = reference.group(),
                                               .kind = reference.kind(),
                                               .namespace_name = reference.namespace_(),
                                               .name = reference.name()},
                                              At(check.path + ".caCertificateRefs", i),
                                              "InvalidCACertificateKind", state.resolved));
  }
  if (config.ca_pem().empty()) {
    state.accepted.Add("NoValidCACertificate",
                       "no CA certificate to check clients with: see ResolvedRefs");
  }
}

}  // namespace

bool UsesTls(std::string_view protocol) { return protocol == "HTTPS" || protocol == "TLS"; }

void EvaluateTls(const ResourceSet& resources, const v1::Gateway& gateway, ListenerState& state,
                 SnapshotAssembly& certificates) {
  if (!UsesTls(state.spec->protocol())) return;
  const bool passthrough = state.spec->tls().mode() == "Passthrough";
  if (passthrough && state.spec->protocol() == "HTTPS") {
    state.accepted.Add("UnsupportedValue", "tls.mode Passthrough needs protocol TLS");
  }
  if (passthrough) return;
  AddCertificates(resources, state, certificates);
  if (state.spec->protocol() != "HTTPS") return;
  const ClientCheck check = ClientCheckFor(gateway, state.spec->port());
  if (check.validation != nullptr) AddClientValidation(resources, gateway, check, state);
}

void EvaluateTls(const ResourceSet& resources, GatewayState& state,
                 SnapshotAssembly& certificates) {
  const v1::GatewayTls& tls = state.gateway->spec().tls();
  const auto insecure = [](const v1::FrontendTlsConfig& config) {
    return config.validation().mode() == "AllowInsecureFallback";
  };
  state.insecure_frontend =
      insecure(tls.frontend().default_()) ||
      std::any_of(tls.frontend().per_port().begin(), tls.frontend().per_port().end(),
                  [&insecure](const auto& port) { return insecure(port.tls()); });
  if (!tls.backend().has_client_certificate_ref()) return;
  const ReferenceFrom from{kGatewayGroup, "Gateway", state.gateway->metadata().namespace_()};
  state.backend_certificate =
      ResolveCertificate(resources, from, tls.backend().client_certificate_ref(),
                         "spec.tls.backend.clientCertificateRef", "InvalidClientCertificateRef",
                         state.resolved, certificates);
  if (state.backend_certificate.empty()) return;
  state.backend_certificate_config = certificates.Resource(state.backend_certificate).certificate();
}

}  // namespace apk
