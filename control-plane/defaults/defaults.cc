// Built as messages: the server reads no YAML.
#include "control-plane/defaults/defaults.h"

#include <openssl/rand.h>

#include "apk/v1/backend.pb.h"
#include "apk/v1/core.pb.h"
#include "apk/v1/gateway.pb.h"
#include "apk/v1/policies.pb.h"
#include "apk/v1/routes.pb.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "control-plane/identity/token_issuer.h"
#include "control-plane/resources/kind_registry.h"
#include "control-plane/resources/own_objects.h"
#include "control-plane/translation/session_persistence.h"

namespace apk {
namespace {

constexpr char kGatewayName[] = "wso2-apk-default";
constexpr char kCertificateName[] = "wso2-apk-default-certificate";
constexpr char kTokenHost[] = "idp.am.wso2.com";

template <class T>
T NewObject(const std::string& namespace_name, const std::string& name) {
  T object;
  const Kind* const kind = FindKind(T::descriptor());
  object.set_api_version(kind->ApiVersion());
  object.set_kind(kind->name);
  object.mutable_metadata()->set_name(name);
  if (!kind->cluster_scoped) object.mutable_metadata()->set_namespace_(namespace_name);
  return object;
}

template <class T>
void Add(const T& object, v1::ApplyRequest& request) {
  request.add_objects()->PackFrom(object);
}

void AddListener(const std::string& name, const std::string& hostname, uint16_t port,
                 v1::GatewaySpec* spec) {
  v1::GatewayListener* const listener = spec->add_listeners();
  listener->set_name(name);
  listener->set_hostname(hostname);
  listener->set_port(port);
  listener->set_protocol("HTTPS");
  listener->mutable_tls()->set_mode("Terminate");
  listener->mutable_tls()->add_certificate_refs()->set_name(kCertificateName);
  listener->mutable_allowed_routes()->mutable_namespaces()->set_from("All");
}

absl::Status AddGateway(const DefaultsOptions& options, const CertificateAuthority& authority,
                        v1::ApplyRequest& request) {
  CertificateRequest certificate;
  certificate.common_name = "*.gw.wso2.com";
  certificate.dns_names = {"*.gw.wso2.com", "*.sandbox.gw.wso2.com", "gw.wso2.com", kTokenHost,
                           "localhost"};
  certificate.server = true;
  ASSIGN_OR_RETURN(const KeyPair pair, authority.Issue(certificate));
  auto secret = NewObject<v1::Secret>("default", kCertificateName);
  secret.set_type("kubernetes.io/tls");
  (*secret.mutable_data())["tls.crt"] = pair.certificate_pem;
  (*secret.mutable_data())["tls.key"] = pair.key_pem;
  Add(secret, request);
  auto gateway = NewObject<v1::Gateway>("default", kGatewayName);
  gateway.mutable_spec()->set_gateway_class_name("apk");
  AddListener("httpslistener", "*.gw.wso2.com", options.gateway_port, gateway.mutable_spec());
  AddListener("idplistener", kTokenHost, options.gateway_port, gateway.mutable_spec());
  Add(gateway, request);
  return absl::OkStatus();
}

// Signs the sessions of session persistence.
void AddSessionSecret(v1::ApplyRequest& request) {
  constexpr size_t kKeyBytes = 32;
  std::string key(kKeyBytes, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(key.data()), kKeyBytes) != 1) return;
  auto secret = NewObject<v1::Secret>(kOwnNamespace, kSessionSecretName);
  (*secret.mutable_data())["key"] = key;
  Add(secret, request);
}

}  // namespace

std::string JwksUrl(const DefaultsOptions& options) {
  const bool brackets = options.token_host.find(':') != std::string::npos;
  return Concat("https://", brackets ? "[" : "", options.token_host, brackets ? "]:" : ":",
                std::to_string(options.token_port), kJwksPath);
}

v1::ApplyRequest MakeTokenRoute(const DefaultsOptions& options,
                                const CertificateAuthority& authority) {
  v1::ApplyRequest request;
  auto backend = NewObject<v1::Backend>(kOwnNamespace, "token-issuer");
  v1::BackendService* const service = backend.mutable_spec()->add_services();
  service->set_host(options.token_host);
  service->set_port(options.token_port);
  backend.mutable_spec()->set_protocol("https");
  backend.mutable_spec()->mutable_tls()->set_certificate_inline(authority.trust_pem());
  Add(backend, request);

  auto route = NewObject<v1::HTTPRoute>(kOwnNamespace, "token-issuer");
  v1::ParentReference* const parent = route.mutable_spec()->add_parent_refs();
  parent->set_namespace_("default");
  parent->set_name(kGatewayName);
  parent->set_section_name("idplistener");
  route.mutable_spec()->add_hostnames(kTokenHost);
  v1::HTTPRouteRule* const rule = route.mutable_spec()->add_rules();
  v1::HTTPPathMatch* const path = rule->add_matches()->mutable_path();
  path->set_type("PathPrefix");
  path->set_value("/oauth2");
  v1::HTTPBackendRef* const reference = rule->add_backend_refs();
  reference->set_group("dp.wso2.com");
  reference->set_kind("Backend");
  reference->set_name("token-issuer");
  Add(route, request);

  auto issuer = NewObject<v1::TokenIssuer>("default", kDevelopmentIssuerName);
  v1::TokenIssuerSpec* const spec = issuer.mutable_spec();
  spec->set_name(kDevelopmentIssuerName);
  spec->set_organization("default");
  spec->set_issuer(std::string(TokenIssuer::kIssuer));
  spec->set_consumer_key_claim("clientId");
  spec->set_scopes_claim("scope");
  v1::Jwks* const jwks = spec->mutable_signature_validation()->mutable_jwks();
  jwks->set_url(JwksUrl(options));
  jwks->mutable_tls()->set_certificate_inline(authority.trust_pem());
  Add(issuer, request);
  return request;
}

v1::ApplyRequest MakeEssentials() {
  v1::ApplyRequest request;
  for (const char* const name : {"default", kOwnNamespace}) {
    Add(NewObject<v1::Namespace>("", name), request);
  }
  auto gateway_class = NewObject<v1::GatewayClass>("", "apk");
  gateway_class.mutable_spec()->set_controller_name("apk.dev/gateway-controller");
  gateway_class.mutable_spec()->set_description("The mirroring API gateway");
  Add(gateway_class, request);
  AddSessionSecret(request);
  return request;
}

absl::StatusOr<v1::ApplyRequest> MakeDefaults(const DefaultsOptions& options,
                                              const CertificateAuthority& authority) {
  v1::ApplyRequest request = MakeEssentials();
  if (!options.gateway) return request;
  RETURN_IF_ERROR(AddGateway(options, authority, request));
  if (options.token_port != 0) request.MergeFrom(MakeTokenRoute(options, authority));
  return request;
}

}  // namespace apk
