"""HTTPRoute: redirects, rewrites, header modifiers, mirrors and time-outs."""
import math
import os
import threading
import unittest

import suite
from suite import documents, http_route, path, response, to


def rule(*filters, match=None, backends=(), **extra):
    rule = {"filters": list(filters), **extra}
    if match:
        rule["matches"] = [match]
    if backends:
        rule["backendRefs"] = list(backends)
    return rule


def redirect(**fields):
    return {"type": "RequestRedirect", "requestRedirect": fields}


def rewrite(**fields):
    return {"type": "URLRewrite", "urlRewrite": fields}


def full(value):
    return {"type": "ReplaceFullPath", "replaceFullPath": value}


def prefix(value):
    return {"type": "ReplacePrefixMatch", "replacePrefixMatch": value}


def pairs(**fields):
    return [{"name": name.replace("_", "-"), "value": value} for name, value in fields.items()]


class Redirects(suite.SuiteTest):
    GATEWAYS = {"same": [{}, {"name": "eighty", "port": 80}]}
    MANIFEST = [http_route("redirects", ["same"], [
        rule(redirect(hostname="example.org"), match=path("/host")),
        rule(redirect(hostname="example.org", statusCode=301), match=path("/301")),
        rule(redirect(hostname="example.org", statusCode=302), match=path("/302")),
        rule(redirect(hostname="example.org", statusCode=303), match=path("/303")),
        rule(redirect(hostname="example.org", statusCode=307), match=path("/307")),
        rule(redirect(hostname="example.org", statusCode=308), match=path("/308")),
        rule(redirect(scheme="https"), match=path("/https")),
        rule(redirect(scheme="https", port=8443), match=path("/https-port")),
        rule(redirect(scheme="https", port=443), match=path("/https-443")),
        rule(redirect(port=8083), match=path("/port")),
        rule(redirect(port=80), match=path("/port-80")),
        rule(redirect(path=full("/replaced")), match=path("/full")),
        rule(redirect(path=prefix("/new/prefix")), match=path("/old/prefix")),
        rule(redirect(path=prefix("/")), match=path("/strip")),
    ])]

    def location(self, target, status=302, place="same", **request):
        reply = self.expect_status(status, place, target, host="client.example", **request)
        return reply.fields["location"]

    def test_hostname(self):
        self.assertEqual("http://example.org:8080/host/x?y=z", self.location("/host/x?y=z"))

    @unittest.skipUnless(os.geteuid() == 0, "port 80 is root's")
    def test_the_port_of_the_scheme_is_left_out(self):
        self.assertEqual("http://example.org/host", self.location("/host", place=("same", 80)))

    def test_status_codes(self):
        for status in (301, 302, 303, 307, 308):
            self.assertEqual(f"http://example.org:8080/{status}", self.location(f"/{status}", status))

    def test_schemes(self):
        self.assertEqual("https://client.example/https/a", self.location("/https/a"))
        self.assertEqual("https://client.example:8443/https-port", self.location("/https-port"))
        self.assertEqual("https://client.example/https-443", self.location("/https-443"))

    def test_ports(self):
        self.assertEqual("http://client.example:8083/port", self.location("/port"))
        self.assertEqual("http://client.example/port-80", self.location("/port-80"))

    def test_paths(self):
        for target, expected in {"/full/anything?q=1": "/replaced?q=1", "/old/prefix/rest": "/new/prefix/rest",
                                 "/old/prefix": "/new/prefix", "/strip/rest": "/rest", "/strip": "/"}.items():
            with self.subTest(target):
                self.assertEqual(f"http://client.example:8080{expected}", self.location(target))


class Rewrites(suite.SuiteTest):
    BACKENDS = ["v1"]
    MANIFEST = [http_route("rewrites", ["same"], [
        rule(rewrite(hostname="one.example.org"), match=path("/one"), backends=[to("v1")]),
        rule(rewrite(path=full("/one")), match=path("/full"), backends=[to("v1")]),
        rule(rewrite(path=prefix("/new")), match=path("/prefix/one"), backends=[to("v1")]),
        rule(rewrite(path=prefix("/")), match=path("/strip"), backends=[to("v1")]),
        rule(rewrite(hostname="two.example.org", path=prefix("/both/new")),
             {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": pairs(X_Header="set")}},
             match=path("/both"), backends=[to("v1")]),
    ])]

    def seen(self, target):
        return self.expect_backend("v1", "same", target, host="client.example").echo

    def test_hostnames(self):
        self.assertEqual(("one.example.org", "/one/a"), (lambda e: (e["host"], e["path"]))(self.seen("/one/a")))
        self.assertEqual("client.example", self.seen("/full")["host"])

    def test_paths(self):
        for target, expected in {"/full/path?a=b": "/one?a=b", "/prefix/one/two": "/new/two", "/prefix/one": "/new",
                                 "/prefix/one/": "/new/", "/strip/two?x=y": "/two?x=y", "/strip": "/"}.items():
            with self.subTest(target):
                self.assertEqual(expected, self.seen(target)["path"])

    def test_with_other_filters(self):
        echo = self.seen("/both/x")
        self.assertEqual(("two.example.org", "/both/new/x"), (echo["host"], echo["path"]))
        self.assertIn(["X-Header", "set"], echo["headers"])


class Headers(suite.SuiteTest):
    BACKENDS = ["v1", "v2"]

    MODIFIER = {"set": pairs(X_Set="new"), "add": pairs(X_Add="added"), "remove": ["X-Remove"]}
    MANIFEST = [http_route("headers", ["same"], [
        rule({"type": "RequestHeaderModifier", "requestHeaderModifier": MODIFIER}, match=path("/request"),
             backends=[to("v1")]),
        rule({"type": "ResponseHeaderModifier", "responseHeaderModifier": MODIFIER}, match=path("/response"),
             backends=[to("v1")]),
        {"matches": [path("/backend")], "backendRefs": [
            to("v1", filters=[{"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": pairs(X_To="v1")}}]),
            to("v2", filters=[{"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": pairs(X_To="v2")}}])]},
    ])]

    def test_of_requests(self):
        reply = self.expect_backend("v1", "same", "/request", headers=[
            ("X-Set", "old"), ("x-add", "there"), ("X-REMOVE", "gone"), ("X-Other", "kept")])
        self.assertEqual(("new", "there,added", None, "kept"),
                         tuple(reply.echoed(h) for h in ("X-Set", "X-Add", "X-Remove", "X-Other")))

    def test_of_responses(self):
        fields = ["X-Set: old", "x-add: there", "X-Remove: gone", "X-Other: kept"]
        self.suite.echoes["default", "v1"].respond = lambda request: response(b"plain", fields=fields)
        try:
            with suite.RawClient(self.places["same"], 8080) as client:
                client.send("GET /response HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
                head = suite.read_head(client.stream).decode().split("\r\n")
        finally:
            self.suite.echoes["default", "v1"].respond = self.suite.echoes["default", "v1"].echo
        values = {}
        for line in head[1:]:
            name, _, value = line.partition(": ")
            values.setdefault(name.lower(), []).append(value)
        self.assertEqual(["new"], values["x-set"])
        self.assertEqual("there,added", ",".join(values["x-add"]).replace(", ", ","))
        self.assertNotIn("x-remove", values)
        self.assertEqual(["kept"], values["x-other"])

    def test_of_a_backend(self):
        seen = set()
        for _ in range(40):
            reply = self.send("same", "/backend", headers={"X-To": "client"})
            self.assertEqual(reply.backend, reply.echoed("X-To"))
            seen.add(reply.backend)
        self.assertEqual({"v1", "v2"}, seen)


def mirror(name, **share):
    return {"type": "RequestMirror", "requestMirror": {"backendRef": to(name), **share}}


class Mirrors(suite.SuiteTest):
    BACKENDS = ["primary", "copy1", "copy2"]
    MANIFEST = [http_route("mirrors", ["same"], [
        rule(mirror("copy1"), match=path("/one"), backends=[to("primary")]),
        rule(mirror("copy1"), mirror("copy2"), match=path("/two"), backends=[to("primary")]),
        rule(mirror("copy1", percent=20), match=path("/percent"), backends=[to("primary")]),
        rule(mirror("copy1", fraction={"numerator": 1, "denominator": 2}), mirror("copy2", percent=0),
             match=path("/fraction"), backends=[to("primary")]),
        rule({"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": pairs(X_Header="set")}},
             mirror("copy1"), mirror("absent"), match=path("/changed"), backends=[to("primary")]),
    ])]

    def copies(self, name, target):
        return [r for r in self.suite.echoes["default", name].requests if r.target == target]

    def expect_copies(self, name, target, count):
        suite.eventually(lambda: len(self.copies(name, target)) >= count, f"{count} copies of {target} at {name}")
        self.assertEqual(count, len(self.copies(name, target)))

    def test_one(self):
        self.expect_backend("primary", "same", "/one?q=1", method="POST", body=b"text")
        self.expect_copies("copy1", "/one?q=1", 1)
        copy = self.copies("copy1", "/one?q=1")[0]
        self.assertEqual(("POST", b"text", "example.com"), (copy.method, copy.body, copy.header("host")))

    def test_several(self):
        self.expect_backend("primary", "same", "/two")
        self.expect_copies("copy1", "/two", 1)
        self.expect_copies("copy2", "/two", 1)

    def test_a_share(self):
        for target, share in {"/percent": 0.2, "/fraction": 0.5}.items():
            requests = 500
            for _ in range(requests):
                self.expect_backend("primary", "same", target)
            self.expect_backend("primary", "same", "/two?last")  # Copies are sent in order.
            self.expect_copies("copy1", "/two?last", 1)
            suite.eventually(lambda: self.settled(), "all copies are accounted for")
            expected = requests * share
            self.assertAlmostEqual(expected, len(self.copies("copy1", target)),
                                   delta=4 * math.sqrt(requests * share * (1 - share)))
            for echo in self.suite.echoes.values():
                echo.requests = [r for r in echo.requests if r.target != "/two?last"]
        self.assertEqual([], self.copies("copy2", "/fraction"))

    def settled(self):
        counts = self.suite.mirror_counts("Service default/copy1:8080")
        return counts["matched"] == sum(v for k, v in counts.items() if k != "matched")

    def test_an_absent_mirror_and_a_changed_request(self):
        reply = self.expect_backend("primary", "same", "/changed")
        self.assertEqual("set", reply.echoed("X-Header"))
        self.expect_copies("copy1", "/changed", 1)
        self.expect_parent("mirrors", {"Accepted": ("True", "Accepted"), "ResolvedRefs": ("False", "BackendNotFound")})


class Timeouts(suite.SuiteTest):
    BACKENDS = ["slow"]
    MANIFEST = [http_route("timeouts", ["same"], [
        rule(match=path("/request"), backends=[to("slow")], timeouts={"request": "300ms"}),
        rule(match=path("/backend"), backends=[to("slow")], timeouts={"backendRequest": "300ms"}),
        rule(match=path("/none"), backends=[to("slow")], timeouts={"request": "0s"}),
    ])]

    def setUp(self):
        self.go_on = threading.Event()
        self.addCleanup(self.go_on.set)
        echo = self.suite.echoes["default", "slow"]

        def wait(request):
            if request.target.endswith("wait"):
                self.go_on.wait(suite.PATIENCE)
            return echo.echo(request)
        echo.respond = wait

    def test_of_requests(self):
        self.expect_status(504, "same", "/request?wait")
        self.expect_backend("slow", "same", "/request")

    def test_of_backend_requests(self):
        self.expect_status(504, "same", "/backend?wait")
        self.expect_backend("slow", "same", "/backend")

    def test_disabled(self):
        timer = threading.Timer(1, self.go_on.set)
        timer.start()
        self.addCleanup(timer.cancel)
        self.expect_backend("slow", "same", "/none?wait")


class Rules(suite.SuiteTest):
    BACKENDS = ["v1", "v2"]

    def test_names(self):
        self.suite.apply(documents(http_route("named", ["same"], [
            {"name": "first", "matches": [path("/first")], "backendRefs": [to("v1")]},
            {"matches": [path("/unnamed")], "backendRefs": [to("v2")]},
            {"name": "third", "matches": [path("/third")], "backendRefs": [to("v2")]}])))
        self.expect_backend("v1", "same", "/first")
        self.expect_backend("v2", "same", "/unnamed")
        self.expect_backend("v2", "same", "/third")
        rules = self.suite.get("httproute", "named")["spec"]["rules"]
        self.assertEqual(["first", None, "third"], [rule.get("name") for rule in rules])
        self.expect_parent("named", suite.ACCEPTED)

    def test_names_are_unique(self):
        twice = {"name": "same", "backendRefs": [to("v1")]}
        result = self.suite.apply(documents(http_route("twice", ["same"], [twice, twice])), check=False)
        self.assertNotEqual(0, result.returncode)
        self.assertIn("spec.rules[1]", result.stderr)


if __name__ == "__main__":
    unittest.main()
