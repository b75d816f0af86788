"""HTTPRoute: where requests go (backendRefs, weights, ReferenceGrant), and what its status says of it."""
import collections
import unittest

import suite
from suite import ACCEPTED, documents, http_route, path, to

GROUP = suite.GATEWAY_GROUP
FAR = "far"


def grant(name="grant", to_name=None, from_namespace="default", namespace=FAR, from_kind="HTTPRoute"):
    target = {"group": "", "kind": "Service"}
    if to_name:
        target["name"] = to_name
    return {"apiVersion": f"{GROUP}/v1beta1", "kind": "ReferenceGrant",
            "metadata": suite.metadata(name, namespace),
            "spec": {"from": [{"group": GROUP, "kind": from_kind, "namespace": from_namespace}], "to": [target]}}


class Weights(suite.SuiteTest):
    BACKENDS = ["v1", "v2", "v3"]
    MANIFEST = [
        http_route("weighted", ["same"], [
            {"backendRefs": [to("v1", weight=70), to("v2", weight=30), to("v3", weight=0)]}], hostnames=["w.example"]),
        http_route("none", ["same"], [{"backendRefs": [to("v1", weight=0), to("v2", weight=0)]}],
                   hostnames=["zero.example"]),
        http_route("half", ["same"], [{"backendRefs": [to("v1", weight=50), to("absent", weight=50)]}],
                   hostnames=["half.example"]),
        http_route("empty", ["same"], [{"matches": [path("/")]}], hostnames=["empty.example"]),
    ]

    def count(self, host, requests=500):
        return collections.Counter(
            (lambda r: r.backend or r.status)(self.send("same", host=host)) for _ in range(requests))

    def test_shares_follow_weights(self):
        counts = self.count("w.example")
        self.assertEqual({"v1", "v2"}, set(counts))
        self.assertAlmostEqual(0.7, counts["v1"] / 500, delta=0.08)

    def test_all_weights_zero_is_500(self):
        self.assertEqual({500: 20}, self.count("zero.example", 20))

    def test_no_backend_refs_is_500(self):
        self.expect_status(500, "same", host="empty.example")
        self.expect_parent("empty", ACCEPTED)

    def test_an_invalid_backend_keeps_its_share(self):
        counts = self.count("half.example")
        self.assertEqual({"v1", 500}, set(counts))
        self.assertAlmostEqual(0.5, counts["v1"] / 500, delta=0.1)
        self.expect_parent("half", {"Accepted": ("True", "Accepted"), "ResolvedRefs": ("False", "BackendNotFound")})


class InvalidReferences(suite.SuiteTest):
    BACKENDS = ["v1"]
    MANIFEST = [
        http_route("not-found", ["same"], [{"backendRefs": [to("absent")]},
                                           {"matches": [path("/good")], "backendRefs": [to("v1")]}],
                   hostnames=["not-found.example"]),
        http_route("bad-kind", ["same"], [{"backendRefs": [to("v1", kind="NotReal", group="example.org")]}],
                   hostnames=["bad-kind.example"]),
        http_route("bad-port", ["same"], [{"backendRefs": [to("v1", port=1)]}], hostnames=["bad-port.example"]),
    ]

    def test_an_unknown_service(self):
        self.expect_parent("not-found", {"Accepted": ("True", "Accepted"),
                                         "ResolvedRefs": ("False", "BackendNotFound")})
        self.expect_status(500, "same", host="not-found.example")
        self.expect_backend("v1", "same", "/good", host="not-found.example")

    def test_an_unknown_kind(self):
        self.expect_parent("bad-kind", {"Accepted": ("True", "Accepted"), "ResolvedRefs": ("False", "InvalidKind")})
        self.expect_status(500, "same", host="bad-kind.example")

    def test_a_port_that_the_service_lacks(self):
        self.expect_parent("bad-port", {"Accepted": ("True", "Accepted"),
                                        "ResolvedRefs": ("False", "BackendNotFound")})
        self.expect_status(500, "same", host="bad-port.example")

    def test_routes_with_broken_references_are_attached(self):
        self.expect_attached("same", "http", 3)

    def test_a_service_that_comes_later(self):
        self.suite.apply(documents(http_route("early", ["same"], [{"backendRefs": [to("late")]}],
                                              hostnames=["late.example"])))
        self.expect_status(500, "same", host="late.example")
        self.suite.apply(self.suite.echo("late").manifest())
        self.expect_backend("late", "same", host="late.example")
        self.expect_parent("early", ACCEPTED)
        self.suite.delete("service", "late")
        self.expect_status(500, "same", host="late.example")
        self.suite.delete("httproute", "early")


class ReferenceGrants(suite.SuiteTest):
    REFUSED = {"Accepted": ("True", "Accepted"), "ResolvedRefs": ("False", "RefNotPermitted")}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.suite.apply(documents(
            suite.namespace(FAR), cls.suite.echo("there", FAR).manifest(), cls.suite.echo("other", FAR).manifest(),
            http_route("cross", ["same"], [{"backendRefs": [to("there", namespace=FAR)]}])))

    def tearDown(self):
        self.suite.apkctl("delete", "referencegrant", "grant", "-n", FAR, check=False)
        self.suite.settle()

    def expect_refused(self):
        self.expect_parent("cross", self.REFUSED)
        self.expect_status(500, "same")

    def test_without_a_grant(self):
        self.expect_refused()

    def test_granted_and_revoked(self):
        self.suite.apply(documents(grant()))
        self.expect_backend("there", "same")
        self.expect_parent("cross", ACCEPTED)
        self.suite.delete("referencegrant", "grant", FAR)
        self.expect_refused()

    def test_granted_for_one_name(self):
        self.suite.apply(documents(grant(to_name="there")))
        self.expect_backend("there", "same")
        self.suite.apply(documents(grant(to_name="other")))
        self.expect_refused()

    def test_a_grant_for_somebody_else(self):
        for other in [grant(from_namespace="elsewhere"), grant(from_kind="Gateway"), grant(namespace="default")]:
            with self.subTest(other["spec"]["from"]):
                self.suite.apply(documents(other))
                self.expect_refused()
        self.suite.delete("referencegrant", "grant", "default")


if __name__ == "__main__":
    unittest.main()
