"""What the tests of the Gateway API's promises share: the real programs on loopback addresses of their own,
echo backends behind Services, statuses as `apkctl get -o json` shows them, and requests on raw sockets.

A test file looks like this:

    class HeaderMatching(suite.SuiteTest):
        BACKENDS = ["v1", "v2"]             # Echo backends: Service of that name, port 8080, in namespace default
        GATEWAYS = {"same": [...]}          # optional: name -> listeners; address chosen by the suite
        MANIFEST = "…YAML…"                 # applied once, after backends and gateways

        def test_by_header(self):
            self.expect_backend("v2", "same", "/", headers={"version": "two"})
"""
import itertools
import json
import os
import unittest

from harness import BIN, PATIENCE, FakeBackend, Gateway, RawClient, eventually, read_head, response

CONTROLLER = "apk.dev/gateway-controller"
GATEWAY_GROUP = "gateway.networking.k8s.io"

_hosts = itertools.count(1)


def own_address():
    """A loopback address that no other test process uses, so that ports can be chosen freely on it."""
    number = next(_hosts)
    assert number < 250
    pid = os.getpid()
    return f"127.{64 + (pid >> 8) % 128}.{pid % 256}.{number}"


def documents(*objects):
    """Objects (dicts) and YAML texts as one manifest."""
    return "\n---\n".join(o if isinstance(o, str) else json.dumps(o) for o in objects)


def metadata(name, namespace="default", labels=None):
    data = {"name": name, "namespace": namespace}
    if labels:
        data["labels"] = labels
    return data


def namespace(name, **labels):
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def service(name, namespace="default", ports=None, **spec):
    ports = ports or [{"name": "http", "port": 8080, "targetPort": 3000}]
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata(name, namespace),
            "spec": {"selector": {"app": name}, "ports": ports, **spec}}


def endpoint_slice(name, endpoints, port, namespace="default", port_name="http", suffix="1"):
    """`endpoints`: addresses, or whole endpoint dicts."""
    return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": metadata(f"{name}-{suffix}", namespace, {"kubernetes.io/service-name": name}),
            "addressType": "IPv4",
            "ports": [{"name": port_name, "port": port, "protocol": "TCP"}],
            "endpoints": [{"addresses": [e]} if isinstance(e, str) else e for e in endpoints]}


def gateway(name, address, listeners, namespace="default", **spec):
    """`address`: None for none. A listener without name, port or protocol gets http, 8080, HTTP."""
    filled = [{"name": "http", "port": 8080, "protocol": "HTTP", **listener} for listener in listeners]
    addresses = {"addresses": [{"type": "IPAddress", "value": address}]} if address else {}
    return {"apiVersion": f"{GATEWAY_GROUP}/v1", "kind": "Gateway", "metadata": metadata(name, namespace),
            "spec": {"gatewayClassName": "apk", **addresses, "listeners": filled, **spec}}


def http_route(name, parents, rules, namespace="default", hostnames=None):
    """`parents`: names, or whole parentRef dicts; `rules`: rule dicts."""
    spec = {"parentRefs": [{"name": p} if isinstance(p, str) else p for p in parents], "rules": rules}
    if hostnames:
        spec["hostnames"] = list(hostnames)
    return {"apiVersion": f"{GATEWAY_GROUP}/v1", "kind": "HTTPRoute", "metadata": metadata(name, namespace),
            "spec": spec}


def to(name, port=8080, **extra):
    """A backendRef to a Service."""
    return {"name": name, "port": port, **extra}


def path(value, kind="PathPrefix"):
    return {"path": {"type": kind, "value": value}}


class Echo(FakeBackend):
    """Answers with JSON: its name, and the request as it arrived. `respond` may be replaced."""

    def __init__(self, name, namespace="default", **extra):
        super().__init__(self.echo, **extra)
        self.name = name
        self.namespace = namespace

    def echo(self, request):
        body = json.dumps({"backend": self.name, "namespace": self.namespace, "method": request.method,
                           "path": request.target, "host": request.header("host"),
                           "headers": request.fields, "body": request.body.decode("latin-1")})
        return response(body.encode(), fields=("Content-Type: application/json",))

    def manifest(self):
        return documents(service(self.name, self.namespace),
                         endpoint_slice(self.name, ["127.0.0.1"], self.port, self.namespace))


class Reply:
    """A response; `echo` is what the backend saw, where an Echo answered."""

    def __init__(self, status, fields, body):
        self.status = status
        self.fields = fields  # Names in lower case.
        self.body = body
        self.echo = None
        if fields.get("content-type") == "application/json" and body.startswith(b'{"backend"'):
            self.echo = json.loads(body)

    @property
    def backend(self):
        return self.echo["backend"] if self.echo else None

    def echoed(self, header):
        """The header as the backend got it; several joined by a comma, None where there was none."""
        values = [v for k, v in self.echo["headers"] if k.lower() == header.lower()]
        return ",".join(values) if values else None

    def __repr__(self):
        return f"{self.status} from {self.backend or 'the gateway'}"


def send(address, port, target="/", host="example.com", method="GET", headers=(), body=b""):
    """One request on a connection of its own. `headers`: a dict or pairs."""
    pairs = list(headers.items()) if isinstance(headers, dict) else list(headers)
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *(f"{k}: {v}" for k, v in pairs)]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    with RawClient(address, port) as client:
        client.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
        return Reply(*client.read_response(head_request=method == "HEAD"))


class Suite(Gateway):
    """A control plane with the GatewayClass and no Gateway, and one agent on an address of its own."""

    def __init__(self, agent_flags=(), control_plane_flags=()):
        self.agent_address = own_address()
        self.echoes = {}
        super().__init__(agent_flags=agent_flags,
                         control_plane_flags=("--defaults", "none", *control_plane_flags))

    def address_of_agent(self, number):
        return self.agent_address

    def close(self):
        for echo in self.echoes.values():
            echo.close()
        super().close()

    def echo(self, name, namespace="default"):
        """Starts an echo backend; its Service and EndpointSlice are still to be applied."""
        self.echoes[namespace, name] = Echo(name, namespace)
        return self.echoes[namespace, name]

    # Statuses.

    def status(self, kind, name, namespace="default"):
        """(status, generation) of an object."""
        found = self.get(kind, name, "-n", namespace)
        return found.get("status", {}), found["metadata"].get("generation")

    def address_of(self, name, namespace="default"):
        """The Gateway's first address, as its status says."""
        return eventually(lambda: self.status("gateway", name, namespace)[0].get("addresses"),
                          f"Gateway {name} has an address")[0]["value"]

    def listener(self, name, listener, namespace="default", kind="gateway"):
        listeners = self.status(kind, name, namespace)[0].get("listeners", [])
        return next((entry for entry in listeners if entry["name"] == listener), None)

    def parents(self, name, namespace="default", kind="httproute"):
        return self.status(kind, name, namespace)[0].get("parents", [])

    def delete(self, kind, name, namespace="default"):
        self.apkctl("delete", kind, name, "-n", namespace)
        self.settle()


def told(conditions):
    """{type: (status, reason)}"""
    return {c["type"]: (c["status"], c["reason"]) for c in conditions}


class SuiteTest(unittest.TestCase):
    """One Suite for all tests of the class, with what BACKENDS, GATEWAYS and MANIFEST say in it."""

    BACKENDS = ()
    GATEWAYS = {"same": [{}]}
    MANIFEST = ""

    @classmethod
    def setUpClass(cls):
        cls.suite = Suite()
        cls.addClassCleanup(cls.suite.close)
        parts = [cls.suite.echo(name).manifest() for name in cls.BACKENDS]
        cls.places = {}
        for name, listeners in cls.GATEWAYS.items():
            cls.places[name] = own_address()
            parts.append(gateway(name, cls.places[name], listeners))
        parts += [cls.MANIFEST] if isinstance(cls.MANIFEST, str) else cls.MANIFEST
        if any(parts):
            cls.suite.apply(documents(*filter(None, parts)))

    # Requests. `place`: the name of one of GATEWAYS, an IP address, or (either, port).

    def send(self, place, target="/", **request):
        address, port = place if isinstance(place, tuple) else (place, 8080)
        return send(self.places.get(address, address), port, target, **request)

    def expect_backend(self, backend, place, target="/", **request):
        """The request is answered by that backend; gives the reply."""
        reply = self.send(place, target, **request)
        self.assertEqual((200, backend), (reply.status, reply.backend), f"{target} {request}: {reply.body}")
        return reply

    def expect_status(self, status, place, target="/", **request):
        """The gateway itself answers with that status; gives the reply."""
        reply = self.send(place, target, **request)
        self.assertEqual((status, None), (reply.status, reply.backend), f"{target} {request}: {reply.body}")
        return reply

    def expect_closed(self, place):
        """Nothing listens there."""
        address, port = place if isinstance(place, tuple) else (place, 8080)
        with self.assertRaises(ConnectionRefusedError):
            RawClient(self.places.get(address, address), port).close()

    # Statuses. `expected`: {type: (status, reason)}; further conditions may stand beside.

    def expect_conditions(self, read, expected, what):
        """Waits until `read()` gives (conditions, generation) that say so, all of this generation."""
        seen = {}

        def as_expected():
            conditions, generation = read()
            seen["now"] = told(conditions)
            return all(seen["now"].get(k) == v for k, v in expected.items()) and all(
                c["observedGeneration"] == generation for c in conditions)
        try:
            eventually(as_expected, what)
        except AssertionError as error:
            raise AssertionError(f"{what}: expected {expected}, is {seen.get('now')}") from error

    def expect_object(self, kind, name, expected, namespace="default"):
        def read():
            status, generation = self.suite.status(kind, name, namespace)
            return status.get("conditions", []), generation
        self.expect_conditions(read, expected, f"{kind} {namespace}/{name}")

    def expect_listener(self, name, listener, expected, namespace="default", kind="gateway"):
        def read():
            status, generation = self.suite.status(kind, name, namespace)
            for entry in status.get("listeners", []):
                if entry["name"] == listener:
                    return entry["conditions"], generation
            return [], generation
        self.expect_conditions(read, expected, f"listener {listener} of {kind} {namespace}/{name}")

    def expect_attached(self, name, listener, count, namespace="default", kind="gateway"):
        def attached():
            entry = self.suite.listener(name, listener, namespace, kind)
            return entry is not None and entry["attachedRoutes"] == count
        eventually(attached, f"{count} routes attached to {namespace}/{name} {listener}")

    def expect_parent(self, name, expected, namespace="default", kind="httproute", index=0):
        """The conditions for one parentRef of a route, in the order of its spec."""
        def read():
            status, generation = self.suite.status(kind, name, namespace)
            parents = status.get("parents", [])
            return (parents[index]["conditions"] if index < len(parents) else []), generation
        self.expect_conditions(read, expected, f"parent {index} of {kind} {namespace}/{name}")


ACCEPTED = {"Accepted": ("True", "Accepted"), "ResolvedRefs": ("True", "ResolvedRefs")}
PROGRAMMED = {"Accepted": ("True", "Accepted"), "Programmed": ("True", "Programmed")}

__all__ = [name for name in dir() if not name.startswith("_")]
