// A table of documents that break one rule each, and the normal form of good ones.
#include "control-plane/validation/validate.h"

#include <gtest/gtest.h>

#include "apk/v1/api.pb.h"
#include "apk/v1/core.pb.h"
#include "apk/v1/gateway.pb.h"
#include "apk/v1/routes.pb.h"
#include "tests/unit/control-plane/validation/documents.h"

namespace apk {
namespace {

std::string Listener(const std::string& listener) {
  return "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: a}\n"
         "spec: {gatewayClassName: c, listeners: [" + listener + "]}\n";
}

std::string Api(const std::string& fields) {
  return "apiVersion: dp.wso2.com/v1alpha3\nkind: API\nmetadata: {name: a}\nspec: {apiName: n, "
         "apiType: REST, production: [{routeRefs: [r]}], " + fields + "}\n";
}

std::string Frontend(const std::string& frontend) {
  return "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: a}\n"
         "spec: {gatewayClassName: c, listeners: [{name: a, port: 1, protocol: HTTP}], tls: "
         "{frontend: {" + frontend + "}}}\n";
}

std::string TlsRoute(const std::string& fields) {
  return "apiVersion: gateway.networking.k8s.io/v1\nkind: TLSRoute\nmetadata: {name: a}\nspec: {" + fields +
         "}\n";
}

std::string TlsPolicy(const std::string& targets, const std::string& validation) {
  return "apiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\nmetadata: {name: a}\n"
         "spec: {targetRefs: [" + targets + "], validation: {" + validation + "}}\n";
}

std::string Service(const std::string& spec) {
  return "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {" + spec + "}\n";
}

std::string Slice(const std::string& fields) {
  return "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: a}\n" + fields + "\n";
}

std::string Backend(const std::string& spec) {
  return "apiVersion: dp.wso2.com/v1alpha1\nkind: Backend\nmetadata: {name: a}\nspec: {" + spec + "}\n";
}

std::string Authentication(const std::string& version, const std::string& spec) {
  return "apiVersion: dp.wso2.com/" + version + "\nkind: Authentication\nmetadata: {name: a}\nspec: {" +
         spec + "}\n";
}

TEST(Validate, NamesTheFieldAndWhatIsWrong) {
  const std::vector<Broken> cases = {
      {Rule("{backendRefs: [{name: s}]}"), "spec.rules[0].backendRefs[0].port: is required for a Service"},
      {Rule("{backendRefs: [{name: s, port: 0}]}"),
       "spec.rules[0].backendRefs[0].port: 0 is out of range: must be between 1 and 65535"},
      {Rule("{backendRefs: [{name: s, port: 1, weight: -1}]}"),
       "spec.rules[0].backendRefs[0].weight: -1 is out of range: must be between 0 and 1000000"},
      {Rule("{matches: [{path: {value: x}}], backendRefs: [{name: s, port: 1}]}"),
       "spec.rules[0].matches[0].path.value: \"x\" must begin with '/'"},
      {Rule("{matches: [{path: {value: /a//b}}], backendRefs: [{name: s, port: 1}]}"),
       "spec.rules[0].matches[0].path.value: must not contain \"//\""},
      {Rule("{matches: [{path: {value: /a/..}}], backendRefs: [{name: s, port: 1}]}"),
       "spec.rules[0].matches[0].path.value: must not end with \"/..\""},
      {Rule("{matches: [{path: {type: RegularExpression, value: '('}}], backendRefs: [{name: s, port: 1}]}"),
       "spec.rules[0].matches[0].path.value: is no regular expression: missing ): ("},
      {Rule("{matches: [{method: get}], backendRefs: [{name: s, port: 1}]}"),
       "spec.rules[0].matches[0].method: \"get\" is not allowed"},
      {Rule("{matches: [{headers: [{name: a, value: b}, {name: a, value: c}]}], backendRefs: [{name: s, port: 1}]}"),
       "spec.rules[0].matches[0].headers[1]: has the same name as item 0"},
      {Rule("{timeouts: {request: 1s, backendRequest: 2s}, backendRefs: [{name: s, port: 1}]}"),
       "spec.rules[0].timeouts.backendRequest: must not be longer than request"},
      {Rule("{timeouts: {request: soon}, backendRefs: [{name: s, port: 1}]}"),
       "spec.rules[0].timeouts.request: \"soon\" is malformed"},
      {Filter("{type: URLRewrite}"), "spec.rules[0].filters[0].urlRewrite: is required where type is URLRewrite"},
      {Filter("{type: RequestMirror, urlRewrite: {hostname: a}, requestMirror: {backendRef: {name: m, port: 1}}}"),
       "spec.rules[0].filters[0].urlRewrite: does not belong to type RequestMirror"},
      {Filter("{type: RequestMirror, requestMirror: {backendRef: {name: m}}}"),
       "spec.rules[0].filters[0].requestMirror.backendRef.port: is required for a Service"},
      {Filter("{type: RequestMirror, requestMirror: {percent: 101, backendRef: {name: m, port: 1}}}"),
       "spec.rules[0].filters[0].requestMirror.percent: 101 is out of range: must be between 0 and 100"},
      {Filter("{type: RequestMirror, requestMirror: {percent: 1, fraction: {numerator: 1}, backendRef: {name: m, port: 1}}}"),
       "spec.rules[0].filters[0].requestMirror: percent and fraction are both set"},
      {Filter("{type: RequestMirror, requestMirror: {fraction: {numerator: 3, denominator: 2}, backendRef: {name: m, port: 1}}}"),
       "spec.rules[0].filters[0].requestMirror.fraction: numerator must not be greater than denominator"},
      {Filter("{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: Host, value: a}]}}"),
       "spec.rules[0].filters[0].requestHeaderModifier.set[0].name: Host can't be changed by a header modifier"},
      {Filter("{type: RequestHeaderModifier, requestHeaderModifier: {remove: ['a b']}}"),
       "spec.rules[0].filters[0].requestHeaderModifier.remove[0]: \"a b\" is no header name"},
      {Filter("{type: RequestHeaderModifier, requestHeaderModifier: {remove: [HTTP2-Settings]}}"),
       "spec.rules[0].filters[0].requestHeaderModifier.remove[0]: HTTP2-Settings can't be changed by a "
       "header modifier"},
      {Filter("{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: '/a?b'}}}"),
       "spec.rules[0].filters[0].urlRewrite.path.replaceFullPath: must be a path: no query, fragment, white "
       "space or bytes beyond ASCII"},
      {Filter("{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath}}}"),
       "spec.rules[0].filters[0].urlRewrite.path.replaceFullPath: is required where type is ReplaceFullPath"},
      {Rule("{matches: [{path: {type: Exact, value: /a}}], backendRefs: [{name: s, port: 1}], filters: "
            "[{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /b}}}]}"),
       "spec.rules[0].filters[0].urlRewrite.path: ReplacePrefixMatch needs exactly one match, of type PathPrefix"},
      {Filter("{type: URLRewrite, urlRewrite: {hostname: a}}, {type: URLRewrite, urlRewrite: {hostname: a}}"),
       "spec.rules[0].filters[1]: URLRewrite stands twice, first as filter 0"},
      {Rule("{filters: [{type: RequestRedirect, requestRedirect: {statusCode: 305}}]}"),
       "spec.rules[0].filters[0].requestRedirect.statusCode: 305 is not allowed"},
      {Rule("{backendRefs: [{name: s, port: 1}], filters: [{type: RequestRedirect, requestRedirect: {port: 1}}]}"),
       "spec.rules[0].backendRefs: must not be set beside a RequestRedirect filter"},
      {Listener("{name: a, port: 1, protocol: HTTPS, tls: {}}"),
       "spec.listeners[0].tls.certificateRefs: is required for protocol HTTPS"},
      {Listener("{name: a, port: 1, protocol: HTTP, tls: {}}"),
       "spec.listeners[0].tls: must not be set for protocol HTTP"},
      {Listener("{name: a, port: 1, protocol: HTTP}, {name: a, port: 2, protocol: HTTP}"),
       "spec.listeners[1]: has the same name as item 0"},
      {Listener("{name: a, port: 1, protocol: HTTP, hostname: '1.2.3.4:80'}"),
       "spec.listeners[0].hostname: \"1.2.3.4:80\" is malformed"},
      {Listener("{name: a, port: 1, protocol: HTTP, allowedRoutes: {namespaces: {from: Selector}}}"),
       "spec.listeners[0].allowedRoutes.namespaces.selector: is required where from is Selector"},
      {Listener(""), "spec.listeners: is required, with at least one entry"},
      {Api("apiVersion: '1', basePath: /foo1"), "spec.basePath: must end with the version, \"/1\""},
      {Api("apiVersion: '1', basePath: /foo"), "spec.basePath: must end with the version, \"/1\""},
      {Api("apiVersion: '1', basePath: foo/1"), "spec.basePath: \"foo/1\" is malformed"},
      {"apiVersion: dp.wso2.com/v1alpha1\nkind: API\nmetadata: {name: a}\nspec: {apiName: n, apiType: REST, "
       "apiVersion: '1', basePath: /a/1, production: [{httpRouteRefs: [r], routeRefs: [r]}]}\n",
       "spec.production[0].routeRefs: does not exist in version v1alpha1"},
      {"apiVersion: v1\nkind: Namespace\nmetadata: {name: a, namespace: b}\n",
       "metadata.namespace: must not be set: a Namespace has no namespace"},
      {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: A_b}\n", "metadata.name: \"A_b\" is no valid name"},
      {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {k: '-'}}\n",
       "metadata.labels.k: \"-\" is no valid label value"},
      {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {'a b': c}}\n",
       "metadata.labels.a b: is no valid label key"},
      {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, annotations: {'x/y/z': c}}\n",
       "metadata.annotations.x/y/z: is no valid annotation key"},
      {"apiVersion: dp.wso2.com/v1alpha1\nkind: Backend\nmetadata: {name: a}\nspec: {services: []}\n",
       "spec.services: is required, with at least one entry"},
      {"apiVersion: dp.wso2.com/v1alpha1\nkind: Backend\nmetadata: {name: a}\nspec: {services: [{host: a, "
       "port: 1}], protocol: ftp}\n",
       "spec.protocol: \"ftp\" is not allowed"},
  };
  for (const Broken& broken : cases) {
    EXPECT_EQ(Errors(broken.text), std::vector<std::string>{broken.error}) << broken.text;
  }
}

TEST(Validate, NamesTheFieldAndWhatIsWrongWithTls) {
  const std::string ca = "caCertificateRefs: [{group: '', kind: ConfigMap, name: ca}]";
  const std::string service = "{group: '', kind: Service, name: s}";
  const std::string rule = "rules: [{backendRefs: [{name: s, port: 1}]}]";
  const std::string parents = "parentRefs: [{name: g}], ";
  const std::vector<Broken> cases = {
      {Listener("{name: a, port: 1, protocol: TLS}"), "spec.listeners[0].tls: is required for protocol TLS"},
      {Listener("{name: a, port: 1, protocol: TLS, tls: {}}"),
       "spec.listeners[0].tls.certificateRefs: is required for protocol TLS"},
      {Listener("{name: a, port: 1, protocol: HTTPS, tls: {mode: Passthrough}}"),
       "spec.listeners[0].tls.mode: must be Terminate for protocol HTTPS"},
      {Listener("{name: a, port: 1, protocol: TLS, tls: {mode: Both, certificateRefs: [{name: c}]}}"),
       "spec.listeners[0].tls.mode: \"Both\" is not allowed"},
      {Listener("{name: a, port: 1, protocol: TLS, tls: {mode: Passthrough, options: {k: " +
                std::string(4097, 'x') + "}}}"),
       "spec.listeners[0].tls.options.k: has 4097 characters, at most 4096 are allowed"},
      {Frontend("perPort: []"), "spec.tls.frontend.default: is required"},
      {Frontend("default: {validation: {mode: AllowValidOnly}}"),
       "spec.tls.frontend.default.validation.caCertificateRefs: is required, with at least one entry"},
      {Frontend("default: {validation: {" + ca + ", mode: Never}}"),
       "spec.tls.frontend.default.validation.mode: \"Never\" is not allowed"},
      {Frontend("default: {validation: {caCertificateRefs: [{group: '', kind: ConfigMap, name: ca, namespace: "
                "A}]}}"),
       "spec.tls.frontend.default.validation.caCertificateRefs[0].namespace: \"A\" is malformed"},
      {Frontend("default: {}, perPort: [{port: 1, tls: {}}, {port: 1, tls: {}}]"),
       "spec.tls.frontend.perPort[1].port: is the same as that of item 0"},
      {Frontend("default: {}, perPort: [{port: 70000, tls: {}}]"),
       "spec.tls.frontend.perPort[0].port: 70000 is out of range: must be between 1 and 65535"},
      {Frontend("default: {}, perPort: [{port: 1}]"), "spec.tls.frontend.perPort[0].tls: is required"},
      {TlsRoute(parents + "hostnames: [a.b]"), "spec.rules: is required, with at least one entry"},
      {TlsRoute(parents + rule), "spec.hostnames: is required, with at least one entry"},
      {TlsRoute(parents + "hostnames: [10.0.0.1], " + rule),
       "spec.hostnames[0]: \"10.0.0.1\" is an IP address, no name"},
      {TlsRoute(parents + "hostnames: ['a.*.b'], " + rule), "spec.hostnames[0]: \"a.*.b\" is malformed"},
      {TlsRoute(parents + "hostnames: [A.b], " + rule), "spec.hostnames[0]: \"A.b\" is malformed"},
      {TlsRoute(parents + "hostnames: [a.b], rules: [{}]"), "spec.rules[0].backendRefs: is required, with at least one entry"},
      {TlsRoute(parents + "hostnames: [a.b], rules: [{backendRefs: [{name: s}]}]"),
       "spec.rules[0].backendRefs[0].port: is required for a Service"},
      {TlsRoute(parents + "hostnames: [a.b], rules: [{backendRefs: [{name: s, port: 1, weight: 1000001}]}]"),
       "spec.rules[0].backendRefs[0].weight: 1000001 is out of range: must be between 0 and 1000000"},
      {TlsRoute(parents + "hostnames: [a.b], rules: [{backendRefs: [{name: s, port: 1}]}, {backendRefs: "
                          "[{name: s, port: 1}]}]"),
       "spec.rules: has 2 items, at most 1 are allowed"},
      {TlsRoute("parentRefs: [{name: g}, {name: g}], hostnames: [a.b], " + rule),
       "spec.parentRefs[1].sectionName: must tell it apart from item 0, which names the same parent"},
      {TlsRoute("parentRefs: [{name: g}, {name: g, sectionName: x}], hostnames: [a.b], " + rule),
       "spec.parentRefs[1].sectionName: must tell it apart from item 0, which names the same parent"},
      {TlsPolicy("", ca + ", hostname: a"), "spec.targetRefs: is required, with at least one entry"},
      {TlsPolicy("{kind: Service, name: s}", ca + ", hostname: a"), "spec.targetRefs[0].group: is required"},
      {TlsPolicy(service + ", " + service, ca + ", hostname: a"),
       "spec.targetRefs[1].sectionName: must tell it apart from item 0, which names the same target"},
      {TlsPolicy(service, ca), "spec.validation.hostname: is required"},
      {TlsPolicy(service, ca + ", hostname: '*.a'"), "spec.validation.hostname: \"*.a\" is malformed"},
      {TlsPolicy(service, "hostname: a"),
       "spec.validation: needs caCertificateRefs or wellKnownCACertificates"},
      {TlsPolicy(service, ca + ", wellKnownCACertificates: System, hostname: a"),
       "spec.validation: caCertificateRefs and wellKnownCACertificates are both set"},
      {TlsPolicy(service, "wellKnownCACertificates: Mine, hostname: a"),
       "spec.validation.wellKnownCACertificates: \"Mine\" is malformed"},
      {TlsPolicy(service, ca + ", hostname: a, subjectAltNames: [{type: DNS}]"),
       "spec.validation.subjectAltNames[0].type: \"DNS\" is not allowed"},
      {TlsPolicy(service, ca + ", hostname: a, subjectAltNames: [{type: Hostname}]"),
       "spec.validation.subjectAltNames[0].hostname: is required where type is Hostname"},
      {TlsPolicy(service, ca + ", hostname: a, subjectAltNames: [{type: URI, uri: 'spiffe://a/b', hostname: a}]"),
       "spec.validation.subjectAltNames[0].hostname: must not be set where type is URI"},
      {TlsPolicy(service, ca + ", hostname: a, subjectAltNames: [{type: URI}]"),
       "spec.validation.subjectAltNames[0].uri: is required where type is URI"},
      {TlsPolicy(service, ca + ", hostname: a, subjectAltNames: [{type: Hostname, hostname: a, uri: 'a://b'}]"),
       "spec.validation.subjectAltNames[0].uri: must not be set where type is Hostname"},
      {TlsPolicy(service, ca + ", hostname: a, subjectAltNames: [{type: URI, uri: nothing}]"),
       "spec.validation.subjectAltNames[0].uri: \"nothing\" is malformed"},
  };
  for (const Broken& broken : cases) {
    EXPECT_EQ(Errors(broken.text), std::vector<std::string>{broken.error}) << broken.text;
  }
}

TEST(Validate, KnowsTheRulesOfCoreKinds) {
  const std::string secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n";
  const std::string map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";
  const std::vector<Broken> cases = {
      {Service("selector: {a: b}"), "spec.ports: is required"},
      {Service("ports: [{port: 1}, {name: b, port: 2}]"),
       "spec.ports[0].name: is required where a Service has several ports"},
      {Service("ports: [{name: b, port: 1}, {name: b, port: 2}]"),
       "spec.ports[1].name: \"b\" is used twice, first by item 0"},
      {Service("ports: [{name: a, port: 1}, {name: b, port: 1}]"),
       "spec.ports[1]: TCP port 1 stands in the list twice"},
      {Service("ports: [{name: A_b, port: 1}]"), "spec.ports[0].name: \"A_b\" is no port name"},
      {Service("ports: [{port: 1, targetPort: 70000}]"),
       "spec.ports[0].targetPort: 70000 is out of range: must be between 1 and 65535"},
      {Service("ports: [{port: 1, targetPort: '-'}]"),
       "spec.ports[0].targetPort: \"-\" is no port name"},
      {Service("ports: [{port: 1, appProtocol: 'a b'}]"),
       "spec.ports[0].appProtocol: \"a b\" is malformed"},
      {Service("ports: [{port: 1}], clusterIP: x"), "spec.clusterIP: \"x\" is no IP address"},
      {Service("type: ExternalName"), "spec.externalName: is required where type is ExternalName"},
      {Service("ports: [{port: 1}], sessionAffinity: Sticky"),
       "spec.sessionAffinity: \"Sticky\" is not allowed"},
      {Slice("addressType: IPv4\nendpoints: [{addresses: [300.0.0.1]}]"),
       "endpoints[0].addresses[0]: \"300.0.0.1\" is no IPv4 address"},
      {Slice("addressType: IPv6\nendpoints: [{addresses: [10.0.0.1]}]"),
       "endpoints[0].addresses[0]: \"10.0.0.1\" is no IPv6 address"},
      {Slice("addressType: FQDN\nendpoints: [{addresses: [a_b]}]"),
       "endpoints[0].addresses[0]: \"a_b\" is no DNS name"},
      {Slice("addressType: IPv4\nports: [{port: 1}, {port: 2}]"),
       "ports[1].name: no name is used twice, first by item 0"},
      {Slice("addressType: IPv4\nports: [{port: 0}]"),
       "ports[0].port: 0 is out of range: must be between 1 and 65535"},
      {secret + "type: kubernetes.io/tls\nstringData: {tls.crt: x}\n",
       "data.tls.key: is required in a Secret of type kubernetes.io/tls"},
      {secret + "stringData: {'a/b': x}\n", "stringData.a/b: is no valid key"},
      {map + "data: {'a b': x}\n", "data.a b: is no valid key"},
      {map + "data: {a: x}\nbinaryData: {a: eA==}\n", "binaryData.a: stands in data, too"},
  };
  for (const Broken& broken : cases) {
    EXPECT_EQ(Errors(broken.text), std::vector<std::string>{broken.error})
        << broken.text.substr(0, 300);
  }
}

TEST(Validate, BoundsTheDataOfOneObject) {
  v1::ConfigMap map;
  map.set_api_version("v1");
  map.mutable_metadata()->set_name("a");
  (*map.mutable_data())["k"] = std::string(1024 * 1024, 'x');
  EXPECT_TRUE(Validate(map).empty());
  (*map.mutable_data())["l"] = "y";
  const std::vector<FieldIssue> issues = Validate(map);
  ASSERT_EQ(issues.size(), 1u);
  EXPECT_EQ(issues[0].message, "has 1048577 bytes, at most 1048576 are allowed");
}

TEST(Validate, TakesCoreKindsAsClustersHaveThem) {
  const std::vector<std::string> good = {
      Service("ports: [{port: 80, targetPort: http-web}]"),
      Service("ports: [{name: a, port: 53}, {name: b, port: 53, protocol: UDP}]"),
      Service("clusterIP: None"),
      Service("type: ExternalName, externalName: a.example.com"),
      Slice("addressType: IPv4\nendpoints: [{addresses: [127.0.0.1]}]\nports: [{port: 1}, {name: b, port: 1}]"),
      Slice("addressType: IPv6\nendpoints: [{addresses: ['::1']}]"),
      Slice("addressType: FQDN\nendpoints: [{addresses: [a.example.com]}]"),
      Backend("services: [{host: '::1', port: 1}]"),
      Backend("services: [{host: my_service.default, port: 1}], basePath: /a%20b/"),
      Authentication("v1alpha1", "targetRef: {group: dp.wso2.com, kind: API, name: a}, default: "
                                 "{authTypes: {testConsoleKey: {header: k}}}"),
  };
  for (const std::string& text : good) EXPECT_EQ(Errors(text), std::vector<std::string>()) << text;
}

TEST(Validate, KnowsTheRulesOfApkKinds) {
  const std::vector<Broken> cases = {
      {Backend("services: [{host: 'https://a', port: 1}]"),
       "spec.services[0].host: \"https://a\" is no host"},
      {Backend("services: [{host: 1.2.3.400, port: 1}]"),
       "spec.services[0].host: \"1.2.3.400\" is no host"},
      {Backend("services: [{host: a, port: 1}], basePath: /a b"),
       "spec.basePath: must be a path: no query, fragment, white space or bytes beyond ASCII"},
      {Backend("services: [{host: a, port: 1}], timeout: {upstreamResponseTimeout: -1}"),
       "spec.timeout.upstreamResponseTimeout: -1 is out of range: must be at least 0"},
      {Authentication("v1alpha2", "targetRef: {group: 'a b', kind: API, name: a}"),
       "spec.targetRef.group: \"a b\" is malformed"},
      {Authentication("v1alpha2", "targetRef: {group: dp.wso2.com, kind: API, name: a}, default: "
                                  "{authTypes: {jwt: {header: ''}}}"),
       "spec.default.authTypes.jwt.header: must not be empty"},
      {Authentication("v1alpha2", "targetRef: {group: dp.wso2.com, kind: API, name: a}, default: "
                                  "{authTypes: {oauth2: {header: 'a b'}}}"),
       "spec.default.authTypes.oauth2.header: \"a b\" is no header name"},
      {Authentication("v1alpha2", "targetRef: {group: dp.wso2.com, kind: API, name: a}, default: "
                                  "{authTypes: {testConsoleKey: {}}}"),
       "spec.default.authTypes.testConsoleKey: does not exist in version v1alpha2"},
      {"apiVersion: dp.wso2.com/v1alpha3\nkind: API\nmetadata: {name: a}\nspec: {apiName: n, apiType: "
       "REST, apiVersion: '1', basePath: /a/1, production: [{}]}\n",
       "spec.production[0].routeRefs: is required, with at least one entry"},
  };
  for (const Broken& broken : cases) {
    EXPECT_EQ(Errors(broken.text), std::vector<std::string>{broken.error}) << broken.text;
  }
}

TEST(Validate, TakesTlsAsTheSchemasShowIt) {
  const std::string ca = "caCertificateRefs: [{group: '', kind: ConfigMap, name: ca}]";
  for (const std::string& text :
       {Listener("{name: a, port: 1, protocol: TLS, tls: {mode: Passthrough}}"),
        Frontend("default: {validation: {" + ca + ", mode: AllowInsecureFallback}}, perPort: [{port: 1, tls: {}}]"),
        TlsRoute("parentRefs: [{name: g, sectionName: a}, {name: g, sectionName: b}], hostnames: ['*.a.b'], "
                 "rules: [{name: r, backendRefs: [{name: s, port: 1, weight: 0}]}]"),
        TlsPolicy("{group: '', kind: Service, name: s, sectionName: a}, {group: '', kind: Service, name: s, "
                  "sectionName: b}",
                  "wellKnownCACertificates: System, hostname: a, subjectAltNames: [{type: URI, uri: "
                  "'spiffe://a/b'}, {type: Hostname, hostname: '*.a.b'}]")}) {
    EXPECT_EQ(Errors(text), std::vector<std::string>{}) << text;
  }
}

TEST(Validate, WarnsOfWhatItTakesAndCanNotHonour) {
  const std::vector<Broken> cases = {
      {Authentication("v1alpha1", "targetRef: {group: dp.wso2.com, kind: API, name: a}, default: "
                                  "{authTypes: {testConsoleKey: {}}}"),
       "spec.default.authTypes.testConsoleKey"},
      {Backend("services: [{host: a, port: 1}], circuitBreaker: {maxConnectionPools: 2}"),
       "spec.circuitBreaker.maxConnectionPools"},
      {Backend("services: [{host: a, port: 1}], circuitBreaker: {maxRequests: 0}"),
       "spec.circuitBreaker.maxRequests"},
      {Backend("services: [{host: a, port: 1}], circuitBreaker: {maxPendingRequests: 0}"),
       "spec.circuitBreaker.maxPendingRequests"},
  };
  for (const Broken& warned : cases) {
    const std::vector<FieldIssue> issues = Validate(*Parse(warned.text));
    ASSERT_EQ(issues.size(), 1u) << warned.text;
    EXPECT_EQ(issues[0].severity, FieldIssue::Severity::kWarning);
    EXPECT_EQ(issues[0].field_path, warned.error);
  }
}

std::vector<std::string> UpdateErrors(const std::string& before, const std::string& after) {
  const auto current = Parse(before);
  const auto object = Parse(after);
  Normalize(*current);
  Normalize(*object);
  std::vector<std::string> errors;
  for (const FieldIssue& issue : ValidateUpdate(*object, *current)) {
    errors.push_back(issue.field_path + ": " + issue.message);
  }
  return errors;
}

TEST(ValidateUpdate, KeepsWhatMayNotChange) {
  const std::string map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";
  const std::string secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n";
  using List = std::vector<std::string>;
  EXPECT_EQ(UpdateErrors(map + "data: {a: x}\n", map + "data: {a: y}\n"), List());
  EXPECT_EQ(UpdateErrors(map + "data: {a: x}\nimmutable: true\n",
                         map + "data: {a: x}\nimmutable: true\n"), List());
  EXPECT_EQ(UpdateErrors(map + "data: {a: x}\nimmutable: true\n",
                         map + "data: {a: y}\nimmutable: true\n"),
            List{"data: can't change: the object is immutable"});
  EXPECT_EQ(UpdateErrors(map + "immutable: true\n", map), List{"immutable: can't be taken back once it is true"});
  EXPECT_EQ(UpdateErrors(secret, secret + "type: example.com/other\n"), List{"type: can't change"});
  EXPECT_EQ(UpdateErrors(Slice("addressType: IPv4"), Slice("addressType: IPv6")),
            List{"addressType: can't change"});
}

TEST(Normalize, FillsInTheDefaultsOfTheOfficialSchemas) {
  auto object = Parse(Rule("{backendRefs: [{name: s, port: 1}]}"));
  Normalize(*object);
  const auto& route = static_cast<const v1::HTTPRoute&>(*object);
  EXPECT_EQ(route.spec().parent_refs(0).group(), "gateway.networking.k8s.io");
  EXPECT_EQ(route.spec().parent_refs(0).kind(), "Gateway");
  const v1::HTTPRouteRule& rule = route.spec().rules(0);
  EXPECT_EQ(rule.matches(0).path().type(), "PathPrefix");
  EXPECT_EQ(rule.matches(0).path().value(), "/");
  EXPECT_TRUE(rule.backend_refs(0).has_group());
  EXPECT_EQ(rule.backend_refs(0).kind(), "Service");
  EXPECT_EQ(rule.backend_refs(0).weight(), 1);

  object = Parse(Listener("{name: a, port: 1, protocol: HTTP}"));
  Normalize(*object);
  const auto& gateway = static_cast<const v1::Gateway&>(*object);
  EXPECT_EQ(gateway.spec().listeners(0).allowed_routes().namespaces().from(), "Same");
}

TEST(Normalize, BringsOlderVersionsToTheStoredOne) {
  auto object = Parse(
      "apiVersion: dp.wso2.com/v1alpha1\nkind: API\nmetadata: {name: a}\nspec: {apiName: n, apiType: REST, "
      "apiVersion: '1', basePath: /a/1, production: [{httpRouteRefs: [r]}]}\n");
  EXPECT_TRUE(Validate(*object).empty());
  Normalize(*object);
  const auto& api = static_cast<const v1::API&>(*object);
  EXPECT_EQ(api.api_version(), "dp.wso2.com/v1alpha3");
  EXPECT_EQ(api.spec().production(0).route_refs(0), "r");
  EXPECT_EQ(api.spec().production(0).http_route_refs_size(), 0);
  EXPECT_EQ(api.spec().definition_path(), "/api-definition");
}

}  // namespace
}  // namespace apk
