// What endpoints, TLS and limits of a backend mean for the worker.
#include "data-plane/routing/compile_backend.h"

#include <algorithm>

#include "common/strings.h"
#include "data-plane/http/path.h"
#include "data-plane/routing/certificate_check.h"
#include "data-plane/routing/compile_filters.h"
#include "data-plane/routing/compile_policies.h"
#include "data-plane/routing/key_hasher.h"

namespace apk {
namespace {

uint64_t ConnectionKey(const Backend& backend) {
  KeyHasher hasher;
  hasher.Add(backend.name);
  for (const Endpoint& endpoint : backend.endpoints) {
    hasher.Add(endpoint.host);
    hasher.Add(uint64_t{endpoint.port});
  }
  hasher.Add(uint64_t{backend.http2});
  hasher.Add(uint64_t{backend.tls.has_value()});
  if (backend.tls.has_value()) {
    hasher.Add(backend.tls->ca_pem);
    hasher.Add(backend.tls->server_name);
    for (const std::string& name : backend.tls->allowed_sans) hasher.Add(name);
    hasher.Add(uint64_t{backend.tls->allowed_sans.size()});
    for (const std::string& uri : backend.tls->allowed_uris) hasher.Add(uri);
    hasher.Add(backend.tls->certificate_pem);
    hasher.Add(backend.tls->key_pem);
  }
  return hasher.value();
}

// host[:port] as a Host field has it (RFC 9110 7.2): the scheme's own port is left out.
std::string Authority(const std::string& host, uint16_t port, bool secure) {
  const bool is_ipv6 = host.find(':') != std::string::npos;
  std::string authority = is_ipv6 ? Concat("[", host, "]") : host;
  if (port != (secure ? 443 : 80)) authority += Concat(":", std::to_string(port));
  return authority;
}

std::vector<Endpoint> CompileEndpoints(const v1::BackendConfig& config,
                                       std::vector<std::string>& problems) {
  std::vector<Endpoint> endpoints;
  for (const auto& endpoint : config.endpoints()) {
    if (endpoint.host().empty()) problems.emplace_back("has an endpoint without host");
    if (endpoint.port() == 0 || endpoint.port() > 65535) {
      problems.push_back(Concat("endpoint port ", std::to_string(endpoint.port()), " is none"));
    }
    const auto port = static_cast<uint16_t>(endpoint.port());
    endpoints.push_back({.host = endpoint.host(),
                         .port = port,
                         .authority = Authority(endpoint.host(), port, config.tls_enabled())});
  }
  return endpoints;
}

BackendTls CompileTls(const v1::BackendTlsConfig& config, std::vector<std::string>& problems) {
  BackendTls tls;
  tls.ca_pem = config.ca_pem();
  tls.server_name = config.server_name();
  tls.allowed_sans.assign(config.allowed_sans().begin(), config.allowed_sans().end());
  tls.allowed_uris.assign(config.allowed_uris().begin(), config.allowed_uris().end());
  tls.certificate_pem = config.client_certificate_pem();
  tls.key_pem = config.client_key_pem();
  if (!tls.certificate_pem.empty()) {
    const absl::Status status = CheckCertificate(tls.certificate_pem, tls.key_pem);
    if (!status.ok()) problems.emplace_back(status.message());
  }
  return tls;
}

HealthCheckPolicy CompileHealthCheck(const v1::HealthCheckConfig& config,
                                     std::vector<std::string>& problems) {
  if (config.interval_ms() == 0 || config.timeout_ms() == 0) {
    problems.emplace_back("has a health check without interval or without timeout");
  }
  return {.interval = std::chrono::milliseconds(config.interval_ms()),
          .timeout = std::chrono::milliseconds(config.timeout_ms()),
          .unhealthy_threshold = std::max(config.unhealthy_threshold(), 1u),
          .healthy_threshold = std::max(config.healthy_threshold(), 1u)};
}

}  // namespace

std::shared_ptr<const Backend> CompileBackend(const v1::SnapshotResource& resource,
                                              const v1::BackendConfig& config,
                                              SeriesRegistry& series,
                                              std::vector<std::string>& problems) {
  auto backend = std::make_shared<Backend>();
  backend->name = resource.name();
  backend->hash = resource.hash();
  backend->series = series.Take(resource.name());
  backend->endpoints = CompileEndpoints(config, problems);
  if (config.tls_enabled()) backend->tls = CompileTls(config.tls(), problems);
  if (!config.base_path().empty() && !config.base_path().starts_with('/')) {
    problems.push_back(Concat("base path '", config.base_path(), "' does not begin with '/'"));
  }
  backend->base_path = TrimTrailingSlashes(config.base_path());
  backend->rewrite_host = config.rewrite_host();
  backend->response_timeout_ms = config.response_timeout_ms();
  backend->idle_timeout_ms = config.idle_timeout_ms();
  if (config.has_circuit_breaker()) {
    const v1::CircuitBreakerConfig& breaker = config.circuit_breaker();
    backend->circuit_breaker = {.connections_max = std::max(breaker.max_connections(), 1u),
                                .pending_max = breaker.max_pending_requests(),
                                .requests_max = breaker.max_requests(),
                                .retries_max = breaker.max_retries()};
  }
  if (config.has_retry()) {
    backend->retry = CompileRetry(config.retry());
    backend->retry->any_method = false;
  }
  if (config.has_health_check()) {
    backend->health_check = CompileHealthCheck(config.health_check(), problems);
  }
  for (const auto& field : config.set_headers()) {
    const absl::Status status = CheckSettableField(field.name(), field.value());
    if (!status.ok()) problems.emplace_back(status.message());
    backend->set_headers.emplace_back(field.name(), field.value());
  }
  backend->http2 = config.protocol() == v1::BackendConfig::HTTP2;
  backend->connection_key = ConnectionKey(*backend);
  return backend;
}

}  // namespace apk
