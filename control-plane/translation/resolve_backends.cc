// A reference that leads nowhere is a condition; what it stands for is answered 500.
#include "control-plane/translation/resolve_backends.h"

#include <openssl/evp.h>

#include <algorithm>
#include <set>

#include "apk/v1/core.pb.h"
#include "common/strings.h"
#include "control-plane/translation/certificate_check.h"

namespace apk {
namespace {

std::string Base64(std::string_view bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  text.resize(static_cast<size_t>(size));
  return text;
}

// RFC 9110 5.5 and 5.6.2. An agent refuses the whole snapshot for one field that is not like this.
bool IsFieldValue(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return c == '\t' || (byte >= 0x20 && byte != 0x7f);
  });
}

bool IsCredentialName(std::string_view text) {
  static constexpr std::string_view kOwned[] = {
      "connection", "content-length", "host",    "http2-settings",    "keep-alive",
      "te",         "trailer",        "upgrade", "transfer-encoding", "proxy-connection"};
  constexpr std::string_view kSymbols = "!#$%&'*+-.^_`|~";
  constexpr size_t kNameBytesMax = 256;
  const bool token = std::all_of(text.begin(), text.end(), [&](char c) {
    const char lower = AsciiLower(c);
    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') ||
           kSymbols.find(c) != std::string_view::npos;
  });
  return token && !text.empty() && text.size() <= kNameBytesMax &&
         std::find(std::begin(kOwned), std::end(kOwned), ToLower(text)) == std::end(kOwned);
}

// Seconds that a user wrote, in what 32 bits of milliseconds hold; none where it is no duration.
uint32_t Milliseconds(int32_t seconds) {
  constexpr int64_t kMillisecondsMax = 0xffffffff;
  return static_cast<uint32_t>(std::clamp<int64_t>(int64_t{seconds} * 1000, 0, kMillisecondsMax));
}

// Of a Secret or a ConfigMap, nullptr where it is not there.
template <class Object>
std::string ReadKey(const Object* object, const std::string& name, const std::string& key,
                    std::string_view where, Problem& problem) {
  if (object == nullptr) {
    problem.Add("RefNotFound", Concat(where, ": ", name, " not found"));
    return "";
  }
  const auto found = object->data().find(key);
  if (found != object->data().end()) return found->second;
  problem.Add("RefNotFound", Concat(where, ": ", name, " has no key ", key));
  return "";
}

// The CA that the backend's certificate must come from; "": the system's roots.
std::string ReadCa(const ResourceSet& resources, const v1::Backend& backend, Problem& problem) {
  const v1::BackendTls& tls = backend.spec().tls();
  const std::string& namespace_name = backend.metadata().namespace_();
  std::string pem;
  std::string where;
  if (!tls.certificate_inline().empty()) {
    where = "spec.tls.certificateInline";
    pem = tls.certificate_inline();
  } else if (tls.has_secret_ref()) {
    where = "spec.tls.secretRef";
    pem = ReadSecretKey(resources, namespace_name, tls.secret_ref().name(), tls.secret_ref().key(),
                        where, problem);
  } else if (tls.has_config_map_ref()) {
    where = "spec.tls.configMapRef";
    pem = ReadConfigMapKey(resources, namespace_name, tls.config_map_ref().name(),
                           tls.config_map_ref().key(), where, problem);
  } else {
    return "";
  }
  if (problem.empty() && !HasCertificate(pem)) {
    problem.Add("InvalidCACertificateRef", Concat(where, ": there is no PEM certificate in it"));
  }
  return pem;
}

void AddCredentials(const ResourceSet& resources, const v1::Backend& backend, Problem& problem,
                    v1::BackendConfig* config) {
  const v1::BackendSecurity& security = backend.spec().security();
  const std::string& namespace_name = backend.metadata().namespace_();
  if (security.has_basic()) {
    const v1::BackendBasicSecretReference& reference = security.basic().secret_ref();
    constexpr std::string_view kWhere = "spec.security.basic.secretRef";
    const std::string user = ReadSecretKey(resources, namespace_name, reference.name(),
                                           reference.username_key(), kWhere, problem);
    const std::string password = ReadSecretKey(resources, namespace_name, reference.name(),
                                               reference.password_key(), kWhere, problem);
    v1::HeaderValueConfig* const header = config->add_set_headers();
    header->set_name("Authorization");
    header->set_value(Concat("Basic ", Base64(Concat(user, ":", password))));
  }
  if (security.has_api_key()) {
    const v1::BackendApiKeySecurity& key = security.api_key();
    constexpr std::string_view kWhere = "spec.security.apiKey.valueFrom";
    const std::string value = ReadSecretKey(resources, namespace_name, key.value_from().name(),
                                            key.value_from().value_key(), kWhere, problem);
    if (key.in() == "Query") {
      problem.Add("UnsupportedValue", "spec.security.apiKey.in: Query is not supported, Header is");
      return;
    }
    if (!IsCredentialName(key.name())) {
      problem.Add("UnsupportedValue",
                  Concat("spec.security.apiKey.name: ", key.name(), " can't be set as a header"));
      return;
    }
    if (!IsFieldValue(value)) {
      problem.Add("UnsupportedValue",
                  Concat(kWhere, ": Secret ", namespace_name, "/", key.value_from().name(), ": ",
                         key.value_from().value_key(), " has control characters (a line break?)"));
      return;
    }
    v1::HeaderValueConfig* const header = config->add_set_headers();
    header->set_name(key.name());
    header->set_value(value);
  }
}

// No connection at all is no limit that anything could be served under: one is the least.
void FillCircuitBreaker(const v1::BackendCircuitBreaker& breaker,
                        v1::CircuitBreakerConfig* config) {
  config->set_max_connections(static_cast<uint32_t>(std::max(breaker.max_connections(), 1)));
  config->set_max_pending_requests(
      static_cast<uint32_t>(std::max(breaker.max_pending_requests(), 0)));
  config->set_max_requests(static_cast<uint32_t>(std::max(breaker.max_requests(), 0)));
  config->set_max_retries(static_cast<uint32_t>(std::max(breaker.max_retries(), 0)));
}

void FillRetry(const v1::BackendRetry& retry, v1::RetryConfig* config) {
  constexpr uint32_t kCode = 504;  // Where none is named.
  config->set_attempts(static_cast<uint32_t>(retry.count()));
  config->set_backoff_ms(static_cast<uint32_t>(std::max(retry.base_interval_millis(), 1)));
  for (const int32_t code : retry.status_codes()) config->add_codes(static_cast<uint32_t>(code));
  if (config->codes().empty()) config->add_codes(kCode);
}

void FillBackend(const ResourceSet& resources, const v1::Backend& backend, Problem& problem,
                 v1::BackendConfig* config) {
  const v1::BackendSpec& spec = backend.spec();
  for (const v1::BackendService& service : spec.services()) {
    v1::EndpointConfig* const endpoint = config->add_endpoints();
    endpoint->set_host(service.host());
    endpoint->set_port(static_cast<uint32_t>(service.port()));
  }
  config->set_rewrite_host(true);
  std::string base_path = spec.base_path();
  while (base_path.ends_with('/')) base_path.pop_back();
  if (!base_path.empty() && base_path[0] != '/') base_path.insert(0, "/");
  config->set_base_path(base_path);
  if (spec.protocol() == "https" || spec.protocol() == "wss") {
    config->set_tls_enabled(true);
    config->mutable_tls()->set_ca_pem(ReadCa(resources, backend, problem));
    *config->mutable_tls()->mutable_allowed_sans() = spec.tls().allowed_sans();
  }
  if (spec.has_timeout()) {
    config->set_response_timeout_ms(Milliseconds(spec.timeout().upstream_response_timeout()));
    config->set_idle_timeout_ms(Milliseconds(spec.timeout().downstream_request_idle_timeout()));
  }
  if (spec.has_circuit_breaker()) {
    FillCircuitBreaker(spec.circuit_breaker(), config->mutable_circuit_breaker());
  }
  if (spec.retry().count() > 0) FillRetry(spec.retry(), config->mutable_retry());
  if (spec.has_health_check()) {
    const v1::BackendHealthCheck& check = spec.health_check();
    v1::HealthCheckConfig* const health_check = config->mutable_health_check();
    health_check->set_interval_ms(Milliseconds(std::max(check.interval(), 1)));
    health_check->set_timeout_ms(Milliseconds(std::max(check.timeout(), 1)));
    health_check->set_unhealthy_threshold(
        static_cast<uint32_t>(std::max(check.unhealthy_threshold(), 1)));
    health_check->set_healthy_threshold(
        static_cast<uint32_t>(std::max(check.healthy_threshold(), 1)));
  }
  AddCredentials(resources, backend, problem, config);
}

// Ready where the condition is absent (discovery.k8s.io/v1).
bool IsReady(const v1::SliceEndpoint& endpoint) {
  return !endpoint.conditions().has_ready() || endpoint.conditions().ready();
}

// On its way out but still answering: `serving` is what `ready` would be without the termination.
bool IsServingUntilGone(const v1::SliceEndpoint& endpoint) {
  const v1::EndpointConditions& conditions = endpoint.conditions();
  return conditions.terminating() && conditions.serving();
}

// A port without number leaves the choice to the reader: the pods' port, which the Service names.
int PortOf(const v1::SlicePort& slice_port, const v1::ServicePort& port) {
  if (slice_port.port() != 0) return slice_port.port();
  const std::string& target = port.target_port();
  const bool number = !target.empty() && target.size() <= 5 &&
                      target.find_first_not_of("0123456789") == std::string::npos;
  return number ? std::stoi(target) : port.port();
}

// The endpoints of the Service's port that `wanted` takes, each once.
void AddSliceEndpoints(const std::vector<const v1::EndpointSlice*>& slices,
                       const v1::ServicePort& port, bool (*wanted)(const v1::SliceEndpoint&),
                       v1::BackendConfig* config) {
  std::set<std::pair<std::string, int>> seen;
  for (const v1::EndpointSlice* const slice : slices) {
    for (const v1::SlicePort& slice_port : slice->ports()) {
      const bool tcp = !slice_port.has_protocol() || slice_port.protocol() == "TCP";
      if (!tcp || slice_port.name() != port.name()) continue;
      const int number = PortOf(slice_port, port);
      for (const v1::SliceEndpoint& endpoint : slice->endpoints()) {
        // All addresses of one endpoint are the same pod: the first serves.
        if (!wanted(endpoint) || endpoint.addresses().empty()) continue;
        const std::string& address = endpoint.addresses(0);
        if (address.empty() || !seen.emplace(address, number).second) continue;
        v1::EndpointConfig* const added = config->add_endpoints();
        added->set_host(address);
        added->set_port(static_cast<uint32_t>(number));
      }
    }
  }
}

// Names of IANA and of nobody's domain say what the bytes are and change nothing; those with a
// domain ask for something, which must be known here.
bool IsKnownProtocol(const std::string& app_protocol) {
  return app_protocol.find('/') == std::string::npos || app_protocol == "kubernetes.io/h2c" ||
         app_protocol == "kubernetes.io/ws" || app_protocol == "kubernetes.io/wss";
}

// gRPC and HTTP may reach the same backend by different protocols.
const char* Suffix(const BackendReference& reference) { return reference.of_grpc ? "#grpc" : ""; }

// The same number may stand for several protocols; HTTP goes over TCP.
const v1::ServicePort* FindPort(const v1::Service& service, int number) {
  for (const v1::ServicePort& port : service.spec().ports()) {
    const bool tcp = !port.has_protocol() || port.protocol() == "TCP";
    if (tcp && port.port() == number) return &port;
  }
  return nullptr;
}

}  // namespace

std::string BackendReference::ToString() const {
  const std::string text = Concat(kind, " ", namespace_name, "/", name);
  return port == 0 ? text : Concat(text, ":", std::to_string(port));
}

std::string ReadSecretKey(const ResourceSet& resources, const std::string& namespace_name,
                          const std::string& name, const std::string& key, std::string_view where,
                          Problem& problem) {
  const auto* const secret = resources.Find<v1::Secret>(namespace_name, name);
  return ReadKey(secret, Concat("Secret ", namespace_name, "/", name), key, where, problem);
}

std::string ReadConfigMapKey(const ResourceSet& resources, const std::string& namespace_name,
                             const std::string& name, const std::string& key,
                             std::string_view where, Problem& problem) {
  const auto* const map = resources.Find<v1::ConfigMap>(namespace_name, name);
  return ReadKey(map, Concat("ConfigMap ", namespace_name, "/", name), key, where, problem);
}

Problem CheckBackend(const ResourceSet& resources, const v1::Backend& backend) {
  Problem problem;
  v1::BackendConfig unused;
  FillBackend(resources, backend, problem, &unused);
  return problem;
}

BackendResolver::BackendResolver(const ResourceSet& resources, const BackendTlsPolicies& policies,
                                 Reads policy_reads, SnapshotAssembly& assembly, ReadLog* log)
    : resources_(resources),
      policies_(policies),
      policy_reads_(std::move(policy_reads)),
      assembly_(assembly),
      log_(log) {
  ResourceSet unobserved = resources;  // Who needs the slices of one Service says so.
  unobserved.StopObserving();
  for (const v1::EndpointSlice* const slice : unobserved.All<v1::EndpointSlice>()) {
    const auto& labels = slice->metadata().labels();
    const auto service = labels.find("kubernetes.io/service-name");
    if (service == labels.end()) continue;
    slices_[{slice->metadata().namespace_(), service->second}].push_back(slice);
  }
}

std::string BackendResolver::Resolve(const BackendReference& reference, const ReferenceFrom& from,
                                     const std::string& where, Problem& problem) {
  const bool is_backend = reference.group == kApkGroup && reference.kind == "Backend";
  const bool is_service = reference.group.empty() && reference.kind == "Service";
  if (!is_backend && !is_service) {
    problem.Add("InvalidKind",
                Concat(where, ": kind ", reference.kind, " of group \"", reference.group,
                       "\" can't be a backend; Service and dp.wso2.com Backend can"));
    return "";
  }
  const ResourceKey to{.group = reference.group,
                       .kind = reference.kind,
                       .namespace_name = reference.namespace_name,
                       .name = reference.name};
  if (!ReferenceAllowed(resources_, from, to)) {
    problem.Add(
        "RefNotPermitted",
        Concat(where, ": no ReferenceGrant in namespace ", reference.namespace_name, " permits ",
               reference.ToString(), " to ", from.kind, "s of ", from.namespace_name));
    return "";
  }
  if (log_ == nullptr) return ResolveKnown(reference, where, problem);
  log_->Begin();
  std::string name = ResolveKnown(reference, where, problem);
  Reads& reads = reads_[reference.ToString()];
  reads = Union(reads, log_->End());
  log_->Note(reads);
  return name;
}

// REQUIRES: the kind is one of ours.
std::string BackendResolver::ResolveKnown(const BackendReference& reference,
                                          const std::string& where, Problem& problem) {
  return reference.kind == "Backend" ? ResolveBackend(reference, where, problem)
                                     : ResolveService(reference, where, problem);
}

std::string BackendResolver::ResolveBackend(const BackendReference& reference,
                                            const std::string& where, Problem& problem) {
  const auto* const backend =
      resources_.Find<v1::Backend>(reference.namespace_name, reference.name);
  if (backend == nullptr) {
    problem.Add("BackendNotFound", Concat(where, ": ", reference.ToString(), " not found"));
    return "";
  }
  const std::string name =
      Concat("backend/Backend/", reference.namespace_name, "/", reference.name, Suffix(reference));
  if (assembly_.Has(name)) return name;
  Problem own;
  v1::BackendConfig config;
  FillBackend(resources_, *backend, own, &config);
  if (!own.empty()) {
    // A backend that can't be verified or authenticated to is not used. Its own status says all of
    // it.
    problem.Add("BackendNotFound", Concat(where, ": ", reference.ToString(), " can't be used (",
                                          own.message().substr(0, own.message().find("; ")), ")"));
    return "";
  }
  if (reference.of_grpc) config.set_protocol(v1::BackendConfig::HTTP2);
  *assembly_.Resource(name).mutable_backend() = std::move(config);
  return name;
}

std::string BackendResolver::ResolveService(const BackendReference& reference,
                                            const std::string& where, Problem& problem) {
  services_.insert({reference.namespace_name, reference.name});
  const auto* const service =
      resources_.Find<v1::Service>(reference.namespace_name, reference.name);
  if (service == nullptr) {
    problem.Add("BackendNotFound", Concat(where, ": ", reference.ToString(), " not found"));
    return "";
  }
  const v1::ServicePort* const port = FindPort(*service, reference.port);
  if (port == nullptr) {
    problem.Add("BackendNotFound",
                Concat(where, ": Service ", reference.namespace_name, "/", reference.name,
                       " has no TCP port ", std::to_string(reference.port)));
    return "";
  }
  if (!IsKnownProtocol(port->app_protocol())) {
    problem.Add("UnsupportedProtocol",
                Concat(where, ": appProtocol ", port->app_protocol(), " of ", reference.ToString(),
                       " is not supported; kubernetes.io/h2c, ws and wss are"));
    return "";
  }
  const std::string name = Concat("backend/Service/", reference.namespace_name, "/", reference.name,
                                  ":", std::to_string(reference.port), Suffix(reference));
  if (log_ != nullptr) log_->Note(policy_reads_);
  const BackendTlsPolicies::Effect* const policy = policies_.Find(*service, *port);
  if (policy != nullptr && !policy->valid) return "";
  if (assembly_.Has(name)) return name;
  v1::BackendConfig config;
  if (log_ != nullptr) log_->Note(HashOfSlicesRead(reference.namespace_name, reference.name));
  if (policy != nullptr) {
    config.set_tls_enabled(true);
    *config.mutable_tls() = policy->tls;
  }
  const auto slices = slices_.find({reference.namespace_name, reference.name});
  if (slices != slices_.end()) {
    AddSliceEndpoints(slices->second, *port, IsReady, &config);
    // The last ones out serve until others are ready, as in Kubernetes.
    if (config.endpoints().empty()) {
      AddSliceEndpoints(slices->second, *port, IsServingUntilGone, &config);
    }
  } else if (service->spec().type() == "ExternalName" && !service->spec().external_name().empty()) {
    v1::EndpointConfig* const endpoint = config.add_endpoints();
    endpoint->set_host(service->spec().external_name());
    endpoint->set_port(static_cast<uint32_t>(port->port()));
  }
  if (reference.of_grpc || port->app_protocol() == "kubernetes.io/h2c") {
    config.set_protocol(v1::BackendConfig::HTTP2);
  }
  *assembly_.Resource(name).mutable_backend() = std::move(config);
  return name;
}

}  // namespace apk
