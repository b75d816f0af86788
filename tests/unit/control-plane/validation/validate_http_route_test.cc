// HTTPRoute and ReferenceGrant against the schemas of the experimental channel: documents that break
// one rule each, and those at the limits, which are well.
#include <gtest/gtest.h>

#include "apk/v1/routes.pb.h"
#include "tests/unit/control-plane/validation/documents.h"

namespace apk {
namespace {

constexpr char kBackends[] = "backendRefs: [{name: s, port: 1}]";

std::string Spec(const std::string& spec) {
  return "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: a}\nspec: {" +
         spec + "}\n";
}

std::string Parents(const std::string& parents) { return Spec("parentRefs: [" + parents + "]"); }

std::string With(const std::string& member) {
  return Rule("{" + std::string(kBackends) + ", " + member + "}");
}

std::string Match(const std::string& match) { return With("matches: [" + match + "]"); }

std::string Cors(const std::string& cors) { return Filter("{type: CORS, cors: {" + cors + "}}"); }

std::string Auth(const std::string& auth) {
  return Filter("{type: ExternalAuth, externalAuth: {backendRef: {name: s, port: 1}, " + auth + "}}");
}

std::string OfBackend(const std::string& filters) {
  return Rule("{backendRefs: [{name: s, port: 1, filters: [" + filters + "]}]}");
}

std::string Session(const std::string& session) {
  return With("sessionPersistence: {" + session + "}");
}

std::string Grant(const std::string& spec) {
  return "apiVersion: gateway.networking.k8s.io/v1beta1\nkind: ReferenceGrant\nmetadata: {name: a}\n"
         "spec: {" + spec + "}\n";
}

// `item` with "%" replaced by 0, 1, 2 …
std::string Repeated(const std::string& item, int count) {
  std::string list;
  for (int i = 0; i < count; ++i) {
    std::string one = item;
    if (const size_t at = one.find('%'); at != std::string::npos) {
      one.replace(at, 1, std::to_string(i));
    }
    list += (i == 0 ? "" : ", ") + one;
  }
  return list;
}

void ExpectEach(const std::vector<Broken>& cases) {
  for (const Broken& broken : cases) {
    EXPECT_EQ(Errors(broken.text), std::vector<std::string>{broken.error}) << broken.text;
  }
}

TEST(ValidateHttpRoute, ParentRefs) {
  ExpectEach({
      {Parents(Repeated("{name: g%}", 33)), "spec.parentRefs: has 33 items, at most 32 are allowed"},
      {Parents("{group: A.b, name: g}"), "spec.parentRefs[0].group: \"A.b\" is malformed"},
      {Parents("{kind: '9', name: g}"), "spec.parentRefs[0].kind: \"9\" is malformed"},
      {Parents("{}"), "spec.parentRefs[0].name: is required"},
      {Parents("{name: g, namespace: A}"), "spec.parentRefs[0].namespace: \"A\" is malformed"},
      {Parents("{name: g, sectionName: -}"), "spec.parentRefs[0].sectionName: \"-\" is malformed"},
      {Parents("{name: g, port: 65536}"),
       "spec.parentRefs[0].port: 65536 is out of range: must be between 1 and 65535"},
      {Parents("{name: g}, {name: h}, {name: g}"),
       "spec.parentRefs[2]: names the same parent as parentRefs[0]"},
      {Parents("{name: g, sectionName: a}, {name: g, kind: Gateway, sectionName: a}"),
       "spec.parentRefs[1]: names the same parent as parentRefs[0]"},
      {Parents("{name: g, port: 1}, {name: g}"),
       "spec.parentRefs[1]: names the same parent as parentRefs[0]: both must set sectionName, or "
       "both port"},
      {Parents("{name: g, sectionName: a}, {name: g, port: 1}"),
       "spec.parentRefs[1]: names the same parent as parentRefs[0]: both must set sectionName, or "
       "both port"},
  });
  for (const char* const good :
       {"{name: g, sectionName: a}, {name: g, sectionName: b}", "{name: g, port: 1}, {name: g, port: 2}",
        "{name: g}, {name: g, namespace: n}", "{name: g}, {name: g, kind: Service, group: ''}",
        "{name: g, sectionName: a, port: 1}, {name: g, sectionName: a, port: 2}"}) {
    EXPECT_EQ(Errors(Parents(good)), std::vector<std::string>{}) << good;
  }
}

TEST(ValidateHttpRoute, HostnamesAndRules) {
  ExpectEach({
      {Spec("hostnames: [" + Repeated("h%.example", 17) + "]"),
       "spec.hostnames: has 17 items, at most 16 are allowed"},
      {Spec("hostnames: [A.example]"), "spec.hostnames[0]: \"A.example\" is malformed"},
      {Spec("hostnames: ['*']"), "spec.hostnames[0]: \"*\" is malformed"},
      {Spec("hostnames: ['a.*.example']"), "spec.hostnames[0]: \"a.*.example\" is malformed"},
      {Spec("hostnames: ['a.example:80']"), "spec.hostnames[0]: \"a.example:80\" is malformed"},
      {Spec("hostnames: ['" + std::string(254, 'a') + "']"),
       "spec.hostnames[0]: has 254 characters, at most 253 are allowed"},
      {Spec("useDefaultGateways: Some"), "spec.useDefaultGateways: \"Some\" is not allowed"},
      {Spec("rules: [" + Repeated("{backendRefs: [{name: s, port: 1}]}", 17) + "]"),
       "spec.rules: has 17 items, at most 16 are allowed"},
      {Spec("rules: [{name: a, backendRefs: []}, {name: b}, {name: a}]"),
       "spec.rules[2].name: \"a\" names another rule already"},
      {Spec("rules: [{name: A}]"), "spec.rules[0].name: \"A\" is malformed"},
      {With("matches: [" + Repeated("{path: {value: /%}}", 65) + "]"),
       "spec.rules[0].matches: has 65 items, at most 64 are allowed"},
      {Spec("rules: [{matches: [" + Repeated("{path: {value: /a%}}", 64) + "]}, {matches: [" +
            Repeated("{path: {value: /b%}}", 64) + "]}, {matches: [{method: GET}]}]"),
       "spec.rules: there are more than 128 matches in all rules"},
      {Rule("{backendRefs: [" + Repeated("{name: s%, port: 1}", 17) + "]}"),
       "spec.rules[0].backendRefs: has 17 items, at most 16 are allowed"},
      {Rule("{backendRefs: [{name: s, port: 1, weight: 1000001}]}"),
       "spec.rules[0].backendRefs[0].weight: 1000001 is out of range: must be between 0 and 1000000"},
      {Rule("{backendRefs: [{name: s, port: 1, group: '-'}]}"),
       "spec.rules[0].backendRefs[0].group: \"-\" is malformed"},
      {Rule("{backendRefs: [{name: s, port: 1, kind: 'a b'}]}"),
       "spec.rules[0].backendRefs[0].kind: \"a b\" is malformed"},
  });
}

TEST(ValidateHttpRoute, Matches) {
  const std::string path = "spec.rules[0].matches[0].path.value: ";
  ExpectEach({
      {Match("{path: {type: Prefix}}"), "spec.rules[0].matches[0].path.type: \"Prefix\" is not allowed"},
      {Match("{path: {value: ''}}"), path + "\"\" must begin with '/'"},
      {Match("{path: {type: Exact, value: /a/./b}}"), path + "must not contain \"/./\""},
      {Match("{path: {type: Exact, value: /a/../b}}"), path + "must not contain \"/../\""},
      {Match("{path: {value: /a%2fb}}"), path + "must not contain \"%2f\""},
      {Match("{path: {value: /a%2Fb}}"), path + "must not contain \"%2F\""},
      {Match("{path: {value: '/a#b'}}"), path + "must not contain \"#\""},
      {Match("{path: {value: /a/.}}"), path + "must not end with \"/.\""},
      {Match("{path: {value: '/a?b'}}"), path + "\"/a?b\" has characters that no path has"},
      {Match("{path: {value: '/a%zz'}}"), path + "\"/a%zz\" has characters that no path has"},
      {Match("{path: {value: /" + std::string(1024, 'a') + "}}"),
       path + "has 1025 characters, at most 1024 are allowed"},
      {Match("{headers: [{value: v}]}"), "spec.rules[0].matches[0].headers[0].name: is required"},
      {Match("{headers: [{name: n}]}"), "spec.rules[0].matches[0].headers[0].value: is required"},
      {Match("{headers: [{name: 'a b', value: v}]}"),
       "spec.rules[0].matches[0].headers[0].name: \"a b\" is malformed"},
      {Match("{headers: [{name: n, value: ' v'}]}"),
       "spec.rules[0].matches[0].headers[0].value: \" v\" is malformed"},
      {Match("{headers: [{name: n, value: v, type: Prefix}]}"),
       "spec.rules[0].matches[0].headers[0].type: \"Prefix\" is not allowed"},
      {Match("{headers: [{name: n, value: '(', type: RegularExpression}]}"),
       "spec.rules[0].matches[0].headers[0].value: is no regular expression: missing ): ("},
      {Match("{headers: [" + Repeated("{name: n%, value: v}", 17) + "]}"),
       "spec.rules[0].matches[0].headers: has 17 items, at most 16 are allowed"},
      {Match("{queryParams: [{name: '', value: v}]}"),
       "spec.rules[0].matches[0].queryParams[0].name: must not be empty"},
      {Match("{queryParams: [{name: n, value: " + std::string(1025, 'v') + "}]}"),
       "spec.rules[0].matches[0].queryParams[0].value: has 1025 characters, at most 1024 are allowed"},
      {Match("{queryParams: [{name: n, value: v}, {name: n, value: w}]}"),
       "spec.rules[0].matches[0].queryParams[1]: has the same name as item 0"},
      {Match("{method: FETCH}"), "spec.rules[0].matches[0].method: \"FETCH\" is not allowed"},
  });
  EXPECT_EQ(Errors(Match("{path: {value: \"/a-b_c.~!$&'()*+,;=:@%20/\"}}")), std::vector<std::string>{});
  EXPECT_EQ(Errors(Match("{path: {type: RegularExpression, value: '/a//b#?'}}")),
            std::vector<std::string>{});
}

TEST(ValidateHttpRoute, HeaderModifiers) {
  const std::string filter = "spec.rules[0].filters[0].requestHeaderModifier.";
  const auto modifier = [](const std::string& body) {
    return Filter("{type: RequestHeaderModifier, requestHeaderModifier: {" + body + "}}");
  };
  ExpectEach({
      {modifier("set: [" + Repeated("{name: n%, value: v}", 17) + "]"),
       filter + "set: has 17 items, at most 16 are allowed"},
      {modifier("add: [{name: n, value: v}, {name: n, value: w}]"),
       filter + "add[1]: has the same name as item 0"},
      {modifier("add: [{name: n, value: \"a\\nb\"}]"), filter + "add[0].value: \"a\nb\" is malformed"},
      {modifier("add: [{name: n, value: ''}]"), filter + "add[0].value: must not be empty"},
      {modifier("set: [{name: 'n:', value: v}]"), filter + "set[0].name: \"n:\" is malformed"},
      {modifier("remove: [a, b, a]"), filter + "remove[2]: \"a\" stands twice, first as item 0"},
      {modifier("remove: [Content-Length]"),
       filter + "remove[0]: Content-Length can't be changed by a header modifier"},
  });
}

TEST(ValidateHttpRoute, RedirectsAndRewrites) {
  const auto redirect = [](const std::string& body) {
    return Rule("{filters: [{type: RequestRedirect, requestRedirect: {" + body + "}}]}");
  };
  const std::string at = "spec.rules[0].filters[0].requestRedirect.";
  ExpectEach({
      {redirect("scheme: ftp"), at + "scheme: \"ftp\" is not allowed"},
      {redirect("hostname: '*.a'"), at + "hostname: \"*.a\" is malformed"},
      {redirect("port: 0"), at + "port: 0 is out of range: must be between 1 and 65535"},
      {redirect("path: {replaceFullPath: /a}"), at + "path.type: is required"},
      {redirect("path: {type: ReplacePrefixMatch, replacePrefixMatch: /a, replaceFullPath: /b}"),
       at + "path.replaceFullPath: must not be set where type is ReplacePrefixMatch"},
      {redirect("path: {type: ReplaceFullPath, replaceFullPath: /" + std::string(1024, 'a') + "}"),
       at + "path.replaceFullPath: has 1025 characters, at most 1024 are allowed"},
      {Rule("{matches: [{path: {value: /a}}, {path: {value: /b}}], filters: [{type: RequestRedirect, "
            "requestRedirect: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /c}}}]}"),
       at + "path: ReplacePrefixMatch needs exactly one match, of type PathPrefix"},
      {Rule("{matches: [{path: {type: RegularExpression, value: /a}}], backendRefs: [{name: s, port: 1, "
            "filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, "
            "replacePrefixMatch: /c}}}]}]}"),
       "spec.rules[0].backendRefs[0].filters[0].urlRewrite.path: ReplacePrefixMatch needs exactly one "
       "match, of type PathPrefix"},
      {Filter("{type: URLRewrite, urlRewrite: {hostname: a:1}}"),
       "spec.rules[0].filters[0].urlRewrite.hostname: \"a:1\" is malformed"},
      {OfBackend("{type: URLRewrite, urlRewrite: {hostname: a}}, {type: RequestRedirect, "
                 "requestRedirect: {hostname: b}}"),
       "spec.rules[0].backendRefs[0].filters: URLRewrite and RequestRedirect can't be combined"},
  });
  EXPECT_EQ(Errors(OfBackend("{type: RequestRedirect, requestRedirect: {hostname: b}}")),
            std::vector<std::string>{});
}

TEST(ValidateHttpRoute, FilterUnions) {
  ExpectEach({
      {Filter("{type: Magic}"), "spec.rules[0].filters[0].type: \"Magic\" is not allowed"},
      {Filter("{requestMirror: {backendRef: {name: s, port: 1}}}"),
       "spec.rules[0].filters[0].type: is required"},
      {Filter("{type: CORS}"), "spec.rules[0].filters[0].cors: is required where type is CORS"},
      {Filter("{type: ExternalAuth}"),
       "spec.rules[0].filters[0].externalAuth: is required where type is ExternalAuth"},
      {Filter("{type: ExtensionRef}"),
       "spec.rules[0].filters[0].extensionRef: is required where type is ExtensionRef"},
      {Filter("{type: ExtensionRef, extensionRef: {group: a, kind: B}}"),
       "spec.rules[0].filters[0].extensionRef.name: is required"},
      {Filter("{type: ExtensionRef, extensionRef: {group: a, kind: B-, name: n}}"),
       "spec.rules[0].filters[0].extensionRef.kind: \"B-\" is malformed"},
      {OfBackend("{type: CORS, cors: {}}, {type: CORS, cors: {}}"),
       "spec.rules[0].backendRefs[0].filters[1]: CORS stands twice, first as filter 0"},
      {Filter(Repeated("{type: ExtensionRef, extensionRef: {group: a, kind: B, name: n}}", 17)),
       "spec.rules[0].filters: has 17 items, at most 16 are allowed"},
      {Filter("{type: RequestMirror, requestMirror: {backendRef: {name: m, port: 1}, fraction: {}}}"),
       "spec.rules[0].filters[0].requestMirror.fraction.numerator: is required"},
      {Filter("{type: RequestMirror, requestMirror: {backendRef: {name: m, port: 1}, fraction: "
              "{numerator: 0, denominator: 0}}}"),
       "spec.rules[0].filters[0].requestMirror.fraction.denominator: 0 is out of range: must be at "
       "least 1"},
  });
}

TEST(ValidateHttpRoute, Cors) {
  const std::string at = "spec.rules[0].filters[0].cors.";
  ExpectEach({
      {Cors("allowOrigins: [a.example]"), at + "allowOrigins[0]: \"a.example\" is malformed"},
      {Cors("allowOrigins: ['https://a.*.b']"), at + "allowOrigins[0]: \"https://a.*.b\" is malformed"},
      {Cors("allowOrigins: ['https://a:70000']"), at + "allowOrigins[0]: port 70000 is out of range"},
      {Cors("allowOrigins: ['*', 'https://a']"), at + "allowOrigins: must not have other items beside \"*\""},
      {Cors("allowOrigins: ['https://a', 'https://a']"),
       at + "allowOrigins[1]: \"https://a\" stands twice, first as item 0"},
      {Cors("allowOrigins: [" + Repeated("'https://a%'", 65) + "]"),
       at + "allowOrigins: has 65 items, at most 64 are allowed"},
      {Cors("allowMethods: [get]"), at + "allowMethods[0]: \"get\" is not allowed"},
      {Cors("allowMethods: [GET, '*']"), at + "allowMethods: must not have other items beside \"*\""},
      {Cors("allowHeaders: ['a b']"), at + "allowHeaders[0]: \"a b\" is malformed"},
      {Cors("allowHeaders: [a, '*']"), at + "allowHeaders: must not have other items beside \"*\""},
      {Cors("exposeHeaders: ['']"), at + "exposeHeaders[0]: must not be empty"},
      {Cors("maxAge: 0"), at + "maxAge: 0 is out of range: must be at least 1"},
  });
  EXPECT_EQ(Errors(Cors("allowOrigins: ['https://*', 'http://*.a.example:8080', 'http://10.0.0.1'], "
                        "allowMethods: ['*'], allowHeaders: ['*'], allowCredentials: true, maxAge: 60")),
            std::vector<std::string>{});
}

TEST(ValidateHttpRoute, ExternalAuth) {
  const std::string at = "spec.rules[0].filters[0].externalAuth.";
  ExpectEach({
      {Auth("http: {}"), at + "protocol: is required"},
      {Auth("protocol: TCP"), at + "protocol: \"TCP\" is not allowed"},
      {Auth("protocol: HTTP"), at + "http: is required where protocol is HTTP"},
      {Auth("protocol: HTTP, http: {}, grpc: {}"), at + "grpc: must not be set where protocol is HTTP"},
      {Auth("protocol: HTTP, http: {path: 'a b'}"), at + "http.path: \"a b\" is malformed"},
      {Auth("protocol: GRPC, grpc: {allowedHeaders: [a, a]}"),
       at + "grpc.allowedHeaders[1]: \"a\" stands twice, first as item 0"},
      {Auth("protocol: GRPC, grpc: {}, forwardBody: {maxSize: -1}"),
       at + "forwardBody.maxSize: -1 is out of range: must be at least 0"},
      {Filter("{type: ExternalAuth, externalAuth: {protocol: GRPC, grpc: {}, backendRef: {name: s}}}"),
       at + "backendRef.port: is required for a Service"},
  });
}

TEST(ValidateHttpRoute, TimeoutsAndRetry) {
  ExpectEach({
      {With("timeouts: {request: 123456s}"), "spec.rules[0].timeouts.request: \"123456s\" is malformed"},
      {With("timeouts: {request: 1.5s}"), "spec.rules[0].timeouts.request: \"1.5s\" is malformed"},
      {With("timeouts: {backendRequest: 1h1m1s1ms1s}"),
       "spec.rules[0].timeouts.backendRequest: \"1h1m1s1ms1s\" is malformed"},
      {With("timeouts: {request: 500ms, backendRequest: 1s}"),
       "spec.rules[0].timeouts.backendRequest: must not be longer than request"},
      {With("retry: {codes: [399]}"),
       "spec.rules[0].retry.codes[0]: 399 is out of range: must be between 400 and 599"},
      {With("retry: {codes: [600]}"),
       "spec.rules[0].retry.codes[0]: 600 is out of range: must be between 400 and 599"},
      {With("retry: {codes: [500, 500]}"),
       "spec.rules[0].retry.codes[1]: \"500\" stands twice, first as item 0"},
      {With("retry: {attempts: 0}"), "spec.rules[0].retry.attempts: 0 is out of range: must be at least 1"},
      {With("retry: {backoff: fast}"), "spec.rules[0].retry.backoff: \"fast\" is malformed"},
  });
  EXPECT_EQ(Errors(With("timeouts: {request: 0s, backendRequest: 1s}")), std::vector<std::string>{});
}

TEST(ValidateHttpRoute, SessionPersistence) {
  const std::string at = "spec.rules[0].sessionPersistence.";
  ExpectEach({
      {Session("type: Magic"), at + "type: \"Magic\" is not allowed"},
      {Session("type: Cookie"), at + "cookie: is required where type is Cookie"},
      {Session("absoluteTimeout: 1h"), at + "cookie: is required where type is Cookie"},
      {Session("type: Header"), at + "header: is required where type is Header"},
      {Session("type: Header, header: {name: Connection}"),
       at + "header.name: Connection can't be changed by a header modifier"},
      {Session("type: Header, header: {}"), at + "header.name: is required"},
      {Session("type: Header, header: {name: s}, cookie: {}"),
       at + "cookie: must not be set where type is Header"},
      {Session("cookie: {}, header: {name: s}"), at + "header: must not be set where type is Cookie"},
      {Session("cookie: {lifetimeType: Permanent}"),
       at + "absoluteTimeout: is required where lifetimeType is Permanent"},
      {Session("cookie: {lifetimeType: Forever}"), at + "cookie.lifetimeType: \"Forever\" is not allowed"},
      {Session("cookie: {name: 'a;b'}"), at + "cookie.name: \"a;b\" is malformed"},
      {Session("cookie: {path: '/a;b'}"),
       at + "cookie.path: must not have ';', white space or control characters"},
      {Session("cookie: {}, absoluteTimeout: ever"), at + "absoluteTimeout: \"ever\" is malformed"},
      {Session("cookieConfig: {lifetimeType: Permanent}"),
       at + "absoluteTimeout: is required where lifetimeType is Permanent"},
      {Session("sessionName: 'a b'"), at + "sessionName: \"a b\" is malformed"},
  });
  for (const char* const good :
       {"cookie: {}", "type: Header, header: {name: s}", "sessionName: s, idleTimeout: 1m",
        "cookie: {name: n, path: /a, lifetimeType: Permanent}, absoluteTimeout: 1h",
        "type: Header, sessionName: s"}) {
    EXPECT_EQ(Errors(Session(good)), std::vector<std::string>{}) << good;
  }
}

TEST(ValidateReferenceGrant, FollowsItsSchema) {
  const std::string from = "from: [{group: g.example, kind: HTTPRoute, namespace: n}]";
  const std::string to = "to: [{group: '', kind: Service}]";
  EXPECT_EQ(Errors(Grant(from + ", " + to)), std::vector<std::string>{});
  ExpectEach({
      {Grant(to), "spec.from: is required, with at least one entry"},
      {Grant(from), "spec.to: is required, with at least one entry"},
      {Grant("from: [{kind: A, namespace: n}], " + to), "spec.from[0].group: is required"},
      {Grant("from: [{group: A, kind: A, namespace: n}], " + to), "spec.from[0].group: \"A\" is malformed"},
      {Grant("from: [{group: '', kind: a/b, namespace: n}], " + to),
       "spec.from[0].kind: \"a/b\" is malformed"},
      {Grant("from: [{group: '', kind: A}], " + to), "spec.from[0].namespace: is required"},
      {Grant("from: [{group: '', kind: A, namespace: N}], " + to),
       "spec.from[0].namespace: \"N\" is malformed"},
      {Grant("from: [" + Repeated("{group: '', kind: A, namespace: n%}", 17) + "], " + to),
       "spec.from: has 17 items, at most 16 are allowed"},
      {Grant(from + ", to: [{group: '', kind: ''}]"), "spec.to[0].kind: must not be empty"},
      {Grant(from + ", to: [{group: '', kind: A, name: ''}]"), "spec.to[0].name: must not be empty"},
      {Grant(from + ", to: [{group: '-', kind: A}]"), "spec.to[0].group: \"-\" is malformed"},
      {Grant(from + ", to: [" + Repeated("{group: '', kind: A, name: n%}", 17) + "]"),
       "spec.to: has 17 items, at most 16 are allowed"},
  });
}

TEST(NormalizeHttpRoute, FillsInTheDefaultsOfTheSchema) {
  auto object = Parse(Rule(
      "{backendRefs: [{name: s, port: 1, filters: [{type: RequestRedirect, requestRedirect: {port: 1}}, "
      "{type: CORS, cors: {}}]}], sessionPersistence: {cookie: {}}, filters: [{type: RequestMirror, "
      "requestMirror: {backendRef: {name: m, port: 1}, fraction: {numerator: 1}}}]}"));
  Normalize(*object);
  const v1::HTTPRouteRule& rule = static_cast<const v1::HTTPRoute&>(*object).spec().rules(0);
  EXPECT_EQ(rule.backend_refs(0).filters(0).request_redirect().status_code(), 302);
  EXPECT_EQ(rule.backend_refs(0).filters(1).cors().max_age(), 5);
  EXPECT_EQ(rule.filters(0).request_mirror().fraction().denominator(), 100);
  EXPECT_EQ(rule.filters(0).request_mirror().backend_ref().kind(), "Service");
  EXPECT_EQ(rule.session_persistence().type(), "Cookie");
  EXPECT_EQ(rule.session_persistence().cookie().lifetime_type(), "Session");
  EXPECT_EQ(rule.session_persistence().cookie().path(), "/");
}

}  // namespace
}  // namespace apk
