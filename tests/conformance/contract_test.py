"""Objects are kept as a Kubernetes API server keeps them: what `apply`, `get` and `delete` promise."""
import json
import unittest

import suite
from suite import documents, gateway, http_route, own_address, path, to


class Contract(suite.SuiteTest):
    BACKENDS = ["v1"]

    def route(self, name, *rules, labels=None, **spec):
        route = http_route(name, ["same"], list(rules) or [{"backendRefs": [to("v1")]}])
        route["spec"].update(spec)
        if labels:
            route["metadata"]["labels"] = labels
        return route

    def test_apply_replaces_the_whole_object(self):
        self.suite.apply(documents(self.route("r", labels={"a": "1", "b": "2"}, hostnames=["a.example"])))
        self.suite.apply(documents(self.route("r", labels={"b": "3"})))
        found = self.suite.get("httproute", "r")
        self.assertEqual({"b": "3"}, found["metadata"]["labels"])
        self.assertNotIn("hostnames", found["spec"])

    def test_identity_stays_and_generation_counts_changes_of_the_spec(self):
        def applied(route):
            self.suite.apply(documents(route))
            return self.suite.get("httproute", "identity")["metadata"]
        first = applied(self.route("identity"))
        self.assertEqual(1, first["generation"])
        same = applied(self.route("identity"))
        self.assertEqual((1, first["resourceVersion"]), (same["generation"], same["resourceVersion"]))
        labelled = applied(self.route("identity", labels={"a": "b"}))
        self.assertEqual(1, labelled["generation"])
        self.assertNotEqual(first["resourceVersion"], labelled["resourceVersion"])
        changed = applied(self.route("identity", hostnames=["x.example"]))
        self.assertEqual(2, changed["generation"])
        for kept in ("uid", "creationTimestamp", "name", "namespace"):
            self.assertEqual(first[kept], changed[kept])
        self.suite.delete("httproute", "identity")
        anew = applied(self.route("identity"))
        self.assertEqual(1, anew["generation"])
        self.assertNotEqual(first["uid"], anew["uid"])

    def test_a_status_that_is_applied_is_ignored(self):
        route = self.route("forged")
        route["status"] = {"parents": [{"parentRef": {"name": "forged"}, "controllerName": "example.org/forged",
                                        "conditions": []}]}
        self.suite.apply(documents(route))
        self.assertNotIn("forged", json.dumps(self.suite.parents("forged")))

    def test_not_found(self):
        for arguments in [("get", "httproute", "absent"), ("delete", "httproute", "absent"),
                          ("get", "gateway", "same", "-n", "elsewhere")]:
            with self.subTest(arguments):
                result = self.suite.apkctl(*arguments, check=False)
                self.assertNotEqual(0, result.returncode)
                self.assertIn("not found", result.stderr)

    def test_references_may_point_forward(self):
        address = own_address()
        echo = self.suite.echo("forward")
        self.suite.apply(documents(
            http_route("forward", ["forward"], [{"backendRefs": [to("forward")]}]),
            echo.manifest(), gateway("forward", address, [{}])))
        self.expect_backend("forward", address)
        self.expect_parent("forward", suite.ACCEPTED)

    def test_defaults_are_filled_in(self):
        self.suite.apply(documents({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
            "metadata": {"name": "defaults", "namespace": "default"},
            "spec": {"parentRefs": [{"name": "same"}], "rules": [{"backendRefs": [{"name": "v1", "port": 8080}]}]}}))
        spec = self.suite.get("httproute", "defaults")["spec"]
        self.assertEqual([{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "same"}],
                         spec["parentRefs"])
        self.assertEqual([path("/")], spec["rules"][0]["matches"])
        self.assertEqual([{"group": "", "kind": "Service", "name": "v1", "port": 8080, "weight": 1}],
                         spec["rules"][0]["backendRefs"])
        listener = self.suite.get("gateway", "same")["spec"]["listeners"][0]
        self.assertEqual({"namespaces": {"from": "Same"}}, listener["allowedRoutes"])

    def test_fields_that_do_not_matter_to_a_gateway_are_kept(self):
        owner = [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "d", "uid": "0"}]
        service = suite.service("kept", type="ClusterIP", sessionAffinity="None", clusterIP="10.0.0.1")
        service["metadata"].update(labels={"app": "kept"}, annotations={"note": "any text"}, ownerReferences=owner)
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": suite.metadata("kept"), "type": "Opaque",
                  "stringData": {"key": "value"}}
        self.suite.apply(documents(service, secret))
        found = self.suite.get("service", "kept")
        self.assertEqual({"app": "kept"}, found["spec"]["selector"])
        self.assertEqual("10.0.0.1", found["spec"]["clusterIP"])
        self.assertEqual(({"app": "kept"}, {"note": "any text"}, owner),
                         tuple(found["metadata"][k] for k in ("labels", "annotations", "ownerReferences")))
        found = self.suite.get("secret", "kept")
        self.assertEqual(("Opaque", {"key": "dmFsdWU="}), (found["type"], found["data"]))

    def test_an_older_version_is_read_as_the_stored_one(self):
        route = self.route("older")
        route["apiVersion"] = "gateway.networking.k8s.io/v1beta1"
        self.suite.apply(documents(route))
        self.assertEqual("gateway.networking.k8s.io/v1", self.suite.get("httproute", "older")["apiVersion"])

    def test_a_batch_with_an_error_changes_nothing(self):
        bad = self.route("bad", hostnames=["not a hostname"])
        result = self.suite.apply(documents(self.route("good"), bad), check=False)
        self.assertNotEqual(0, result.returncode)
        self.assertIn("spec.hostnames[0]", result.stderr)
        self.assertNotEqual(0, self.suite.apkctl("get", "httproute", "good", check=False).returncode)


if __name__ == "__main__":
    unittest.main()
