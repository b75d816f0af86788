"""HTTP/2 to backends: a Service port with appProtocol kubernetes.io/h2c."""
import concurrent.futures
import os
import pathlib
import socket
import subprocess
import threading
import time
import unittest

import h2frames
import harness
from harness import Gateway, RawClient, free_port, plain_gateway


def answers(port):
    try:
        with RawClient("127.0.0.1", port):
            return True
    except OSError:
        return False


def connections_to(port):
    """By the kernel's table."""
    with open("/proc/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    # The table may change while it is read, and a row be read again.
    return len({row[1] for row in rows if row[2].endswith(f":{port:04X}") and row[3] == "01"})


def calls_to(name):
    """A GRPCRoute: its backends are spoken to in HTTP/2."""
    return f"""
---
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {{name: calls}}
spec:
  parentRefs: [{{name: plain}}]
  rules: [{{backendRefs: [{harness.reference(name)}]}}]
"""


class Http2Backend(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway()
        cls.addClassCleanup(cls.gateway.close)
        cls.port = free_port()
        cls.origin_port = free_port()
        cls.root = cls.gateway.directory / "root"
        cls.root.mkdir()
        (cls.root / "small").write_bytes(b"small")
        cls.big = os.urandom(3_000_000)
        (cls.root / "big").write_bytes(cls.big)
        cls.origin = subprocess.Popen(["nghttpd", "--no-tls", "--address=127.0.0.1", f"--htdocs={cls.root}",
                                       "--echo-upload", "--trailer=x-sum: 6", str(cls.origin_port)],
                                      stdout=subprocess.DEVNULL)
        cls.addClassCleanup(cls.stop)
        harness.eventually(cls.listens, "nghttpd listens")
        cls.gateway.apply(plain_gateway(cls.port) + f"""
---
apiVersion: v1
kind: Service
metadata: {{name: origin}}
spec: {{ports: [{{name: h2, port: 80, appProtocol: kubernetes.io/h2c}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: origin-1, labels: {{kubernetes.io/service-name: origin}}}}
addressType: IPv4
ports: [{{name: h2, port: {cls.origin_port}}}]
endpoints: [{{addresses: [127.0.0.1]}}]
""" + harness.route("all", "  - backendRefs: [{name: origin, port: 80}]\n"))

    @classmethod
    def stop(cls):
        cls.origin.terminate()
        cls.origin.wait()

    @classmethod
    def listens(cls):
        return answers(cls.origin_port)

    def ask(self, request, head_request=False):
        with RawClient("127.0.0.1", self.port) as client:
            client.send(request)
            return client.read_response(head_request)

    def test_an_http1_client_reaches_it(self):
        status, fields, body = self.ask("GET /small HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertEqual((status, body), (200, b"small"))
        self.assertIn("nghttpd", fields["server"])
        self.assertEqual(self.ask("GET /missing HTTP/1.1\r\nHost: a\r\n\r\n")[0], 404)
        self.assertEqual(self.ask("HEAD /small HTTP/1.1\r\nHost: a\r\n\r\n", True)[0], 200)

    def test_bodies_of_any_size_pass(self):
        self.assertEqual(self.ask("GET /big HTTP/1.1\r\nHost: a\r\n\r\n")[2], self.big)
        answer = self.ask(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(self.big) + self.big)
        self.assertEqual(answer[2], self.big)
        path = pathlib.Path(self.root) / "big"
        answer = self.gateway.curl("/x", "--http2-prior-knowledge", "--data-binary", f"@{path}", scheme="http",
                                   host="a.example", port=self.port)
        self.assertEqual(answer.body, self.big)

    def test_trailers_of_the_backend_pass(self):
        got = subprocess.run(["nghttp", "-v", f"--data={self.root}/small", f"http://127.0.0.1:{self.port}/x"],
                             capture_output=True, text=True, timeout=harness.PATIENCE)
        answer = got.stdout[got.stdout.index("First response header"):]
        self.assertIn("x-sum: 6", answer, got.stdout)

    def test_many_requests_share_few_connections(self):
        def ask(_):
            return self.ask("GET /small HTTP/1.1\r\nHost: a\r\n\r\n")[0]
        with concurrent.futures.ThreadPoolExecutor(30) as pool:
            self.assertEqual(set(pool.map(ask, range(300))), {200})
        self.assertLessEqual(connections_to(self.origin_port), 2)  # One a worker.

    def test_a_backend_that_restarts_is_found_again(self):
        cls = type(self)
        self.assertEqual(self.ask("GET /small HTTP/1.1\r\nHost: a\r\n\r\n")[0], 200)
        arguments = cls.origin.args
        cls.stop()
        cls.origin = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)
        harness.eventually(self.listens, "nghttpd listens again")
        harness.eventually(lambda: self.ask("GET /small HTTP/1.1\r\nHost: a\r\n\r\n")[0] == 200, "served again")


class Limited(unittest.TestCase):
    def test_requests_wait_for_a_stream_where_there_may_be_no_more_connections(self):
        gateway = Gateway()
        self.addCleanup(gateway.close)
        origin_port, port = free_port(), free_port()
        origin = subprocess.Popen(["nghttpd", "--no-tls", "--address=127.0.0.1", "--max-concurrent-streams=1",
                                   "--echo-upload", str(origin_port)], stdout=subprocess.DEVNULL)
        self.addCleanup(origin.wait)
        self.addCleanup(origin.terminate)
        harness.eventually(lambda: answers(origin_port), "nghttpd listens")
        gateway.apply(plain_gateway(port) + harness.backend("one", origin_port, circuitBreaker={"maxConnections": 1}) +
                      calls_to("one"))
        body = os.urandom(100_000)

        def ask(_):
            with RawClient("127.0.0.1", port) as client:
                client.send(b"POST /a/b HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                return client.read_response()[::2] == (200, body), connections_to(origin_port)
        def workers_know():
            """What the backend allows is said on each one's connection."""
            ask(0)
            return connections_to(origin_port) == 2
        harness.eventually(workers_know, "both workers have a connection")
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            answers_right, connections = zip(*pool.map(ask, range(200)))
        self.assertTrue(all(answers_right))
        self.assertLessEqual(max(connections), 2)  # Each worker may have one.
        limited = 'apk_backend_limited_total{backend="backend/Backend/default/one#grpc",limit="connections"}'
        self.assertGreater(gateway.metrics()[limited], 0)

    def two_at_once(self, serve):
        """Two requests to a backend that takes one at a time, on one connection; `serve(peer, number, finish)` has read
        the first one. `finish` is set when the other one waits. Their statuses, which come quickly then."""
        gateway = Gateway(agent_flags=["--workers", 1])
        self.addCleanup(gateway.close)
        begun, finish = threading.Event(), threading.Event()

        def serve_one(peer, number):
            peer.send(h2frames.settings((h2frames.MAX_STREAMS, 1)))
            peer.wait_for(h2frames.HEADERS)
            if number == 1:
                for _ in range(2):  # It has seen the greeting, and this.
                    peer.wait_for(h2frames.SETTINGS)
                begun.set()
            serve(peer, number, finish)
            peer.wait_for(255)
        origin = h2frames.H2Backend(serve_one)
        self.addCleanup(origin.close)
        self.addCleanup(finish.set)
        port = free_port()
        gateway.apply(plain_gateway(port) + harness.backend("one", origin.port, circuitBreaker={"maxConnections": 1}) +
                      calls_to("one"))
        clients = [RawClient("127.0.0.1", port) for _ in range(2)]
        for client in clients:
            self.addCleanup(client.close)
            client.send("POST /a/b HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
            self.assertTrue(begun.wait(harness.PATIENCE))
        harness.eventually(lambda: any(name.startswith("apk_pool_pending") and waiting == 1
                                       for name, waiting in gateway.metrics().items()), "the second one waits")
        finish.set()
        return [client.read_response()[0] for client in clients], origin.connections

    @staticmethod
    def answer(peer, stream):
        peer.send(h2frames.frame(h2frames.HEADERS, h2frames.END_HEADERS | h2frames.END_STREAM, stream, b"\x88"))

    def test_who_waits_for_a_stream_is_served_when_the_connection_ends(self):
        def serve(peer, number, finish):
            if number == 1:
                finish.wait(harness.PATIENCE)
                peer.send(h2frames.goaway(1, h2frames.NO_ERROR))
            self.answer(peer, 1)
        self.assertEqual(self.two_at_once(serve), ([200, 200], 2))

    def test_who_waits_for_a_stream_is_served_when_the_backend_takes_more(self):
        def serve(peer, _, finish):
            finish.wait(harness.PATIENCE)
            peer.send(h2frames.settings((h2frames.MAX_STREAMS, 2)))
            self.answer(peer, peer.wait_for(h2frames.HEADERS).stream)
            self.answer(peer, 1)
        self.assertEqual(self.two_at_once(serve), ([200, 200], 1))


class Waiting(unittest.TestCase):
    def test_who_waits_for_a_connection_that_another_opens_waits_no_longer_than_its_own_time(self):
        gateway = Gateway()
        self.addCleanup(gateway.close)
        silent = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.addCleanup(silent.close)
        for _ in range(2):  # The queue is full: a connection is neither accepted nor refused.
            filler = socket.socket()
            self.addCleanup(filler.close)
            filler.setblocking(False)
            filler.connect_ex(silent.getsockname())
        port = free_port()
        gateway.apply(plain_gateway(port) + f"""
---
apiVersion: v1
kind: Service
metadata: {{name: silent}}
spec: {{ports: [{{name: h2, port: 80, appProtocol: kubernetes.io/h2c}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: silent-1, labels: {{kubernetes.io/service-name: silent}}}}
addressType: IPv4
ports: [{{name: h2, port: {silent.getsockname()[1]}}}]
endpoints: [{{addresses: [127.0.0.1]}}]
""" + harness.route("waiting", """
  - matches: [{path: {type: PathPrefix, value: /long}}]
    backendRefs: [{name: silent, port: 80}]
  - matches: [{path: {type: PathPrefix, value: /short}}]
    timeouts: {request: 300ms}
    backendRefs: [{name: silent, port: 80}]
"""))
        clients = [RawClient("127.0.0.1", port) for _ in range(6)]
        for client in clients:  # Of both workers.
            self.addCleanup(client.close)
            client.send("GET /long HTTP/1.1\r\nHost: a\r\n\r\n")
        begun = time.monotonic()
        for _ in range(4):
            with RawClient("127.0.0.1", port) as client:
                client.send("GET /short HTTP/1.1\r\nHost: a\r\n\r\n")
                self.assertEqual(client.read_response()[0], 504)
        self.assertLess(time.monotonic() - begun, 4)  # Opening it is given up after 5 s.
        for client in clients:
            self.assertEqual(client.read_response()[0], 504)


if __name__ == "__main__":
    harness.main()
