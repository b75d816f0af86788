"""GRPCRoute, with a real gRPC client and server."""
import json
import subprocess
import threading
import unittest

import harness
from harness import Gateway, eventually, free_port, plain_gateway

ECHO = harness.BIN / "grpc_echo"
OK, UNIMPLEMENTED, UNAVAILABLE = 0, 12, 14


class EchoServer:
    """A gRPC server that says its name; `calls` is what it was asked."""

    def __init__(self, name):
        self.process = subprocess.Popen([str(ECHO), "server", name], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().strip().partition("port=")[2])
        self.calls = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.calls.append(line.strip())

    def close(self):
        self.process.kill()
        self.process.wait()
        self._reader.join(5)
        self.process.stdout.close()


def service(name, port):
    """A Service without selector, with its EndpointSlice on loopback."""
    return f"""---
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec: {{ports: [{{name: grpc, port: 80, targetPort: {port}}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}-1, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: IPv4
ports: [{{name: grpc, port: {port}}}]
endpoints: [{{addresses: [127.0.0.1]}}]
"""


def grpc_route(name, rules, hostnames=(), parent="plain", namespace="default"):
    return f"""---
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  parentRefs: [{{name: {parent}, namespace: default}}]
  hostnames: {json.dumps(list(hostnames))}
  rules:
{rules}
"""


def to(name, extra=""):
    return f"{{name: {name}, port: 80{extra}}}"


def conditions_of(parent):
    return {c["type"]: (c["status"], c["reason"]) for c in parent["conditions"]}


class GrpcRoute(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway()
        cls.addClassCleanup(cls.gateway.close)
        cls.port = free_port()
        cls.servers = {}
        for name in ("one", "two", "mirror"):
            cls.servers[name] = EchoServer(name)
            cls.addClassCleanup(cls.servers[name].close)
        services = "".join(service(name, server.port) for name, server in cls.servers.items())
        cls.gateway.apply(plain_gateway(cls.port) + services + service("gone", free_port()) + grpc_route("all", f"""
  - backendRefs: [{to("one")}]""", ["all.example"]) + grpc_route("methods", f"""
  - matches: [{{method: {{service: apk.test.Echo, method: Unary}}}}]
    backendRefs: [{to("one")}]
  - matches: [{{method: {{service: apk.test.Echo}}}}]
    backendRefs: [{to("two")}]
  - matches: [{{method: {{service: apk.test.Other}}, headers: [{{name: version, value: two}}]}}]
    backendRefs: [{to("two")}]
  - matches:
    - method: {{type: RegularExpression, service: ".*[.]Other", method: "Una.+"}}
      headers: [{{name: re, type: RegularExpression, value: "a+"}}]
    backendRefs: [{to("one")}]""", ["methods.example"]) + grpc_route("method-only", f"""
  - matches: [{{method: {{method: Unary}}}}]
    backendRefs: [{to("two")}]""", ["method.example"]) + grpc_route("filters", f"""
  - name: modified
    filters:
    - {{type: RequestHeaderModifier, requestHeaderModifier: {{set: [{{name: x-set, value: s}}], remove: [x-gone]}}}}
    - {{type: ResponseHeaderModifier, responseHeaderModifier: {{add: [{{name: x-added, value: a}}]}}}}
    - {{type: RequestMirror, requestMirror: {{backendRef: {to("mirror")}}}}}
    backendRefs: [{to("one")}]""", ["filters.example"]) + grpc_route("modified", f"""
  - filters:
    - type: RequestHeaderModifier
      requestHeaderModifier:
        set: [{{name: x-set, value: s}}]
        add: [{{name: x-both, value: "2"}}, {{name: x-new, value: n}}]
        remove: [x-gone]
    backendRefs: [{to("one")}]""", ["modified.example"]) + grpc_route("weights", f"""
  - backendRefs: [{to("one", ", weight: 1")}, {to("two", ", weight: 1")}]""", ["weights.example"]) + grpc_route(
            "broken", f"""
  - matches: [{{method: {{service: apk.test.Echo}}}}]
    backendRefs: [{to("missing")}]
  - matches: [{{method: {{service: apk.test.Other}}}}]
    backendRefs: [{to("gone")}]""", ["broken.example"]))

    def call(self, host, method="Unary", text="hello", count=1, fail=0, metadata=()):
        got = subprocess.run([str(ECHO), "call", f"127.0.0.1:{self.port}", host, method, text, str(count), str(fail),
                              *metadata], capture_output=True, text=True, timeout=harness.PATIENCE)
        self.assertEqual(got.returncode, 0, got.stderr)
        return json.loads(got.stdout)

    def server_of(self, *arguments, **options):
        answer = self.call(*arguments, **options)
        return answer["replies"][0]["server"] if answer["code"] == OK else answer["code"]

    def test_all_kinds_of_streaming(self):
        for method, count in (("Unary", 1), ("ServerStream", 50), ("ClientStream", 50), ("BidiStream", 50)):
            with self.subTest(method):
                answer = self.call("all.example", method, count=count)
                self.assertEqual((answer["code"], answer["trailing"].get("x-trailing")), (OK, "t"))
                texts = [reply["text"] for reply in answer["replies"]]
                whole = "hello" * count if method == "ClientStream" else "hello"
                self.assertEqual(texts, [whole] * (count if method in ("ServerStream", "BidiStream") else 1))

    def test_large_messages(self):
        answer = self.call("all.example", "ClientStream", text="x" * 100_000, count=30)
        self.assertEqual(len(answer["replies"][0]["text"]), 3_000_000)

    def test_status_message_and_metadata_of_the_server_pass(self):
        answer = self.call("all.example", fail=9)
        self.assertEqual((answer["code"], answer["message"]), (9, "asked for"))
        answer = self.call("all.example", metadata=["x-mine=1"])
        self.assertEqual(answer["initial"]["x-initial"], "i")
        self.assertEqual(answer["replies"][0]["metadata"]["x-mine"], "1")

    def test_cancelling_reaches_the_server(self):
        self.assertEqual(self.call("all.example", "BidiCancel")["code"], 1)
        eventually(lambda: "cancelled" in self.servers["one"].calls, "cancellation at the server")

    def test_matching_by_service_method_and_headers(self):
        self.assertEqual(self.server_of("methods.example", "Unary"), "one")
        self.assertEqual(self.server_of("methods.example", "ServerStream"), "two")
        self.assertEqual(self.server_of("methods.example", "Other", metadata=["version=two"]), "two")
        self.assertEqual(self.server_of("methods.example", "Other", metadata=["re=aaa"]), "one")
        self.assertEqual(self.server_of("methods.example", "Other", metadata=["re=ab"]), UNIMPLEMENTED)
        self.assertEqual(self.server_of("method.example", "Unary"), "two")
        self.assertEqual(self.server_of("method.example", "Other"), "two")
        self.assertEqual(self.server_of("method.example", "ServerStream"), UNIMPLEMENTED)

    def test_the_gateways_own_answers_are_grpc_statuses(self):
        answer = self.call("unknown.example")
        self.assertEqual((answer["code"], answer["message"]), (UNIMPLEMENTED, "Not Found"))
        self.assertEqual(self.call("broken.example")["code"], UNAVAILABLE)
        self.assertEqual(self.call("broken.example", "Other")["code"], UNAVAILABLE)

    def test_request_header_modifier(self):
        answer = self.call("modified.example", metadata=["x-gone=1", "x-set=0", "x-both=1"])
        seen = answer["replies"][0]["metadata"]
        self.assertEqual(seen["x-set"], "s")
        self.assertNotIn("x-gone", seen)
        self.assertEqual(seen["x-both"], "1,2")
        self.assertEqual(seen["x-new"], "n")

    def test_filters(self):
        answer = self.call("filters.example", text="mirrored", metadata=["x-gone=1", "x-set=0"])
        seen = answer["replies"][0]["metadata"]
        self.assertEqual(seen["x-set"], "s")
        self.assertNotIn("x-gone", seen)
        self.assertEqual(answer["initial"]["x-added"], "a")
        eventually(lambda: "Unary mirrored" in self.servers["mirror"].calls, "copy at the mirror")
        self.assertEqual(self.gateway.settled_mirror_counts("Service default/mirror:80", 1), {"matched": 1, "sent": 1})

    def test_weights(self):
        self.assertEqual({self.server_of("weights.example") for _ in range(30)}, {"one", "two"})

    def conditions(self, kind, name):
        return conditions_of(self.gateway.get(kind, name)["status"]["parents"][0])

    def test_status(self):
        self.assertEqual(self.conditions("grpcroute", "all"),
                         {"Accepted": ("True", "Accepted"), "ResolvedRefs": ("True", "ResolvedRefs")})
        self.assertEqual(self.conditions("grpcroute", "broken")["ResolvedRefs"], ("False", "BackendNotFound"))
        listener = self.gateway.get("gateway", "plain")["status"]["listeners"][0]
        self.assertIn({"group": "gateway.networking.k8s.io", "kind": "GRPCRoute"}, listener["supportedKinds"])
        self.assertGreaterEqual(listener["attachedRoutes"], 6)

    def test_a_hostname_belongs_to_http_or_grpc_routes_whoever_was_first(self):
        self.gateway.apply(grpc_route("first", f"  - backendRefs: [{to('one')}]", ["shared.example"]))
        # Age is counted in seconds; of the same age, the name decides.
        self.gateway.apply(harness.route("second", f"  - backendRefs: [{to('one')}]\n", hostnames=["*.example"]))
        self.addCleanup(lambda: self.gateway.apkctl("delete", "httproute", "second"))
        self.assertEqual(self.conditions("httproute", "second")["Accepted"], ("False", "HostnameConflict"))
        self.assertEqual(self.conditions("grpcroute", "first")["Accepted"][0], "True")
        self.assertEqual(self.server_of("shared.example"), "one")

    def test_a_route_for_all_hostnames_wants_those_of_the_other_kind(self):
        self.gateway.apply(harness.route("everything", f"  - backendRefs: [{to('one')}]\n"))
        self.addCleanup(lambda: self.gateway.apkctl("delete", "httproute", "everything"))
        self.assertEqual(self.conditions("httproute", "everything")["Accepted"], ("False", "HostnameConflict"))

    def test_a_reference_across_namespaces_needs_a_grant_to_grpc_routes(self):
        self.gateway.apply(f"""
apiVersion: v1
kind: Namespace
metadata: {{name: elsewhere}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: open}}
spec:
  gatewayClassName: apk
  listeners: [{{name: http, port: {free_port()}, protocol: HTTP, allowedRoutes: {{namespaces: {{from: All}}}}}}]
""" + grpc_route("cross", "  - backendRefs: [{name: one, port: 80, namespace: default}]", ["cross.example"],
                 parent="open", namespace="elsewhere"))

        def resolved():
            status = self.gateway.get("grpcroute", "cross", "-n", "elsewhere")["status"]
            return conditions_of(status["parents"][0])["ResolvedRefs"]
        self.assertEqual(resolved(), ("False", "RefNotPermitted"))
        self.gateway.apply("""
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: grpc}
spec:
  from: [{group: gateway.networking.k8s.io, kind: GRPCRoute, namespace: elsewhere}]
  to: [{group: "", kind: Service}]
""")
        self.assertEqual(resolved(), ("True", "ResolvedRefs"))

    def test_what_is_wrong_is_named(self):
        twice = "  - {name: a, backendRefs: [{name: one, port: 80}]}\n" * 2
        for rules, message in {
                "  - matches: [{method: {service: 'a/b'}}]": "spec.rules[0].matches[0].method.service",
                "  - matches: [{method: {method: '1a'}}]": "spec.rules[0].matches[0].method.method",
                "  - matches: [{method: {}}]": "has neither service nor method",
                "  - matches: [{method: {type: RegularExpression, service: '('}}]": "is no regular expression",
                "  - filters: [{type: URLRewrite}]": "URLRewrite",
                "  - filters: [{type: RequestMirror}]": "requestMirror",
                "  - backendRefs: [{name: one}]": "is required for a Service",
                twice: "names another rule already"}.items():
            with self.subTest(rules):
                result = self.gateway.apply(grpc_route("bad", rules), check=False, settle=False)
                self.assertNotEqual(result.returncode, 0)
                self.assertIn(message, result.stdout + result.stderr)


if __name__ == "__main__":
    harness.main()
