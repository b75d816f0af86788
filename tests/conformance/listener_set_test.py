"""ListenerSet: listeners that other people add to a Gateway."""
import unittest

import suite
from suite import ACCEPTED, PROGRAMMED, documents, gateway, http_route, own_address, path, to

GROUP = suite.GATEWAY_GROUP
NOT_ALLOWED = {"Accepted": ("False", "NotAllowed"), "Programmed": ("False", "NotAllowed")}
NOT_VALID = {"Accepted": ("False", "ListenersNotValid"), "Programmed": ("False", "ListenersNotValid")}


def conflicted(reason):
    return {"Accepted": ("False", reason), "Programmed": ("False", reason), "Conflicted": ("True", reason)}


def listener_set(name, parent, listeners, namespace="default"):
    """`parent`: the name of a Gateway in namespace default."""
    filled = [{"name": "http", "port": 8080, "protocol": "HTTP", **listener} for listener in listeners]
    return {"apiVersion": f"{GROUP}/v1", "kind": "ListenerSet", "metadata": suite.metadata(name, namespace),
            "spec": {"parentRef": {"name": parent, "namespace": "default"}, "listeners": filled}}


def of_set(name, **extra):
    return {"group": GROUP, "kind": "ListenerSet", "name": name, **extra}


def admits(**namespaces):
    return {"allowedListeners": {"namespaces": namespaces}}


class SetTest(suite.SuiteTest):
    GATEWAYS = {}

    def expect_set(self, name, expected, namespace="default"):
        self.expect_object("listenerset", name, expected, namespace)

    def expect_entry(self, name, listener, expected, namespace="default"):
        self.expect_listener(name, listener, expected, namespace, kind="listenerset")

    def expect_sets(self, name, count):
        suite.eventually(lambda: self.suite.status("gateway", name)[0].get("attachedListenerSets") == count,
                         f"{count} ListenerSets are attached to {name}")


class Handshake(SetTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.suite.apply(documents(suite.namespace("open", team="a"), suite.namespace("shut", team="b")))

    def try_namespaces(self, name, allowed, **gateway_spec):
        address = own_address()
        spaces = ("default", "open", "shut")
        self.suite.apply(documents(
            gateway(name, address, [{}], **gateway_spec),
            *[listener_set(name, name, [{"hostname": f"{space}.example"}], space) for space in spaces]))
        for space in spaces:
            with self.subTest(gateway=name, namespace=space):
                self.expect_set(name, PROGRAMMED if space in allowed else NOT_ALLOWED, space)
        self.expect_sets(name, len(allowed))
        self.expect_object("gateway", name, PROGRAMMED)

    def test_none_are_admitted_by_default(self):
        self.try_namespaces("by-default", [])

    def test_none(self):
        self.try_namespaces("none", [], **admits(**{"from": "None"}))

    def test_same(self):
        self.try_namespaces("same", ["default"], **admits(**{"from": "Same"}))

    def test_all(self):
        self.try_namespaces("all", ["default", "open", "shut"], **admits(**{"from": "All"}))

    def test_selector(self):
        self.try_namespaces("selector", ["open"],
                            **admits(**{"from": "Selector", "selector": {"matchLabels": {"team": "a"}}}))

    def test_a_parent_that_is_not_accepted(self):
        parameters = {"parametersRef": {"group": "example.org", "kind": "P", "name": "p"}}
        self.suite.apply(documents(
            gateway("refused", own_address(), [{}], infrastructure=parameters, **admits(**{"from": "All"})),
            listener_set("of-refused", "refused", [{"port": 8081}])))
        self.expect_set("of-refused", {"Accepted": ("False", "ParentNotAccepted"),
                                       "Programmed": ("False", "ParentNotAccepted")})
        self.expect_sets("refused", 0)

    def test_a_parent_that_does_not_exist_yet(self):
        self.suite.apply(documents(listener_set("early", "late", [{"port": 8081}])))
        self.assertEqual({}, self.suite.status("listenerset", "early")[0])
        self.suite.apply(documents(gateway("late", own_address(), [{}], **admits(**{"from": "Same"}))))
        self.expect_set("early", PROGRAMMED)

    def test_an_admission_that_is_taken_back(self):
        address = own_address()
        self.suite.apply(documents(gateway("fickle", address, [{}], **admits(**{"from": "Same"})),
                                   listener_set("fickle", "fickle", [{"name": "more", "port": 8081}])))
        self.expect_status(404, (address, 8081))
        self.suite.apply(documents(gateway("fickle", address, [{}])))
        self.expect_set("fickle", NOT_ALLOWED)
        self.expect_closed((address, 8081))


class Routes(SetTest):
    BACKENDS = ["gateway", "one", "two"]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.places["parent"] = own_address()
        cls.suite.apply(documents(
            gateway("parent", cls.places["parent"], [{"name": "own", "hostname": "own.example"}],
                    **admits(**{"from": "All"})),
            suite.namespace("team"),
            listener_set("set", "parent", [{"name": "one", "hostname": "one.example"},
                                           {"name": "two", "hostname": "two.example"}]),
            listener_set("far", "parent", [{"name": "one", "hostname": "far.example"}], "team"),
            http_route("to-gateway", ["parent"], [{"matches": [path("/gateway")], "backendRefs": [to("gateway")]}]),
            http_route("to-set", [of_set("set")], [{"matches": [path("/set")], "backendRefs": [to("one")]}]),
            http_route("to-two", [of_set("set", sectionName="two")],
                       [{"matches": [path("/two")], "backendRefs": [to("two")]}]),
            http_route("to-both", ["parent", of_set("set", sectionName="absent")],
                       [{"matches": [path("/both")], "backendRefs": [to("gateway")]}]),
            http_route("by-name-of-set", [{"name": "parent", "sectionName": "one"}], [{"backendRefs": [to("one")]}]),
            http_route("to-far", [of_set("far", namespace="team")], [{"backendRefs": [to("one")]}])))

    def test_a_route_attaches_to_what_it_names_only(self):
        for host, target, backend in [
                ("own.example", "/gateway", "gateway"), ("own.example", "/both", "gateway"),
                ("one.example", "/set", "one"), ("two.example", "/set", "one"), ("two.example", "/two", "two")]:
            with self.subTest(host, path=target):
                self.expect_backend(backend, "parent", target, host=host)
        for host, target in [("own.example", "/set"), ("one.example", "/gateway"), ("two.example", "/gateway"),
                             ("one.example", "/two"), ("one.example", "/both"), ("far.example", "/")]:
            with self.subTest(host, path=target):
                self.expect_status(404, "parent", target, host=host)

    def test_statuses(self):
        for name in ("to-gateway", "to-set", "to-two"):
            self.expect_parent(name, ACCEPTED)
        self.expect_parent("to-both", ACCEPTED, index=0)
        self.expect_parent("to-both", {"Accepted": ("False", "NoMatchingParent")}, index=1)
        self.expect_parent("by-name-of-set", {"Accepted": ("False", "NoMatchingParent")})
        self.expect_parent("to-far", {"Accepted": ("False", "NotAllowedByListeners")})
        self.assertEqual([of_set("set")], [p["parentRef"] for p in self.suite.parents("to-set")])
        self.expect_attached("parent", "own", 2)
        self.expect_attached("set", "one", 1, kind="listenerset")
        self.expect_attached("set", "two", 2, kind="listenerset")
        self.expect_attached("far", "one", 0, namespace="team", kind="listenerset")
        self.expect_sets("parent", 2)
        self.assertEqual(["own"], [entry["name"] for entry in self.suite.status("gateway", "parent")[0]["listeners"]])
        self.expect_entry("set", "one", {**PROGRAMMED, "ResolvedRefs": ("True", "ResolvedRefs"),
                                         "Conflicted": ("False", "NoConflicts")})

    def test_a_set_that_is_gone(self):
        self.suite.apply(documents(
            listener_set("passing", "parent", [{"name": "p", "port": 8090}]),
            http_route("to-passing", [of_set("passing")], [{"backendRefs": [to("two")]}])))
        self.expect_backend("two", ("parent", 8090))
        self.suite.delete("listenerset", "passing")
        self.expect_closed(("parent", 8090))
        self.expect_parent("to-passing", {"Accepted": ("False", "NoMatchingParent")})


class Conflicts(SetTest):
    BACKENDS = ["first", "second"]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.places["parent"] = own_address()
        tls = {"protocol": "HTTPS", "tls": {"certificateRefs": [{"name": "absent"}]}}
        cls.suite.apply(documents(
            gateway("parent", cls.places["parent"], [{"name": "own", "hostname": "own.example"},
                                                     {"name": "other", "port": 8081}], **admits(**{"from": "All"})),
            listener_set("a-first", "parent", [
                {"name": "fine", "hostname": "fine.example"}, {"name": "own", "hostname": "own.example"},
                {"name": "shared", "hostname": "*.shared.example"}, {"name": "tls", "port": 8081, **tls},
                {"name": "tcp", "port": 8081, "protocol": "TCP"}, {"name": "lone-tcp", "port": 8082, "protocol": "TCP"}]),
            listener_set("b-second", "parent", [
                {"name": "shared", "hostname": "*.shared.example"}, {"name": "alone", "hostname": "alone.example"}]),
            listener_set("c-third", "parent", [{"name": "shared", "hostname": "*.shared.example"}]),
            http_route("first", [of_set("a-first")], [{"backendRefs": [to("first")]}]),
            http_route("second", [of_set("b-second")], [{"backendRefs": [to("second")]}])))

    def test_what_goes_before_wins(self):
        self.expect_object("gateway", "parent", PROGRAMMED)
        for name in ("own", "other"):
            self.expect_listener("parent", name, {**PROGRAMMED, "Conflicted": ("False", "NoConflicts")})
        valid = {"Accepted": ("True", "ListenersNotValid"), "Programmed": ("True", "Programmed")}
        self.expect_set("a-first", valid)
        self.expect_set("b-second", valid)
        self.expect_set("c-third", NOT_VALID)
        for name in ("fine", "shared"):
            self.expect_entry("a-first", name, PROGRAMMED)
        self.expect_entry("a-first", "own", conflicted("HostnameConflict"))
        for name in ("tls", "tcp"):
            self.expect_entry("a-first", name, conflicted("ProtocolConflict"))
        self.expect_entry("a-first", "lone-tcp", {"Accepted": ("False", "UnsupportedProtocol")})
        self.expect_entry("b-second", "shared", conflicted("HostnameConflict"))
        self.expect_entry("b-second", "alone", PROGRAMMED)
        self.expect_entry("c-third", "shared", conflicted("HostnameConflict"))
        self.expect_sets("parent", 2)
        self.expect_backend("first", "parent", host="x.shared.example")
        self.expect_backend("second", "parent", host="alone.example")

    def test_the_next_takes_over(self):
        self.suite.apply(documents(
            listener_set("x-older", "parent", [{"name": "http", "hostname": "takeover.example"}]),
            listener_set("y-younger", "parent", [{"name": "http", "hostname": "takeover.example"}]),
            http_route("older", [of_set("x-older")], [{"backendRefs": [to("first")]}]),
            http_route("younger", [of_set("y-younger")], [{"backendRefs": [to("second")]}])))
        self.expect_backend("first", "parent", host="takeover.example")
        self.suite.delete("listenerset", "x-older")
        self.expect_backend("second", "parent", host="takeover.example")
        self.expect_set("y-younger", PROGRAMMED)
        self.suite.delete("listenerset", "y-younger")

    def test_a_message_does_not_tell_of_others(self):
        conditions = self.suite.listener("b-second", "shared", kind="listenerset")["conditions"]
        message = next(c["message"] for c in conditions if c["type"] == "Conflicted")
        self.assertNotIn("a-first", message)


class Age(SetTest):
    def test_the_older_set_goes_before_whatever_it_is_called(self):
        self.suite.apply(documents(gateway("parent", own_address(), [{"port": 8081}], **admits(**{"from": "All"})),
                                   listener_set("z-old", "parent", [{}])))
        created = self.suite.get("listenerset", "z-old")["metadata"]["creationTimestamp"]

        def next_second():
            self.suite.apkctl("delete", "listenerset", "a-young", check=False)
            self.suite.apply(documents(listener_set("a-young", "parent", [{}])))
            return self.suite.get("listenerset", "a-young")["metadata"]["creationTimestamp"] > created
        suite.eventually(next_second, "a second passes")
        self.expect_set("z-old", PROGRAMMED)
        self.expect_set("a-young", NOT_VALID)


class Certificates(SetTest):
    """References of a set's listeners are the set's, not the Gateway's."""

    def test_a_grant_to_gateways_is_none_to_sets(self):
        def grant(kind):
            return {"apiVersion": f"{GROUP}/v1beta1", "kind": "ReferenceGrant", "metadata": suite.metadata("g", "certs"),
                    "spec": {"from": [{"group": GROUP, "kind": kind, "namespace": "default"}],
                             "to": [{"group": "", "kind": "Secret"}]}}
        tls = {"certificateRefs": [{"name": "absent", "namespace": "certs"}]}
        self.suite.apply(documents(
            suite.namespace("certs"), grant("Gateway"),
            gateway("parent", own_address(), [{}], **admits(**{"from": "Same"})),
            listener_set("set", "parent", [{"name": "s", "port": 8443, "protocol": "HTTPS", "tls": tls}])))
        self.expect_entry("set", "s", {"ResolvedRefs": ("False", "RefNotPermitted")})
        self.expect_set("set", NOT_VALID)
        self.suite.apply(documents(grant("ListenerSet")))
        self.expect_entry("set", "s", {"ResolvedRefs": ("False", "InvalidCertificateRef")})


if __name__ == "__main__":
    unittest.main()
