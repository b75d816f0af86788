"""Gateway and GatewayClass: addresses, ports, listeners, which routes they take, and their statuses."""
import pathlib
import socket
import unittest

import suite
from harness import make_certificate
from suite import ACCEPTED, PROGRAMMED, documents, gateway, http_route, own_address, path, to

GROUP = suite.GATEWAY_GROUP
ALL = {"namespaces": {"from": "All"}}


def gateway_class(name, **spec):
    return {"apiVersion": f"{GROUP}/v1", "kind": "GatewayClass", "metadata": {"name": name},
            "spec": {"controllerName": suite.CONTROLLER, **spec}}


class Classes(suite.SuiteTest):
    GATEWAYS = {}

    def test_the_class_apk_is_there_from_the_start(self):
        found = self.suite.get("gatewayclass", "apk")
        self.assertEqual(suite.CONTROLLER, found["spec"]["controllerName"])
        self.expect_object("gatewayclass", "apk", {"Accepted": ("True", "Accepted"),
                                                   "SupportedVersion": ("True", "SupportedVersion")})
        features = [f["name"] for f in found["status"]["supportedFeatures"]]
        self.assertEqual(sorted(features), features)
        self.assertIn("HTTPRoute", features)

    def test_other_classes_of_this_controller_are_served(self):
        address = own_address()
        self.suite.apply(documents(gateway_class("mine"), gateway("of-mine", address, [{}], gatewayClassName="mine")))
        self.expect_object("gatewayclass", "mine", {"Accepted": ("True", "Accepted")})
        self.expect_object("gateway", "of-mine", PROGRAMMED)
        self.expect_status(404, address)

    def test_foreign_and_unknown_classes_are_left_alone(self):
        address = own_address()
        self.suite.apply(documents(gateway_class("foreign", controllerName="example.org/other"),
                                   gateway("of-foreign", address, [{}], gatewayClassName="foreign"),
                                   gateway("of-unknown", address, [{}], gatewayClassName="unknown")))
        for kind, name in [("gatewayclass", "foreign"), ("gateway", "of-foreign"), ("gateway", "of-unknown")]:
            with self.subTest(name):  # What the schema gives to a new object, if anything.
                for condition in self.suite.status(kind, name)[0].get("conditions", []):
                    self.assertEqual(("Unknown", "Pending"), (condition["status"], condition["reason"]))
        self.expect_closed(address)

    def test_parameters_are_not_known(self):
        address = own_address()
        reference = {"group": "example.org", "kind": "Parameters", "name": "p"}
        self.suite.apply(documents(
            gateway_class("with-parameters", parametersRef=reference),
            gateway("of-it", address, [{}], gatewayClassName="with-parameters"),
            gateway("with-its-own", address, [{}], infrastructure={"parametersRef": reference})))
        self.expect_object("gatewayclass", "with-parameters", {"Accepted": ("False", "InvalidParameters")})
        for name in ["of-it", "with-its-own"]:
            with self.subTest(name):
                self.expect_object("gateway", name, {"Accepted": ("False", "InvalidParameters"),
                                                     "Programmed": ("False", "Invalid")})
        self.expect_closed(address)

    def test_observed_generation_follows_a_change(self):
        self.suite.apply(documents(gateway_class("changing", description="one")))
        self.suite.apply(documents(gateway_class("changing", description="two")))
        self.assertEqual(2, self.suite.status("gatewayclass", "changing")[1])
        self.expect_object("gatewayclass", "changing", {"Accepted": ("True", "Accepted")})


class Addresses(suite.SuiteTest):
    BACKENDS = ["v1", "v2"]
    GATEWAYS = {}

    def test_two_gateways_have_addresses_of_their_own(self):
        one, two = own_address(), own_address()
        self.suite.apply(documents(
            gateway("one", one, [{}]), gateway("two", two, [{}]),
            http_route("one", ["one"], [{"backendRefs": [to("v1")]}]),
            http_route("two", ["two"], [{"backendRefs": [to("v2")]}])))
        self.expect_backend("v1", one)
        self.expect_backend("v2", two)
        for name, address in [("one", one), ("two", two)]:
            self.expect_object("gateway", name, PROGRAMMED)
            self.assertEqual([{"type": "IPAddress", "value": address}],
                             self.suite.status("gateway", name)[0]["addresses"])

    def test_all_listeners_are_bound_to_every_address(self):
        one, two = own_address(), own_address()
        self.suite.apply(documents(
            gateway("twofold", None, [{}, {"name": "other", "port": 8081}],
                    addresses=[{"value": one}, {"type": "IPAddress", "value": two}]),
            http_route("twofold", ["twofold"], [{"backendRefs": [to("v1")]}])))
        for address in (one, two):
            for port in (8080, 8081):
                self.expect_backend("v1", (address, port))
        self.assertEqual([one, two], [a["value"] for a in self.suite.status("gateway", "twofold")[0]["addresses"]])

    def test_without_addresses_it_is_the_agents(self):
        self.suite.apply(documents(gateway("plain", None, [{}]),
                                   http_route("plain", ["plain"], [{"backendRefs": [to("v1")]}])))
        self.assertEqual(self.suite.agent_address, self.suite.address_of("plain"))
        self.expect_backend("v1", self.suite.agent_address)
        self.suite.delete("gateway", "plain")

    def test_the_agents_address_may_be_named_beside_gateways_without_addresses(self):
        own = self.suite.agent_address
        self.suite.apply(documents(
            gateway("unnamed", None, [{"hostname": "a.test"}]),
            gateway("named", own, [{"hostname": "b.test"}, {"name": "taken", "hostname": "a.test"}]),
            http_route("unnamed", ["unnamed"], [{"backendRefs": [to("v1")]}]),
            http_route("named", ["named"], [{"backendRefs": [to("v2")]}])))
        for name in ("unnamed", "named"):
            self.addCleanup(self.suite.delete, "gateway", name)
        self.expect_object("gateway", "unnamed", PROGRAMMED)
        self.expect_listener("named", "http", PROGRAMMED)
        self.expect_listener("named", "taken", {"Accepted": ("False", "PortUnavailable")})
        self.expect_backend("v1", own, host="a.test")
        self.expect_backend("v2", own, host="b.test")
        # Each connection comes to the same socket.
        for _ in range(20):
            self.expect_backend("v1", own, host="a.test")
            self.expect_backend("v2", own, host="b.test")

    def test_an_address_without_value_is_picked_and_stays(self):
        def spec(port):
            return [gateway(name, None, [{"port": port}], addresses=[{"type": "IPAddress"}]) for name in ("open", "open2")]
        self.suite.apply(documents(*spec(8080), http_route("open", ["open"], [{"backendRefs": [to("v1")]}])))
        self.expect_object("gateway", "open", PROGRAMMED)
        address = self.suite.address_of("open")
        self.assertTrue(address.startswith("127."))
        self.assertNotEqual(address, self.suite.address_of("open2"))
        self.expect_backend("v1", address)
        self.suite.apply(documents(*spec(8081)))
        self.assertEqual(address, self.suite.address_of("open"))
        self.expect_backend("v1", (address, 8081))

    def test_an_address_that_no_node_has(self):
        usable = own_address()
        addresses = [{"type": "example.org/named", "value": "x"}, {"type": "IPAddress", "value": "192.0.2.1"},
                     {"type": "IPAddress", "value": usable}]
        self.suite.apply(documents(gateway("static", None, [{}], addresses=addresses)))
        self.expect_object("gateway", "static", {"Accepted": ("False", "UnsupportedAddress"),
                                                 "Programmed": ("False", "Invalid")})
        self.suite.apply(documents(gateway("static", None, [{}], addresses=addresses[1:])))
        self.expect_object("gateway", "static", {"Accepted": ("True", "Accepted"),
                                                 "Programmed": ("False", "AddressNotUsable")})
        self.assertEqual([usable], [a["value"] for a in self.suite.status("gateway", "static")[0]["addresses"]])
        self.suite.apply(documents(gateway("static", None, [{}], addresses=addresses[2:])))
        self.expect_object("gateway", "static", PROGRAMMED)
        self.expect_listener("static", "http", {**PROGRAMMED, "ResolvedRefs": ("True", "ResolvedRefs")})
        self.assertEqual([{"type": "IPAddress", "value": usable}], self.suite.status("gateway", "static")[0]["addresses"])

    def test_ports_are_freed(self):
        address = own_address()
        self.suite.apply(documents(gateway("passing", address, [{}, {"name": "second", "port": 8081}])))
        self.expect_status(404, address)
        self.expect_status(404, (address, 8081))
        self.suite.apply(documents(gateway("passing", address, [{}])))
        self.expect_closed((address, 8081))
        self.suite.delete("gateway", "passing")
        self.expect_closed(address)
        with socket.create_server((address, 8080)):  # Nothing of it is left.
            pass

    def test_a_port_that_is_taken(self):
        address = own_address()
        with socket.create_server((address, 8080)):
            self.suite.apply(documents(gateway("late", address, [{}, {"name": "free", "port": 8081}])))
            self.expect_listener("late", "http", {"Accepted": ("False", "PortUnavailable"),
                                                  "Programmed": ("False", "Invalid")})
            self.expect_listener("late", "free", PROGRAMMED)
            self.expect_object("gateway", "late", {"Accepted": ("True", "ListenersNotValid")})
            self.expect_status(404, (address, 8081))

    def test_infrastructure_is_accepted(self):
        self.suite.apply(documents(gateway(
            "labelled", own_address(), [{}],
            infrastructure={"labels": {"example.org/a": "b"}, "annotations": {"note": "free text, of any kind"}})))
        self.expect_object("gateway", "labelled", PROGRAMMED)
        kept = self.suite.get("gateway", "labelled")["spec"]["infrastructure"]
        self.assertEqual({"labels": {"example.org/a": "b"}, "annotations": {"note": "free text, of any kind"}}, kept)

    def test_an_older_gateway_keeps_what_two_want(self):
        address = own_address()
        self.suite.apply(documents(gateway("a-first", address, [{}]),
                                   http_route("a-first", ["a-first"], [{"backendRefs": [to("v1")]}])))
        self.suite.apply(documents(gateway("b-second", address, [{}, {"name": "else", "port": 8081}])))
        self.expect_listener("b-second", "http", {"Accepted": ("False", "Invalid"),
                                                  "Conflicted": ("True", "HostnameConflict")})
        self.expect_listener("b-second", "else", PROGRAMMED)
        self.expect_listener("a-first", "http", PROGRAMMED)
        self.expect_backend("v1", address)


class Listeners(suite.SuiteTest):
    BACKENDS = ["empty", "wild", "long", "exact"]
    GATEWAYS = {"isolated": [
        {"name": "empty"}, {"name": "wild", "hostname": "*.example.com"},
        {"name": "long", "hostname": "*.foo.example.com"}, {"name": "exact", "hostname": "abc.foo.example.com"}]}
    MANIFEST = [
        http_route(f"to-{name}", [{"name": "isolated", "sectionName": name}],
                   [{"matches": [path(f"/{name}")], "backendRefs": [to(name)]}])
        for name in ("empty", "wild", "long", "exact")]

    def test_a_request_belongs_to_the_most_specific_listener_alone(self):
        hosts = {"bar.com": "empty", "example.com": "empty", "bar.example.com": "wild", "a.b.example.com": "wild",
                 "foo.example.com": "wild", "bar.foo.example.com": "long", "a.b.foo.example.com": "long",
                 "abc.foo.example.com": "exact", "ABC.foo.example.com:80": "exact"}
        for host, wanted in hosts.items():
            for name in ("empty", "wild", "long", "exact"):
                with self.subTest(host=host, path=name):
                    if name == wanted:
                        self.expect_backend(name, "isolated", f"/{name}", host=host)
                    else:
                        self.expect_status(404, "isolated", f"/{name}", host=host)

    def test_every_listener_counts_its_routes(self):
        for name in ("empty", "wild", "long", "exact"):
            self.expect_attached("isolated", name, 1)
            self.expect_listener("isolated", name, {**ACCEPTED, "Programmed": ("True", "Programmed"),
                                                    "Conflicted": ("False", "NoConflicts")})
            self.assertEqual("HTTPRoute", self.suite.listener("isolated", name)["supportedKinds"][-1]["kind"])


class HostnameIntersection(suite.SuiteTest):
    BACKENDS = ["v1"]
    GATEWAYS = {"hosts": [{"name": "exact", "hostname": "very.specific.com"}, {"name": "wild", "hostname": "*.wild.io"},
                          {"name": "sub", "hostname": "*.any.net"}]}
    MANIFEST = [
        http_route("exact", ["hosts"], [{"matches": [path("/exact")], "backendRefs": [to("v1")]}],
                   hostnames=["non.matching.com", "*.nonmatching.io", "very.specific.com"]),
        http_route("under-wild", ["hosts"], [{"matches": [path("/under")], "backendRefs": [to("v1")]}],
                   hostnames=["wild.io", "foo.wild.io", "a.foo.wild.io"]),
        http_route("wilder", ["hosts"], [{"matches": [path("/wilder")], "backendRefs": [to("v1")]}],
                   hostnames=["*.specific.com", "*.wild.io"]),
        http_route("none", ["hosts"], [{"matches": [path("/none")], "backendRefs": [to("v1")]}],
                   hostnames=["specific.but.wrong.com", "wild.io"]),
        http_route("unnamed", [{"name": "hosts", "sectionName": "sub"}],
                   [{"matches": [path("/unnamed")], "backendRefs": [to("v1")]}]),
    ]

    def test_what_both_sides_name(self):
        for target, host in [("/exact", "very.specific.com"), ("/under", "foo.wild.io"), ("/under", "a.foo.wild.io"),
                             ("/wilder", "very.specific.com"), ("/wilder", "x.wild.io"), ("/wilder", "x.y.wild.io"),
                             ("/unnamed", "x.any.net"), ("/unnamed", "x.y.any.net")]:
            with self.subTest(target, host=host):
                self.expect_backend("v1", "hosts", target, host=host)

    def test_what_one_side_lacks(self):
        for target, host in [("/exact", "non.matching.com"), ("/exact", "x.nonmatching.io"), ("/under", "wild.io"),
                             ("/under", "bar.wild.io"), ("/wilder", "non.specific.com"), ("/wilder", "wild.io"),
                             ("/none", "specific.but.wrong.com"), ("/none", "wild.io"), ("/unnamed", "any.net"),
                             ("/unnamed", "foo.wild.io")]:
            with self.subTest(target, host=host):
                self.expect_status(404, "hosts", target, host=host)

    def test_statuses(self):
        for name in ("exact", "under-wild", "wilder", "unnamed"):
            self.expect_parent(name, ACCEPTED)
        self.expect_parent("none", {"Accepted": ("False", "NoMatchingListenerHostname")})
        self.expect_attached("hosts", "exact", 2)
        self.expect_attached("hosts", "wild", 2)
        self.expect_attached("hosts", "sub", 1)


class AllowedRoutes(suite.SuiteTest):
    BACKENDS = ["v1"]
    GATEWAYS = {"doors": [
        {"name": "same", "hostname": "same.example"},
        {"name": "all", "hostname": "all.example", "allowedRoutes": ALL},
        {"name": "selected", "hostname": "selected.example", "allowedRoutes": {"namespaces": {
            "from": "Selector", "selector": {"matchLabels": {"tier": "front"}, "matchExpressions": [
                {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["shut"]}]}}}}]}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        grant = {"apiVersion": f"{GROUP}/v1beta1", "kind": "ReferenceGrant", "metadata": suite.metadata("routes"),
                 "spec": {"from": [{"group": GROUP, "kind": "HTTPRoute", "namespace": n} for n in ("open", "shut", "dark")],
                          "to": [{"group": "", "kind": "Service"}]}}
        parts = [suite.namespace("open", tier="front"), suite.namespace("shut", tier="front"),
                 suite.namespace("dark", tier="back"), grant]
        for space in ("default", "open", "shut", "dark"):
            parts += [http_route(f"{space}-{door}", [{"name": "doors", "namespace": "default", "sectionName": door}],
                                 [{"matches": [path(f"/{space}")], "backendRefs": [to("v1", namespace="default")]}],
                                 namespace=space) for door in ("same", "all", "selected")]
        cls.suite.apply(documents(*parts))

    def test_who_may_come_in(self):
        allowed = {"same": ["default"], "all": ["default", "open", "shut", "dark"], "selected": ["open"]}
        for door, spaces in allowed.items():
            for space in ("default", "open", "shut", "dark"):
                with self.subTest(door=door, namespace=space):
                    if space in spaces:
                        self.expect_parent(f"{space}-{door}", ACCEPTED, namespace=space)
                        self.expect_backend("v1", "doors", f"/{space}", host=f"{door}.example")
                    else:
                        self.expect_parent(f"{space}-{door}", {"Accepted": ("False", "NotAllowedByListeners")},
                                           namespace=space)
                        self.expect_status(404, "doors", f"/{space}", host=f"{door}.example")
            self.expect_attached("doors", door, len(spaces))

    def test_a_label_that_changes(self):
        self.suite.apply(documents(suite.namespace("dark", tier="front")))
        self.expect_backend("v1", "doors", "/dark", host="selected.example")
        self.suite.apply(documents(suite.namespace("dark", tier="back")))
        self.expect_status(404, "doors", "/dark", host="selected.example")
        self.expect_parent("dark-selected", {"Accepted": ("False", "NotAllowedByListeners")}, namespace="dark")

    def test_the_status_names_the_parent_as_written(self):
        parent = self.suite.parents("open-all", "open")[0]
        self.assertEqual({"group": GROUP, "kind": "Gateway", "name": "doors", "namespace": "default",
                          "sectionName": "all"}, parent["parentRef"])
        self.assertEqual(suite.CONTROLLER, parent["controllerName"])


class InvalidListeners(suite.SuiteTest):
    BACKENDS = ["v1"]
    GATEWAYS = {
        "kinds": [{"name": "only-invalid", "allowedRoutes": {"kinds": [{"kind": "UDPRoute"}]}},
                  {"name": "mixed", "port": 8081, "allowedRoutes": {"kinds": [
                      {"kind": "HTTPRoute"}, {"group": "example.org", "kind": "HTTPRoute"}]}}],
        "all-invalid": [{"name": "invalid", "protocol": "WRONG"}],
        "part-invalid": [{}, {"name": "invalid", "port": 8081, "protocol": "example.org/wrong"}],
        "conflicts": [{"name": "a", "hostname": "a.example"}, {"name": "b", "hostname": "a.example", "port": 8081},
                      {"name": "tls", "port": 8082, "protocol": "HTTPS",
                       "tls": {"certificateRefs": [{"name": "absent"}]}},
                      {"name": "plain", "port": 8082},
                      {"name": "https", "port": 8083, "hostname": "a.example", "protocol": "HTTPS",
                       "tls": {"certificateRefs": [{"name": "absent"}]}},
                      {"name": "passed", "port": 8083, "hostname": "a.example", "protocol": "TLS",
                       "tls": {"mode": "Passthrough"}}],
    }

    def kinds_of(self, name, listener):
        return [k["kind"] for k in self.suite.listener(name, listener)["supportedKinds"]]

    def test_kinds_of_routes_that_do_not_exist(self):
        for name in ("only-invalid", "mixed"):
            self.expect_listener("kinds", name, {"ResolvedRefs": ("False", "InvalidRouteKinds")})
        self.assertEqual([], self.kinds_of("kinds", "only-invalid"))
        self.assertEqual(["HTTPRoute"], self.kinds_of("kinds", "mixed"))
        self.suite.apply(documents(http_route("kinds", ["kinds"], [{"backendRefs": [to("v1")]}])))
        self.expect_backend("v1", ("kinds", 8081))
        self.expect_attached("kinds", "only-invalid", 0)
        self.expect_attached("kinds", "mixed", 1)

    def test_protocols_that_are_not_supported(self):
        self.expect_object("gateway", "all-invalid", {"Accepted": ("False", "ListenersNotValid"),
                                                      "Programmed": ("False", "Invalid")})
        self.expect_listener("all-invalid", "invalid", {"Accepted": ("False", "UnsupportedProtocol")})
        self.assertEqual([], self.kinds_of("all-invalid", "invalid"))
        self.expect_object("gateway", "part-invalid", {"Accepted": ("True", "ListenersNotValid")})
        self.expect_listener("part-invalid", "http", PROGRAMMED)
        self.expect_listener("part-invalid", "invalid", {"Accepted": ("False", "UnsupportedProtocol")})
        self.expect_status(404, "part-invalid")

    def test_two_protocols_on_one_port(self):
        for name in ("tls", "plain", "https", "passed"):
            self.expect_listener("conflicts", name, {"Accepted": ("False", "Invalid"),
                                                     "Programmed": ("False", "Invalid"),
                                                     "Conflicted": ("True", "ProtocolConflict")})
        for name in ("a", "b"):
            self.expect_listener("conflicts", name, {"Conflicted": ("False", "NoConflicts"), **PROGRAMMED})
        self.expect_object("gateway", "conflicts", {"Accepted": ("True", "ListenersNotValid")})
        self.expect_closed(("conflicts", 8082))


class OverlappingTls(suite.SuiteTest):
    """HTTPS listeners on one port whose hostnames overlap say so: a client may reuse a connection for both."""
    BACKENDS = ["v1"]
    TLS = {"protocol": "HTTPS", "tls": {"certificateRefs": [{"name": "pair"}]}}
    GATEWAYS = {"tls": [
        {"name": "foo", "port": 8443, "hostname": "foo.example.org", **TLS},
        {"name": "wild", "port": 8443, "hostname": "*.example.org", **TLS},
        {"name": "apart", "port": 8443, "hostname": "apart.example.com", **TLS},
        {"name": "elsewhere", "port": 8444, "hostname": "foo.example.org", **TLS}]}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        chain, key = make_certificate(cls.suite.directory / "pair", "foo.example.org")
        cls.pair = documents({"apiVersion": "v1", "kind": "Secret", "metadata": suite.metadata("pair"),
                              "type": "kubernetes.io/tls", "stringData": {"tls.crt": pathlib.Path(chain).read_text(),
                                                                          "tls.key": pathlib.Path(key).read_text()}})
        cls.suite.apply(cls.pair)

    def test_the_condition(self):
        for name in ("foo", "wild"):
            self.expect_listener("tls", name, {**PROGRAMMED, "OverlappingTLSConfig": ("True", "OverlappingHostnames")})
        for name in ("apart", "elsewhere"):
            self.expect_listener("tls", name, PROGRAMMED)
            self.assertNotIn("OverlappingTLSConfig",
                             suite.told(self.suite.listener("tls", name)["conditions"]))

    def test_a_secret_that_goes(self):
        self.suite.delete("secret", "pair")
        self.expect_listener("tls", "apart", {"Accepted": ("True", "Accepted"), "Programmed": ("False", "Invalid"),
                                              "ResolvedRefs": ("False", "InvalidCertificateRef")})
        self.expect_object("gateway", "tls", {"Accepted": ("False", "ListenersNotValid")})
        self.expect_closed(("tls", 8443))
        self.suite.apply(self.pair)
        self.expect_object("gateway", "tls", PROGRAMMED)


class Changes(suite.SuiteTest):
    BACKENDS = ["v1"]
    GATEWAYS = {"moving": [{}]}
    MANIFEST = [http_route("all", ["moving"], [{"backendRefs": [to("v1")]}])]

    def change(self, *listeners, **spec):
        self.suite.apply(documents(gateway("moving", self.places["moving"], listeners, **spec)))

    def test_connections_of_other_listeners_stay(self):
        with suite.RawClient(self.places["moving"], 8080) as client:
            def ask():
                client.send("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")
                self.assertEqual(200, client.read_response()[0])
            ask()
            self.change({}, {"name": "more", "port": 8081})
            ask()
            self.expect_backend("v1", ("moving", 8081))
            self.change({}, {"name": "more", "port": 8082, "hostname": "more.example"})
            ask()
            self.expect_closed(("moving", 8081))
            self.expect_backend("v1", ("moving", 8082), host="more.example")
            self.change({})
            ask()

    def test_generation_is_observed(self):
        _, before = self.suite.status("gateway", "moving")
        self.change({}, {"name": "observed", "port": 8083})
        self.assertEqual(before + 1, self.suite.status("gateway", "moving")[1])
        self.expect_object("gateway", "moving", PROGRAMMED)
        self.expect_listener("moving", "observed", PROGRAMMED)
        self.expect_listener("moving", "http", PROGRAMMED)
        self.expect_attached("moving", "observed", 1)

    def test_statuses_of_listeners_that_are_gone_go(self):
        self.change({}, {"name": "passing", "port": 8084})
        self.assertIsNotNone(self.suite.listener("moving", "passing"))
        self.change({})
        self.assertIsNone(self.suite.listener("moving", "passing"))


class RoutesOfParents(suite.SuiteTest):
    """parentRefs: by name, sectionName, port; what does not fit."""
    BACKENDS = ["v1"]
    GATEWAYS = {"ports": [{"name": "one"}, {"name": "two", "port": 8081}]}

    def parent(self, **extra):
        return {"name": "ports", **extra}

    def attach(self, *parents):
        self.suite.apply(documents(http_route("r", list(parents), [{"backendRefs": [to("v1")]}])))

    def test_by_port(self):
        self.attach(self.parent(port=8081))
        self.expect_status(404, "ports")
        self.expect_backend("v1", ("ports", 8081))
        self.expect_parent("r", ACCEPTED)
        self.expect_attached("ports", "one", 0)
        self.expect_attached("ports", "two", 1)

    def test_by_section_name(self):
        self.attach(self.parent(sectionName="one"))
        self.expect_backend("v1", "ports")
        self.expect_status(404, ("ports", 8081))

    def test_what_does_not_exist(self):
        for wrong in [{"sectionName": "three"}, {"port": 1}, {"sectionName": "one", "port": 8081}]:
            with self.subTest(wrong):
                self.attach(self.parent(**wrong))
                self.expect_parent("r", {"Accepted": ("False", "NoMatchingParent")})
                self.expect_status(404, "ports")

    def test_one_status_a_parent(self):
        self.attach(self.parent(sectionName="one"), self.parent(sectionName="three"))
        self.expect_parent("r", ACCEPTED, index=0)
        self.expect_parent("r", {"Accepted": ("False", "NoMatchingParent")}, index=1)
        self.assertEqual(["one", "three"], [p["parentRef"]["sectionName"] for p in self.suite.parents("r")])
        self.expect_backend("v1", "ports")

    def test_a_gateway_that_comes_later(self):
        address = own_address()
        self.suite.apply(documents(http_route("early", ["later"], [{"backendRefs": [to("v1")]}])))
        self.suite.apply(documents(gateway("later", address, [{}])))
        self.expect_parent("early", ACCEPTED)
        self.expect_backend("v1", address)


if __name__ == "__main__":
    unittest.main()
