"""Invalid Gateways, GatewayClasses and ListenerSets: the rules of the official schemas, each with the message that
names the field. Offline, by `apkctl validate`."""
import copy
import json
import subprocess
import unittest

import suite
from suite import GATEWAY_GROUP as GROUP

LONG = "x" * 254
HTTPS = {"name": "tls", "port": 443, "protocol": "HTTPS"}
CERTIFICATE = {"certificateRefs": [{"name": "c"}]}


def listener(**fields):
    return {"name": "http", "port": 80, "protocol": "HTTP", **fields}


def gateway(*listeners, **spec):
    return {"apiVersion": f"{GROUP}/v1", "kind": "Gateway", "metadata": {"name": "g"},
            "spec": {"gatewayClassName": "apk", "listeners": list(listeners) or [listener()], **spec}}


def gateway_class(**spec):
    return {"apiVersion": f"{GROUP}/v1", "kind": "GatewayClass", "metadata": {"name": "c"},
            "spec": {"controllerName": "example.org/c", **spec}}


def listener_set(*listeners, **spec):
    return {"apiVersion": f"{GROUP}/v1", "kind": "ListenerSet", "metadata": {"name": "s"},
            "spec": {"parentRef": {"name": "g"}, "listeners": list(listeners) or [listener()], **spec}}


def without(document, *path):
    changed = copy.deepcopy(document)
    parent = changed
    for step in path[:-1]:
        parent = parent[step]
    del parent[path[-1]]
    return changed


def parameters(**fields):
    return {"group": "example.org", "kind": "P", "name": "p", **fields}


def routes(**fields):
    return listener(allowedRoutes=fields)


def namespaces(**fields):
    return routes(namespaces=fields)


def names(count):
    return [listener(name=f"l{i}", port=1000 + i) for i in range(count)]


# Of a listener, wherever it stands: in a Gateway or a ListenerSet.
LISTENERS = [
    (without(listener(), "name"), "spec.listeners[0].name: is required"),
    (without(listener(), "port"), "spec.listeners[0].port: is required"),
    (without(listener(), "protocol"), "spec.listeners[0].protocol: is required"),
    (listener(name=""), "spec.listeners[0].name: must not be empty"),
    (listener(name=LONG), "spec.listeners[0].name: has 254 characters, at most 253 are allowed"),
    (listener(name="Upper"), 'spec.listeners[0].name: "Upper" is malformed'),
    (listener(name="a..b"), 'spec.listeners[0].name: "a..b" is malformed'),
    (listener(port=0), "spec.listeners[0].port: 0 is out of range: must be between 1 and 65535"),
    (listener(port=65536), "spec.listeners[0].port: 65536 is out of range: must be between 1 and 65535"),
    (listener(hostname=""), "spec.listeners[0].hostname: must not be empty"),
    (listener(hostname="*"), 'spec.listeners[0].hostname: "*" is malformed'),
    (listener(hostname="a.*.example"), 'spec.listeners[0].hostname: "a.*.example" is malformed'),
    (listener(hostname="UPPER.example"), 'spec.listeners[0].hostname: "UPPER.example" is malformed'),
    (listener(hostname="a.example:80"), 'spec.listeners[0].hostname: "a.example:80" is malformed'),
    (listener(hostname=LONG), "spec.listeners[0].hostname: has 254 characters, at most 253 are allowed"),
    (listener(protocol=""), "spec.listeners[0].protocol: must not be empty"),
    (listener(protocol="H T"), 'spec.listeners[0].protocol: "H T" is malformed'),
    (listener(protocol="a.example/"), 'spec.listeners[0].protocol: "a.example/" is malformed'),
    (listener(protocol="x" * 256), "spec.listeners[0].protocol: has 256 characters, at most 255 are allowed"),
    (listener(tls=CERTIFICATE), "spec.listeners[0].tls: must not be set for protocol HTTP"),
    (listener(protocol="TCP", tls=CERTIFICATE), "spec.listeners[0].tls: must not be set for protocol TCP"),
    (listener(protocol="UDP", tls=CERTIFICATE), "spec.listeners[0].tls: must not be set for protocol UDP"),
    (listener(protocol="TCP", hostname="a.example"), "spec.listeners[0].hostname: must not be set for protocol TCP"),
    (listener(protocol="UDP", hostname="a.example"), "spec.listeners[0].hostname: must not be set for protocol UDP"),
    ({**HTTPS, "tls": {"mode": "Passthrough"}}, "spec.listeners[0].tls.mode: must be Terminate for protocol HTTPS"),
    ({**HTTPS, "tls": {"mode": "Other"}}, 'spec.listeners[0].tls.mode: "Other" is not allowed'),
    ({**HTTPS, "tls": {}}, "spec.listeners[0].tls.certificateRefs: is required for protocol HTTPS"),
    ({**HTTPS, "tls": {"mode": "Terminate"}}, "spec.listeners[0].tls.certificateRefs: is required for protocol HTTPS"),
    ({**HTTPS, "protocol": "TLS"}, "spec.listeners[0].tls: is required for protocol TLS"),
    ({**HTTPS, "tls": {"certificateRefs": [{"name": "c"}] * 65}},
     "spec.listeners[0].tls.certificateRefs: has 65 items, at most 64 are allowed"),
    ({**HTTPS, "tls": {"certificateRefs": [{"kind": "Secret"}]}},
     "spec.listeners[0].tls.certificateRefs[0].name: is required"),
    ({**HTTPS, "tls": {"certificateRefs": [{"name": "c", "kind": "9"}]}},
     'spec.listeners[0].tls.certificateRefs[0].kind: "9" is malformed'),
    ({**HTTPS, "tls": {"certificateRefs": [{"name": "c", "group": "A"}]}},
     'spec.listeners[0].tls.certificateRefs[0].group: "A" is malformed'),
    ({**HTTPS, "tls": {"certificateRefs": [{"name": "c", "namespace": "a.b"}]}},
     'spec.listeners[0].tls.certificateRefs[0].namespace: "a.b" is malformed'),
    ({**HTTPS, "tls": {**CERTIFICATE, "options": {f"example.org/{i}": "v" for i in range(17)}}},
     "spec.listeners[0].tls.options: has 17 entries, at most 16 are allowed"),
    ({**HTTPS, "tls": {**CERTIFICATE, "options": {"example.org/a": "v" * 4097}}},
     "spec.listeners[0].tls.options.example.org/a: has 4097 characters, at most 4096 are allowed"),
    (routes(kinds=[{"kind": "HTTPRoute"}] * 9),
     "spec.listeners[0].allowedRoutes.kinds: has 9 items, at most 8 are allowed"),
    (routes(kinds=[{"group": GROUP}]), "spec.listeners[0].allowedRoutes.kinds[0].kind: is required"),
    (routes(kinds=[{"kind": "a b"}]), 'spec.listeners[0].allowedRoutes.kinds[0].kind: "a b" is malformed'),
    (routes(kinds=[{"kind": "k" * 64}]),
     "spec.listeners[0].allowedRoutes.kinds[0].kind: has 64 characters, at most 63 are allowed"),
    (routes(kinds=[{"kind": "K", "group": "-"}]), 'spec.listeners[0].allowedRoutes.kinds[0].group: "-" is malformed'),
    (namespaces(**{"from": "Some"}), 'spec.listeners[0].allowedRoutes.namespaces.from: "Some" is not allowed'),
    (namespaces(**{"from": "None"}), 'spec.listeners[0].allowedRoutes.namespaces.from: "None" is not allowed'),
    (namespaces(**{"from": "Selector"}),
     "spec.listeners[0].allowedRoutes.namespaces.selector: is required where from is Selector"),
    (namespaces(**{"from": "Selector", "selector": {"matchExpressions": [{"key": "k", "operator": "Like"}]}}),
     'spec.listeners[0].allowedRoutes.namespaces.selector.matchExpressions[0].operator: "Like" is not allowed'),
    (namespaces(**{"from": "Selector", "selector": {"matchExpressions": [{"operator": "Exists"}]}}),
     "spec.listeners[0].allowedRoutes.namespaces.selector.matchExpressions[0].key: is required"),
    (namespaces(**{"from": "Selector", "selector": {"matchExpressions": [{"key": "k", "operator": "In"}]}}),
     "spec.listeners[0].allowedRoutes.namespaces.selector.matchExpressions[0].values: is required for operator In"),
    (namespaces(**{"from": "Selector", "selector": {"matchExpressions": [
        {"key": "k", "operator": "Exists", "values": ["v"]}]}}),
     "spec.listeners[0].allowedRoutes.namespaces.selector.matchExpressions[0].values: must not be set for operator "
     "Exists"),
    (listener(unknown=1), "spec.listeners[0].unknown: there is no such field"),
]

# Of a list of listeners.
LISTS = [
    ([listener(), listener(port=81)], "spec.listeners[1]: has the same name as item 0"),
    ([listener(), listener(name="other")], "spec.listeners[1]: has the same port, protocol and hostname as item 0"),
    ([listener(hostname="a.b"), listener(name="other", hostname="a.b")],
     "spec.listeners[1]: has the same port, protocol and hostname as item 0"),
    (names(65), "spec.listeners: has 65 items, at most 64 are allowed"),
]

DOCUMENTS = [
    (without(gateway(), "spec"), "spec: is required"),
    (without(gateway(), "spec", "gatewayClassName"), "spec.gatewayClassName: is required"),
    (gateway(gatewayClassName=""), "spec.gatewayClassName: must not be empty"),
    (gateway(gatewayClassName=LONG), "spec.gatewayClassName: has 254 characters, at most 253 are allowed"),
    (without(gateway(), "spec", "listeners"), "spec.listeners: is required"),
    (gateway(addresses=[{"value": "not-an-ip"}]), 'spec.addresses[0].value: "not-an-ip" is no IP address'),
    (gateway(addresses=[{"value": "1.2.3.256"}]), 'spec.addresses[0].value: "1.2.3.256" is no IP address'),
    (gateway(addresses=[{"type": "Hostname", "value": "a_b"}]), 'spec.addresses[0].value: "a_b" is no hostname'),
    (gateway(addresses=[{"type": "Other"}]), 'spec.addresses[0].type: "Other" is malformed'),
    (gateway(addresses=[{"type": ""}]), "spec.addresses[0].type: must not be empty"),
    (gateway(addresses=[{"type": "example.org/n", "value": LONG}]),
     "spec.addresses[0].value: has 254 characters, at most 253 are allowed"),
    (gateway(addresses=[{"value": "127.0.0.1"}, {"type": "IPAddress", "value": "127.0.0.1"}]),
     "spec.addresses[1].value: is the same as that of item 0"),
    (gateway(addresses=[{"type": "Hostname", "value": "a.b"}] * 2),
     "spec.addresses[1].value: is the same as that of item 0"),
    (gateway(addresses=[{"value": f"127.0.0.{i}"} for i in range(17)]),
     "spec.addresses: has 17 items, at most 16 are allowed"),
    (gateway(infrastructure={"labels": {f"l{i}": "v" for i in range(9)}}),
     "spec.infrastructure.labels: has 9 entries, at most 8 are allowed"),
    (gateway(infrastructure={"labels": {"a b": "v"}}), "spec.infrastructure.labels.a b: is no valid key"),
    (gateway(infrastructure={"labels": {"a": "no value!"}}),
     'spec.infrastructure.labels.a: "no value!" is no valid label value'),
    (gateway(infrastructure={"annotations": {f"l{i}": "v" for i in range(17)}}),
     "spec.infrastructure.annotations: has 17 entries, at most 16 are allowed"),
    (gateway(infrastructure={"annotations": {"UPPER.example/a": "v"}}),
     "spec.infrastructure.annotations.UPPER.example/a: is no valid key"),
    (gateway(infrastructure={"annotations": {"a": "v" * 4097}}),
     "spec.infrastructure.annotations.a: has more than 4096 characters"),
    (gateway(infrastructure={"parametersRef": without(parameters(), "name")}),
     "spec.infrastructure.parametersRef.name: is required"),
    (gateway(infrastructure={"parametersRef": parameters(namespace="n")}),
     "spec.infrastructure.parametersRef.namespace: there is no such field"),
    (gateway(allowedListeners={"namespaces": {"from": "Some"}}),
     'spec.allowedListeners.namespaces.from: "Some" is not allowed'),
    (gateway(allowedListeners={"namespaces": {"from": "Selector"}}),
     "spec.allowedListeners.namespaces.selector: is required where from is Selector"),
    (gateway(defaultScope="Some"), 'spec.defaultScope: "Some" is not allowed'),
    (gateway_class(controllerName=""), "spec.controllerName: must not be empty"),
    (without(gateway_class(), "spec", "controllerName"), "spec.controllerName: is required"),
    (gateway_class(controllerName="no-path"), 'spec.controllerName: "no-path" is malformed'),
    (gateway_class(controllerName="example.org/" + "x" * 254),
     "spec.controllerName: has 266 characters, at most 253 are allowed"),
    (gateway_class(description="x" * 65), "spec.description: has 65 characters, at most 64 are allowed"),
    (gateway_class(parametersRef=without(parameters(), "group")), "spec.parametersRef.group: is required"),
    (gateway_class(parametersRef=without(parameters(), "kind")), "spec.parametersRef.kind: is required"),
    (gateway_class(parametersRef=parameters(namespace="A")), 'spec.parametersRef.namespace: "A" is malformed'),
    (without(listener_set(), "spec", "parentRef"), "spec.parentRef: is required"),
    (listener_set(parentRef={"kind": "Gateway"}), "spec.parentRef.name: is required"),
    (listener_set(parentRef={"name": "g", "kind": ""}), "spec.parentRef.kind: must not be empty"),
    (listener_set(parentRef={"name": "g", "namespace": "a.b"}), 'spec.parentRef.namespace: "a.b" is malformed'),
    (listener_set(parentRef={"name": "g", "sectionName": "s"}), "spec.parentRef.sectionName: there is no such field"),
    (without(listener_set(), "spec", "listeners"), "spec.listeners: is required"),
    ({**gateway(), "metadata": {}}, "metadata.name: is required"),
    ({**gateway_class(), "metadata": {"name": "c", "namespace": "n"}}, "metadata.namespace: must not be set"),
]

GOOD = [
    gateway(), gateway_class(), listener_set(),
    gateway(listener(), listener(name="other", hostname="*.example.org"), {**HTTPS, "tls": CERTIFICATE},
            {**HTTPS, "name": "tls-options", "hostname": "x.y", "tls": {"options": {"example.org/a": "b"}}},
            {"name": "p", "port": 444, "protocol": "TLS", "tls": {"mode": "Passthrough"}},
            {"name": "own", "port": 445, "protocol": "example.org/own"}),
    gateway(addresses=[{"type": "IPAddress"}, {"value": "::1"}, {"type": "Hostname", "value": "a.example"},
                       {"type": "NamedAddress", "value": "any thing"}, {"type": "example.org/a", "value": "b"}]),
    gateway(allowedListeners={}, defaultScope="All"),
    gateway(listener(name="n" * 253, hostname="h" * 253)),
    # HTTPS without tls is for the listener's status to tell.
    gateway(HTTPS),
]


class Validation(unittest.TestCase):
    def validate(self, document):
        return subprocess.run([str(suite.BIN / "apkctl"), "validate", "-f", "-"], input=json.dumps(document),
                              capture_output=True, text=True, timeout=suite.PATIENCE)

    def expect_error(self, document, error):
        with self.subTest(error):
            result = self.validate(document)
            self.assertNotEqual(0, result.returncode, json.dumps(document))
            self.assertIn(error, result.stdout + result.stderr)

    def test_listeners(self):
        for entry, error in LISTENERS:
            self.expect_error(gateway(entry), error)

    def test_listeners_of_sets(self):
        for entry, error in LISTENERS:
            self.expect_error(listener_set(entry), error)

    def test_lists_of_listeners(self):
        for entries, error in LISTS:
            self.expect_error(gateway(*entries), error)
            self.expect_error(listener_set(*entries), error)

    def test_documents(self):
        for document, error in DOCUMENTS:
            self.expect_error(document, error)

    def test_what_is_good(self):
        for document in GOOD:
            result = self.validate(document)
            self.assertEqual(0, result.returncode, json.dumps(document) + result.stderr)


if __name__ == "__main__":
    unittest.main()
