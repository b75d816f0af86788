"""HTTPRoute, filter CORS: preflight requests that the gateway answers, and the responses to real ones."""
import unittest

import suite
from suite import http_route, path, to

METHODS = "access-control-allow-methods"
HEADERS = "access-control-allow-headers"
ORIGIN = "access-control-allow-origin"
CREDENTIALS = "access-control-allow-credentials"
AGE = "access-control-max-age"
EXPOSED = "access-control-expose-headers"


def cors(**fields):
    return {"type": "CORS", "cors": fields}


def rule(prefix, *filters, backend_filters=(), **extra):
    return {"matches": [path(prefix)], "filters": list(filters), "backendRefs": [to("v1", filters=list(backend_filters))],
            **extra}


def listed(value):
    return {item.strip().lower() for item in (value or "").split(",") if item.strip()}


class Cors(suite.SuiteTest):
    BACKENDS = ["v1"]
    MANIFEST = [http_route("cors", ["same"], [
        rule("/listed", cors(allowOrigins=["https://www.foo.com", "https://*.bar.com", "http://port.example:8080"],
                             allowMethods=["GET", "OPTIONS"], allowHeaders=["x-header-1", "x-header-2"],
                             exposeHeaders=["x-header-3", "x-header-4"], maxAge=3600)),
        rule("/credentials", cors(allowOrigins=["*"], allowCredentials=True, allowMethods=["*"], allowHeaders=["*"],
                                  exposeHeaders=["*"])),
        rule("/any", cors(allowOrigins=["*"], allowMethods=["*"], allowHeaders=["*"])),
        rule("/backend", backend_filters=[cors(allowOrigins=["https://www.foo.com"])]),
        {"matches": [{**path("/put"), "method": "PUT"}], "filters": [cors(allowOrigins=["https://www.foo.com"],
                                                                          allowMethods=["PUT"])],
         "backendRefs": [to("v1")]},
        rule("/none"),
    ])]

    def preflight(self, target, origin="https://www.foo.com", method="GET", headers=None):
        asked = {"Origin": origin, "Access-Control-Request-Method": method}
        if headers:
            asked["Access-Control-Request-Headers"] = headers
        reply = self.send("same", target, method="OPTIONS", headers=asked)
        self.assertIsNone(reply.backend)
        return reply

    def test_preflight_of_an_allowed_origin(self):
        reply = self.preflight("/listed", headers="x-header-1")
        self.assertEqual(200, reply.status)
        self.assertEqual("https://www.foo.com", reply.fields[ORIGIN])
        self.assertEqual({"get", "options"}, listed(reply.fields[METHODS]))
        self.assertEqual({"x-header-1", "x-header-2"}, listed(reply.fields[HEADERS]))
        self.assertEqual("3600", reply.fields[AGE])
        self.assertNotIn(CREDENTIALS, reply.fields)
        self.assertEqual({"x-header-3", "x-header-4"}, listed(reply.fields[EXPOSED]))

    def test_preflight_of_another_origin(self):
        for origin in ("https://foo.com", "http://www.foo.com", "https://bar.com", "https://www.foo.com:8443",
                       "http://port.example", "https://www.foo.com.evil.test", "null"):
            reply = self.preflight("/listed", origin)
            self.assertIn(reply.status, (200, 204, 403), origin)
            for field in (ORIGIN, METHODS, HEADERS, AGE, CREDENTIALS, EXPOSED):
                self.assertNotIn(field, reply.fields, origin)

    def test_wildcards_and_ports_of_origins(self):
        for origin in ("https://a.bar.com", "https://b.a.bar.com", "http://port.example:8080", "https://a.bar.com:443"):
            self.assertEqual(origin, self.preflight("/listed", origin).fields[ORIGIN])

    def test_credentials_never_meet_a_wildcard(self):
        reply = self.preflight("/credentials", "https://any.test", "PUT", "x-a, x-b")
        self.assertEqual("https://any.test", reply.fields[ORIGIN])
        self.assertEqual("true", reply.fields[CREDENTIALS])
        self.assertEqual("PUT", reply.fields[METHODS])
        self.assertEqual({"x-a", "x-b"}, listed(reply.fields[HEADERS]))
        self.assertNotIn(EXPOSED, reply.fields)
        self.assertNotIn(HEADERS, self.preflight("/credentials").fields)
        reply = self.expect_backend("v1", "same", "/credentials", headers={"Origin": "https://any.test"})
        self.assertEqual("https://any.test", reply.fields[ORIGIN])
        self.assertNotIn("*", reply.fields.get(EXPOSED, ""))

    def test_wildcards_without_credentials(self):
        reply = self.preflight("/any", "https://any.test", "DELETE", "x-a")
        self.assertIn(reply.fields[ORIGIN], ("*", "https://any.test"))
        self.assertIn(reply.fields[METHODS], ("*", "DELETE"))
        self.assertIn(reply.fields[HEADERS], ("*", "x-a"))
        self.assertEqual("5", reply.fields[AGE])

    def test_real_requests(self):
        reply = self.expect_backend("v1", "same", "/listed", headers={"Origin": "https://www.foo.com"})
        self.assertEqual("https://www.foo.com", reply.fields[ORIGIN])
        self.assertEqual({"x-header-3", "x-header-4"}, listed(reply.fields[EXPOSED]))
        self.assertIn("origin", listed(reply.fields["vary"]))
        for headers in ({"Origin": "https://other.test"}, {}):
            reply = self.expect_backend("v1", "same", "/listed", headers=headers)
            self.assertNotIn(ORIGIN, reply.fields)

    def test_options_without_the_question_goes_to_the_backend(self):
        reply = self.expect_backend("v1", "same", "/listed", method="OPTIONS",
                                    headers={"Origin": "https://www.foo.com"})
        self.assertEqual("OPTIONS", reply.echo["method"])
        self.expect_backend("v1", "same", "/none", method="OPTIONS",
                            headers={"Origin": "https://www.foo.com", "Access-Control-Request-Method": "PUT"})

    def test_a_filter_of_a_backend(self):
        self.assertEqual("https://www.foo.com", self.preflight("/backend").fields[ORIGIN])
        reply = self.expect_backend("v1", "same", "/backend", headers={"Origin": "https://www.foo.com"})
        self.assertEqual("https://www.foo.com", reply.fields[ORIGIN])

    def test_a_rule_for_one_method_answers_the_question_about_it(self):
        self.assertEqual("https://www.foo.com", self.preflight("/put", method="PUT").fields[ORIGIN])
        self.expect_status(404, "same", "/put", method="OPTIONS", headers={
            "Origin": "https://www.foo.com", "Access-Control-Request-Method": "POST"})


if __name__ == "__main__":
    unittest.main(verbosity=2)
