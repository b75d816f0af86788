"""HTTPRoute: filters of a backendRef, which act on the requests that this backend is chosen for."""
import collections
import unittest

import suite
from suite import http_route, path, to
from harness import eventually


def set_header(value):
    return {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "X-To", "value": value}]}}


def rewrite(**fields):
    return {"type": "URLRewrite", "urlRewrite": fields}


def redirect(**fields):
    return {"type": "RequestRedirect", "requestRedirect": fields}


def prefix_to(value):
    return {"type": "ReplacePrefixMatch", "replacePrefixMatch": value}


def full_path_to(value):
    return {"type": "ReplaceFullPath", "replaceFullPath": value}


def rule(prefix, *backends, **extra):
    return {"matches": [path(prefix)], "backendRefs": list(backends), **extra}


class BackendFilters(suite.SuiteTest):
    BACKENDS = ["v1", "v2", "mirror"]
    MANIFEST = [http_route("of-backends", ["same"], [
        rule("/split", to("v1", filters=[set_header("one")]), to("v2", filters=[set_header("two")])),
        rule("/prefix", to("v1", filters=[rewrite(path=prefix_to("/new"))])),
        rule("/full", to("v1", filters=[rewrite(path=full_path_to("/whole"), hostname="other.example")])),
        rule("/after-rule", to("v1", filters=[rewrite(path=prefix_to("/second"))]),
             filters=[rewrite(hostname="first.example")]),
        rule("/redirect", to("v1", filters=[redirect(hostname="other.example", statusCode=301)])),
        rule("/redirect-prefix", to("v1", filters=[redirect(path=prefix_to("/there"), scheme="https", port=8443)])),
        rule("/share", to("v1", weight=1, filters=[redirect(hostname="other.example")]), to("v2", weight=1)),
        rule("/response", to("v1", filters=[{"type": "ResponseHeaderModifier", "responseHeaderModifier": {
            "set": [{"name": "X-From", "value": "v1"}], "remove": ["Content-Type"]}}])),
        rule("/mirror", to("v1", filters=[set_header("one"), {"type": "RequestMirror", "requestMirror": {
            "backendRef": to("mirror")}}]), to("v2", weight=0)),
        rule("/mirrored-share", to("v1", weight=1, filters=[{"type": "RequestMirror", "requestMirror": {
            "backendRef": to("mirror")}}]), to("v2", weight=1)),
    ])]

    def test_each_backend_gets_its_own(self):
        seen = collections.Counter()
        for _ in range(40):
            reply = self.send("same", "/split")
            seen[reply.backend, reply.echoed("x-to")] += 1
        self.assertEqual({("v1", "one"), ("v2", "two")}, set(seen))

    def test_rewrites(self):
        self.assertEqual("/new/a?q=1", self.expect_backend("v1", "same", "/prefix/a?q=1").echo["path"])
        self.assertEqual("/new", self.expect_backend("v1", "same", "/prefix").echo["path"])
        reply = self.expect_backend("v1", "same", "/full/a")
        self.assertEqual(("/whole", "other.example"), (reply.echo["path"], reply.echo["host"]))

    def test_come_after_those_of_the_rule(self):
        reply = self.expect_backend("v1", "same", "/after-rule/a")
        self.assertEqual(("/second/a", "first.example"), (reply.echo["path"], reply.echo["host"]))

    def test_redirects(self):
        reply = self.expect_status(301, "same", "/redirect/a?q=1")
        self.assertEqual("http://other.example:8080/redirect/a?q=1", reply.fields["location"])
        reply = self.expect_status(302, "same", "/redirect-prefix/a")
        self.assertEqual("https://example.com:8443/there/a", reply.fields["location"])

    def test_a_redirect_is_for_its_share_alone(self):
        seen = collections.Counter(r.backend or r.status for r in (self.send("same", "/share") for _ in range(60)))
        self.assertEqual({"v2", 302}, set(seen))

    def test_of_responses(self):
        reply = self.send("same", "/response")
        self.assertEqual("v1", reply.fields["x-from"])
        self.assertNotIn("content-type", reply.fields)

    def test_mirrors(self):
        mirror = self.suite.echoes["default", "mirror"]
        before = len(mirror.requests)
        self.expect_backend("v1", "same", "/mirror/a?q=1")
        copy = mirror.wait_for(before + 1)[-1]
        self.assertEqual(("/mirror/a?q=1", "one"), (copy.target, copy.header("x-to")))

    def test_a_mirror_sees_its_share_alone(self):
        mirror = self.suite.echoes["default", "mirror"]
        mine = sum(self.send("same", f"/mirrored-share/{n}").backend == "v1" for n in range(40))

        def copied():
            return sum(r.target.startswith("/mirrored-share/") for r in mirror.requests)
        self.assertTrue(0 < mine < 40)
        eventually(lambda: copied() >= mine, f"{mine} copies")
        self.assertEqual(mine, copied())

    def test_statuses(self):
        self.expect_parent("of-backends", suite.ACCEPTED)


class Unserved(suite.SuiteTest):
    BACKENDS = ["v1"]
    UNKNOWN = {"type": "ExtensionRef", "extensionRef": {"group": "example.com", "kind": "Magic", "name": "m"}}
    MANIFEST = [
        http_route("one-rule", ["same"], [
            {"matches": [path("/bad")], "filters": [UNKNOWN], "backendRefs": [to("v1")]},
            {"matches": [path("/good")], "backendRefs": [to("v1")]}], hostnames=["rule.example"]),
        http_route("one-share", ["same"], [
            {"backendRefs": [to("v1"), to("v1", filters=[UNKNOWN])]},
            {"matches": [path("/good")], "backendRefs": [to("v1")]}], hostnames=["share.example"]),
        http_route("all", ["same"], [
            {"filters": [UNKNOWN], "backendRefs": [to("v1")]}], hostnames=["all.example"]),
        http_route("incompatible", ["same"], [
            {"matches": [path("/a")], "filters": [rewrite(path=full_path_to("/b"))],
             "backendRefs": [to("v1", filters=[rewrite(path=prefix_to("/c"))])]}], hostnames=["both.example"]),
    ]

    def partial(self, name):
        parents = self.suite.parents(name)
        return next((c for c in parents[0]["conditions"] if c["type"] == "PartiallyInvalid"), None)

    def test_one_bad_rule_leaves_the_others(self):
        self.expect_parent("one-rule", {**suite.ACCEPTED, "PartiallyInvalid": ("True", "UnsupportedValue")})
        self.assertTrue(self.partial("one-rule")["message"].startswith("Dropped Rule"))
        self.assertIn("rules[0].filters[0]", self.partial("one-rule")["message"])
        self.expect_status(500, "same", "/bad", host="rule.example")
        self.expect_backend("v1", "same", "/good", host="rule.example")

    def test_a_bad_filter_of_a_backend_spoils_its_share(self):
        self.expect_parent("one-share", {**suite.ACCEPTED, "PartiallyInvalid": ("True", "UnsupportedValue")})
        seen = {self.send("same", host="share.example").status for _ in range(60)}
        self.assertEqual({200, 500}, seen)

    def test_nothing_is_left(self):
        self.expect_parent("all", {"Accepted": ("False", "UnsupportedValue")})
        self.assertIsNone(self.partial("all"))
        self.assertIn(self.send("same", host="all.example").status, (404, 500))

    def test_routes_that_are_not_accepted_do_not_count_as_attached(self):
        self.expect_attached("same", "http", 2)

    def test_filters_that_exclude_each_other(self):
        self.expect_parent("incompatible", {"Accepted": ("False", "IncompatibleFilters")})


if __name__ == "__main__":
    unittest.main(verbosity=2)
