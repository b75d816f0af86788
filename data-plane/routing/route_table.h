// A snapshot, compiled: what workers look requests up in. Immutable, shared by all workers, and
// complete: what it points to is its own, or shared with the table before. What goes on (pools,
// breakers, counters) is kept by workers under the names that stand here, never in the table.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/strings.h"
#include "data-plane/filters/filter.h"
#include "data-plane/http/message.h"
#include "data-plane/routing/series.h"

namespace re2 {
class RE2;
}

namespace apk {

struct Endpoint {
  std::string host;  // IP address or DNS name.
  uint16_t port = 0;
  std::string authority;  // The Host that names it.
};

struct BackendTls {
  std::string ca_pem;  // "": system roots.
  std::string server_name;
  std::vector<std::string> allowed_sans;
  std::vector<std::string> allowed_uris;
  std::string certificate_pem;  // Shown to a backend that asks; or "".
  std::string key_pem;
};

struct HealthCheckPolicy {
  std::chrono::milliseconds interval{0};
  std::chrono::milliseconds timeout{0};
  uint32_t unhealthy_threshold = 1;  // Failures in a row.
  uint32_t healthy_threshold = 1;    // Successes in a row.

  bool operator==(const HealthCheckPolicy&) const = default;
};

// How much of a backend this agent may use at a time.
struct CircuitBreakerLimits {
  uint32_t connections_max = 0;
  uint32_t pending_max = 0;  // Requests without a connection: they open one, or wait for one.
  uint32_t requests_max = 0;
  uint32_t retries_max = 0;
};

// A try that failed is made again.
struct RetryPolicy {
  std::vector<uint16_t> codes;  // Sorted.
  uint32_t attempts = 0;        // After the first.
  uint32_t backoff_ms = 0;      // At least that long between two tries.
  bool any_method = true;       // Answers to requests that are not idempotent count as well.

  bool Takes(uint16_t status) const {
    return std::binary_search(codes.begin(), codes.end(), status);
  }
};

// One upstream. `name` is stable over snapshots.
struct Backend {
  std::string name;
  std::string hash;  // Of the snapshot resource it was made of.
  std::vector<Endpoint> endpoints;
  std::optional<BackendTls> tls;
  std::string base_path;
  bool rewrite_host = false;
  bool http2 = false;  // By prior knowledge, or by ALPN where TLS is on.
  uint32_t response_timeout_ms = 0;
  uint32_t idle_timeout_ms = 0;
  std::optional<CircuitBreakerLimits> circuit_breaker;  // None: the agent's own limits.
  std::optional<RetryPolicy> retry;                     // For rules that have none.
  std::optional<HealthCheckPolicy> health_check;
  std::vector<std::pair<std::string, std::string>> set_headers;
  // Changes whenever a connection made for the old settings must not serve the new ones: covers
  // name, endpoints, TLS settings. Pools are keyed by this.
  uint64_t connection_key = 0;
  std::shared_ptr<const Series> series;  // For what is counted of it.

  // The Host that an endpoint is sent: the client's `authority`, or its own where that is rewritten.
  std::string_view HostFor(size_t endpoint, std::string_view authority) const {
    return rewrite_host && !endpoints.empty() ? endpoints[endpoint].authority : authority;
  }
};

struct Mirror {
  std::string name;                  // For counters.
  const Backend* backend = nullptr;  // nullptr: unresolved.
  uint32_t numerator = 1;
  uint32_t denominator = 1;
};

struct WeightedBackend {
  const Backend* backend = nullptr;  // nullptr: unresolved, 500.
  uint32_t weight = 1;
  std::vector<Filter> filters;  // After the rule's.
  std::vector<Mirror> mirrors;  // Beside the rule's.
};

// Where tokens come from and how they prove themselves; keys are kept by auth/, under `name`.
struct TokenIssuer {
  std::string name;
  std::string hash;  // Of the snapshot resource it was made of.
  std::string issuer;
  std::string jwks_url;
  std::string jwks_ca_pem;
  std::string certificate_pem;
};

struct AuthenticationPolicy {
  bool optional = false;
  std::string header;  // Lower case.
  bool send_token_to_upstream = false;
  std::vector<const TokenIssuer*> issuers;
  std::vector<std::string> audiences;
};

// Requests of one session go to one endpoint, which a signed value names that the client brings
// back: see forward/session_value.h.
struct SessionPersistence {
  struct Target {
    uint64_t id =
        0;  // What values call it: the same in every agent, and after any change around it.
    uint32_t backend = 0;   // Index into the rule's backends,
    uint32_t endpoint = 0;  // and into that backend's endpoints.
  };

  bool in_header = false;  // Otherwise in a cookie.
  std::string name;        // Of the cookie or the header.
  std::string cookie_path;
  bool permanent = false;
  uint32_t absolute_timeout_ms = 0;  // 0: none.
  uint32_t idle_timeout_ms = 0;      // 0: none.
  std::string key;
  std::vector<Target> targets;  // Sorted by id.
};

struct Rule {
  std::string route;   // namespace/name
  std::string name;    // "" or as written.
  uint32_t index = 0;  // In its route.
  bool invalid = false;
  std::vector<Filter> filters;
  std::vector<WeightedBackend> backends;
  uint64_t total_weight = 0;
  std::vector<Mirror> mirrors;
  std::optional<AuthenticationPolicy> authentication;
  uint32_t request_timeout_ms = 0;  // 0: the agent's default.
  bool request_timeout_disabled = false;
  uint32_t backend_request_timeout_ms = 0;
  std::optional<RetryPolicy> retry;
  std::optional<SessionPersistence> session_persistence;
  bool redirects = false;     // A filter of it, or of a backend, is a redirect,
  bool cross_origin = false;  // or a Cors.
  std::shared_ptr<const Series> series;  // For what is counted of it.
};

// One certificate with its key, both PEM; net/ makes TLS contexts of them.
struct Certificate {
  std::string name;
  std::string hash;  // Of the snapshot resource it was made of.
  std::string chain_pem;
  std::string key_pem;
  std::string ocsp_response;  // DER, or "".
};

// The result of a look-up: which rule, and what of the path it consumed.
struct RouteMatch {
  const Rule* rule = nullptr;
  MatchedPath path;  // For rewrites; see filters/filter.h.
};

class HostTable;       // Of one listener: hostnames to ordered matches. In host_table.h.
struct CompiledRoute;  // Rules and matches of one route. In compiled_route.h.
class SniTable;        // Of one listener: names to TLS routes. In sni_table.h.

// Where the connections of one TLSRoute go.
struct TlsRule {
  std::string route;  // namespace/name
  std::vector<WeightedBackend> backends;
  uint64_t total_weight = 0;
};

// How clients of a listener prove who they are.
struct ClientValidation {
  std::string ca_pem;
  bool insecure_fallback = false;
};

// One listener of a Gateway, as served on a port.
struct Listener {
  std::string name;  // Of the ListenerConfig resource.
  std::string gateway;
  std::string address;   // As its Gateway names it; "": none is named.
  std::string hostname;  // "", exact, "*.suffix"; lower case.
  std::vector<const Certificate*> certificates;
  std::shared_ptr<const HostTable> hosts;
  bool http = true;          // Otherwise its bytes are of any protocol, routed by SNI,
  bool passthrough = false;  // and with this not decrypted.
  std::shared_ptr<const SniTable> names;
  std::optional<ClientValidation> client_validation;
  uint64_t client_rules = 0;  // Names client_validation; 0 where there is none.
  std::shared_ptr<const Series> series;  // For what is counted of it.
};

// One address and port that the agent binds, with all listeners that share it.
struct Port {
  std::string address;  // "" is the agent's own address, also where a Gateway names that.
  uint16_t port = 0;
  bool tls = false;
  bool http = false;                // Of one of the listeners at least,
  bool passthrough = false;         // likewise.
  std::vector<Listener> listeners;  // Most specific hostname first.

  // The most specific listener for a host (lower case, no port); nullptr where none takes it.
  const Listener* FindListener(std::string_view host) const;
};

// A listener that names the agent's own address, where one that names none is in its way.
struct RefusedListener {
  std::string name;
  std::string address;
  std::string message;
};

class RouteTable {
 public:
  RouteTable() = default;
  // An empty one.
  explicit RouteTable(std::string mirror_loop_key) : mirror_loop_key_(std::move(mirror_loop_key)) {}

  const std::string& version() const { return version_; }
  uint64_t revision() const { return revision_; }
  const std::vector<Port>& ports() const { return ports_; }  // Sorted by address, port.
  const std::vector<RefusedListener>& refused() const { return refused_; }
  // Each sorted by name.
  const std::vector<std::shared_ptr<const Backend>>& backends() const { return backends_; }
  const std::vector<std::shared_ptr<const TokenIssuer>>& token_issuers() const {
    return token_issuers_;
  }
  const std::vector<std::shared_ptr<const Certificate>>& certificates() const {
    return certificates_;
  }
  // That copies for mirrors are marked with; the same in all agents of one control plane.
  const std::string& mirror_loop_key() const { return mirror_loop_key_; }
  // nullptr where the snapshot no longer has that port.
  const Port* FindPort(std::string_view address, uint16_t port) const;

  // The rule that wins by the Gateway API's precedence, or none (404). The match refers to this
  // table and to `request.path`.
  static std::optional<RouteMatch> Match(const Listener& listener, const RequestHead& request);

 private:
  friend class RouteTableBuilder;
  std::string version_;
  uint64_t revision_ = 0;
  std::string mirror_loop_key_;
  std::vector<Port> ports_;
  std::vector<RefusedListener> refused_;
  std::vector<std::shared_ptr<const Backend>> backends_;
  std::vector<std::shared_ptr<const TokenIssuer>> token_issuers_;
  std::vector<std::shared_ptr<const Certificate>> certificates_;
  std::vector<std::shared_ptr<const CompiledRoute>> routes_;
  std::vector<std::unique_ptr<const TlsRule>> tls_rules_;
};

}  // namespace apk
