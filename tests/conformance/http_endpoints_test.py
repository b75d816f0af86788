"""Services as backends: EndpointSlices by port name, what their conditions mean, headless and manual Services."""
import collections
import unittest

import suite
from suite import documents, endpoint_slice, http_route, path, service, to


def pod(address="127.0.0.1", **conditions):
    return {"addresses": [address], "conditions": conditions}


class Endpoints(suite.SuiteTest):
    BACKENDS = ["first", "second"]

    def apply(self, name, svc, *slices):
        self.suite.apply(documents(svc, *slices, http_route(name, ["same"], [
            {"backendRefs": [to(name)]}], hostnames=[f"{name}.example"])))

    def port(self, name):
        return self.suite.echoes["default", name].port

    def test_ports_are_matched_by_name(self):
        ports = [{"name": "web", "port": 8080, "targetPort": 1}, {"name": "other", "port": 8081, "targetPort": 2}]
        self.apply("by-name", service("by-name", ports=ports),
                   endpoint_slice("by-name", ["127.0.0.1"], self.port("first"), port_name="web", suffix="a"),
                   endpoint_slice("by-name", ["127.0.0.1"], self.port("second"), port_name="other", suffix="b"))
        for _ in range(6):
            self.expect_backend("first", "same", host="by-name.example")

    def test_all_slices_count_and_each_endpoint_once(self):
        self.apply("sliced", service("sliced"),
                   endpoint_slice("sliced", ["127.0.0.1"], self.port("first"), suffix="a"),
                   endpoint_slice("sliced", ["127.0.0.1"], self.port("first"), suffix="b"),
                   endpoint_slice("sliced", ["127.0.0.1"], self.port("second"), suffix="c"))
        counts = collections.Counter(self.send("same", host="sliced.example").backend for _ in range(20))
        self.assertEqual({"first", "second"}, set(counts))
        self.assertTrue(5 <= counts["first"] <= 15, counts)

    def test_ready_endpoints_are_used(self):
        self.apply("ready", service("ready"),
                   endpoint_slice("ready", [pod(ready=False)], self.port("first"), suffix="a"),
                   endpoint_slice("ready", [pod()], self.port("second"), suffix="b"))
        for _ in range(6):
            self.expect_backend("second", "same", host="ready.example")

    def test_no_endpoint_is_ready(self):
        self.apply("unready", service("unready"),
                   endpoint_slice("unready", [pod(ready=False, serving=False)], self.port("first")))
        self.expect_status(503, "same", host="unready.example")
        self.expect_parent("unready", suite.ACCEPTED)

    def test_the_last_ones_on_their_way_out_serve(self):
        leaving = pod(ready=False, serving=True, terminating=True)
        self.apply("leaving", service("leaving"), endpoint_slice("leaving", [leaving], self.port("first"), suffix="a"))
        self.expect_backend("first", "same", host="leaving.example")
        self.suite.apply(documents(endpoint_slice("leaving", [pod(ready=True)], self.port("second"), suffix="b")))
        for _ in range(6):
            self.expect_backend("second", "same", host="leaving.example")

    def test_headless_services(self):
        self.apply("headless", service("headless", clusterIP="None"),
                   endpoint_slice("headless", ["127.0.0.1"], self.port("first")))
        self.expect_backend("first", "same", host="headless.example")

    def test_manual_services(self):
        manual = service("manual")
        del manual["spec"]["selector"]
        self.apply("manual", manual, endpoint_slice("manual", ["127.0.0.1"], self.port("second")))
        self.expect_backend("second", "same", host="manual.example")

    def test_unnamed_ports(self):
        unnamed = endpoint_slice("unnamed", ["127.0.0.1"], self.port("first"))
        del unnamed["ports"][0]["name"]
        self.apply("unnamed", service("unnamed", ports=[{"port": 8080}]), unnamed)
        self.expect_backend("first", "same", host="unnamed.example")

    def test_an_unknown_protocol_of_an_application(self):
        ports = [{"name": "http", "port": 8080, "appProtocol": "example.com/odd"}]
        self.apply("odd", service("odd", ports=ports), endpoint_slice("odd", ["127.0.0.1"], self.port("first")))
        self.expect_parent("odd", {"Accepted": ("True", "Accepted"), "ResolvedRefs": ("False", "UnsupportedProtocol")})
        self.expect_status(500, "same", host="odd.example")


class ParentPorts(suite.SuiteTest):
    BACKENDS = ["v1", "v2", "v3"]
    GATEWAYS = {"ports": [{"name": "one", "port": 8081}, {"name": "two", "port": 8080}, {"name": "three", "port": 8090}]}
    MANIFEST = [
        http_route("by-port", [{"name": "ports", "port": 8081}], [{"backendRefs": [to("v1")]}]),
        http_route("by-name-and-port", [{"name": "ports", "port": 8080, "sectionName": "two"}],
                   [{"backendRefs": [to("v2")]}]),
        http_route("two-ports", [{"name": "ports", "port": 8081}, {"name": "ports", "port": 8090}],
                   [{"matches": [path("/both")], "backendRefs": [to("v3")]}]),
        http_route("disagree", [{"name": "ports", "port": 8081, "sectionName": "two"}], [{"backendRefs": [to("v1")]}]),
        http_route("no-port", [{"name": "ports", "port": 8099}], [{"backendRefs": [to("v1")]}]),
    ]

    def test_a_route_serves_the_port_that_it_names(self):
        self.expect_backend("v1", ("ports", 8081))
        self.expect_backend("v2", ("ports", 8080))
        self.expect_status(404, ("ports", 8090))
        self.expect_backend("v3", ("ports", 8081), "/both")
        self.expect_backend("v2", ("ports", 8080), "/both")
        self.expect_backend("v3", ("ports", 8090), "/both")

    def test_statuses(self):
        for name in ("by-port", "by-name-and-port"):
            self.expect_parent(name, suite.ACCEPTED)
        self.expect_parent("two-ports", suite.ACCEPTED, index=0)
        self.expect_parent("two-ports", suite.ACCEPTED, index=1)
        for name in ("disagree", "no-port"):
            self.expect_parent(name, {"Accepted": ("False", "NoMatchingParent")})
        self.expect_attached("ports", "one", 2)
        self.expect_attached("ports", "two", 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
