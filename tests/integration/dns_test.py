"""Backends and mirrors that have names: nobody waits for another's name, and answers keep for their time."""
import json
import pathlib
import socket
import time
import unittest

import harness
from fake_dns import HELD, NO_SUCH_NAME, FakeDns
from harness import (ClientTest, FakeBackend, Gateway, RawClient, eventually, free_port, plain_gateway, reference,
                     response, route)

WORKERS = 2  # Each has a resolver of its own.


def named_backend(name, host, port):
    spec = json.dumps({"services": [{"host": host, "port": port}]})
    return f"---\napiVersion: dp.wso2.com/v1alpha2\nkind: Backend\nmetadata: {{name: {name}}}\nspec: {spec}\n"


class Names(ClientTest):
    @classmethod
    def setUpClass(cls):
        cls.dns = FakeDns()
        cls.addClassCleanup(cls.dns.close)
        cls.gateway = Gateway(agent_flags=("--dns-server", cls.dns.address))
        cls.addClassCleanup(cls.gateway.close)
        cls.port = free_port()
        # Each request needs a connection of its own, and so an address.
        cls.origin = FakeBackend(lambda _: response(b"ok", fields=["Connection: close"]))
        cls.addClassCleanup(cls.origin.close)
        cls.gateway.apply(plain_gateway(cls.port))
        cls.names = 0

    def name(self, port=None, rule=""):
        """A name that was never asked for, and the path that leads to it."""
        cls = type(self)
        cls.names += 1
        host, path = f"n{cls.names}.example.test", f"/n{cls.names}"
        self.serve(host, path, port, rule)
        return host, path

    def serve(self, host, path, port=None, rule=""):
        name = path.strip("/")
        self.gateway.apply(named_backend(name, host, port or self.origin.port) + route(name, f"""
  - matches: [{{path: {{type: PathPrefix, value: {path}}}}}]
    backendRefs: [{reference(name)}]
{rule}"""))

    def start(self, path):
        client = self.client()
        client.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
        return client

    def get(self, path):
        return self.start(path).read_response()

    def test_a_slow_name_holds_up_nobody_else(self):
        slow, slow_path = self.name()
        quick, quick_path = self.name()
        self.dns.set(slow, HELD)
        self.dns.set(quick, ["127.0.0.1"])
        waiting = [self.start(slow_path) for _ in range(8)]
        self.dns.wait_for(slow)
        for _ in range(6):  # Both workers.
            self.assertEqual(self.get(quick_path)[::2], (200, b"ok"))
        self.dns.set(slow, ["127.0.0.1"])
        for client in waiting:
            self.assertEqual(client.read_response()[0], 200)
        self.assertLessEqual(self.dns.count(slow), WORKERS)  # Shared by all who waited.

    def test_an_answer_keeps_for_its_time_and_is_then_asked_for_again(self):
        host, path = self.name()
        self.dns.set(host, ["127.0.0.1"], ttl=300)
        for _ in range(20):
            self.assertEqual(self.get(path)[0], 200)
        self.assertLessEqual(self.dns.count(host), WORKERS)
        moved, moved_path = self.name()
        self.dns.set(moved, ["127.0.0.9"], ttl=1)
        self.assertEqual(self.get(moved_path)[0], 503)
        self.dns.set(moved, ["127.0.0.1"], ttl=1)
        eventually(lambda: self.get(moved_path)[0] == 200, "the new address is used")

    def test_an_answer_that_ran_out_serves_until_there_is_a_new_one(self):
        host, path = self.name()
        self.dns.set(host, ["127.0.0.1"], ttl=1)
        client = self.client()  # Of one worker.

        def get():
            client.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
            return client.read_response()[0]
        self.assertEqual(get(), 200)
        self.dns.set(host, HELD)

        def asked_again():
            self.assertEqual(get(), 200)
            return self.dns.count(host) >= 2
        eventually(asked_again, "the name is asked for again")
        for _ in range(20):
            self.assertEqual(get(), 200)

    def test_a_name_that_does_not_exist_is_a_503_at_once_and_remembered(self):
        host, path = self.name()
        client = self.client()
        for _ in range(10):
            client.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
            status, _, body = client.read_response()
            self.assertEqual(status, 503)
            self.assertIn(b"102503", body)
        self.assertLess(self.dns.count(host), 10)
        # But not for long.
        self.dns.set(host, ["127.0.0.1"])
        eventually(lambda: self.get(path)[0] == 200, "the name is found")
        self.dns.set(host, NO_SUCH_NAME)

    def test_the_deadline_of_the_request_covers_the_look_up(self):
        host, path = self.name(rule="    timeouts: {request: 300ms}\n")
        self.dns.set(host, HELD)
        begun = time.monotonic()
        self.assertEqual(self.get(path)[0], 504)
        self.assertLess(time.monotonic() - begun, 3)  # The name server is given up after 4 s.

    def test_an_address_that_refuses_or_is_silent_is_passed_over(self):
        host, path = self.name()
        self.dns.set(host, ["127.0.0.7", "127.0.0.1", "127.0.0.8"])
        for _ in range(6):
            self.assertEqual(self.get(path)[0], 200)
        silent = socket.socket()
        self.addCleanup(silent.close)
        silent.bind(("127.0.0.7", self.origin.port))
        silent.listen(0)
        for _ in range(2):  # The queue is full: who comes next waits for an answer.
            filler = socket.socket()
            self.addCleanup(filler.close)
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.7", self.origin.port))
        host, path = self.name()
        self.dns.set(host, ["127.0.0.7", "127.0.0.1"])
        for _ in range(4):
            self.assertEqual(self.get(path)[0], 200)

    def test_both_families_are_asked_for_and_tried(self):
        host, path = self.name()
        self.dns.set(host, ["::1", "127.0.0.1"])  # The origin listens on IPv4 only.
        for _ in range(4):
            self.assertEqual(self.get(path)[0], 200)
        self.assertGreaterEqual(self.dns.count(host, version=6), 1)

    def test_localhost_is_this_machine_and_never_asked_for(self):
        for host in ("localhost", "LocalHost", "a.localhost"):
            self.dns.set(host, ["192.0.2.1"])
            self.serve(host, f"/{host.lower()}")
            self.assertEqual(self.get(f"/{host.lower()}")[0], 200)
            self.assertEqual(self.dns.count(host), 0)

    def test_the_hosts_file_comes_first(self):
        hosts = pathlib.Path("/etc/hosts")
        lines = [line.split("#")[0].split() for line in hosts.read_text().splitlines()] if hosts.exists() else []
        names = [name for address, *all_names in filter(None, lines) for name in all_names
                 if address == "127.0.0.1" and not name.startswith("localhost")]
        if not names:
            self.skipTest("no name in the hosts file but localhost")
        self.serve(names[0], "/by-hosts-file")
        self.assertEqual(self.get("/by-hosts-file")[0], 200)
        self.assertEqual(self.dns.count(names[0]), 0)

    def test_mirrors_have_names_too_and_a_slow_one_costs_the_primary_nothing(self):
        mirror = FakeBackend()
        self.addCleanup(mirror.close)
        self.dns.set("mirror.example.test", HELD)
        self.gateway.apply(named_backend("mirror", "mirror.example.test", mirror.port) +
                           named_backend("mirrored", "127.0.0.1", self.origin.port) + route("mirrored", f"""
  - matches: [{{path: {{type: PathPrefix, value: /mirrored}}}}]
    filters: [{{type: RequestMirror, requestMirror: {{backendRef: {reference("mirror")}}}}}]
    backendRefs: [{reference("mirrored")}]
"""))
        self.assertEqual(self.get("/mirrored")[0], 200)
        self.dns.wait_for("mirror.example.test")
        self.dns.set("mirror.example.test", ["127.0.0.1"])
        eventually(lambda: self.get("/mirrored")[0] == 200 and mirror.requests, "a copy arrives")


class Deadlines(unittest.TestCase):
    def test_the_deadline_of_the_request_covers_connecting(self):
        gateway = Gateway()
        self.addCleanup(gateway.close)
        silent = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.addCleanup(silent.close)
        for _ in range(2):
            filler = socket.socket()
            self.addCleanup(filler.close)
            filler.setblocking(False)
            filler.connect_ex(silent.getsockname())
        port = free_port()
        gateway.apply(plain_gateway(port) + harness.backend("silent", silent.getsockname()[1]) + route("silent", f"""
  - matches: [{{path: {{type: PathPrefix, value: /request}}}}]
    timeouts: {{request: 300ms}}
    backendRefs: [{reference("silent")}]
  - matches: [{{path: {{type: PathPrefix, value: /backend}}}}]
    timeouts: {{request: 60s, backendRequest: 300ms}}
    backendRefs: [{reference("silent")}]
"""))
        for path in ("/request", "/backend"):
            with RawClient("127.0.0.1", port) as client:
                begun = time.monotonic()
                client.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
                self.assertEqual(client.read_response()[0], 504)
                self.assertLess(time.monotonic() - begun, 3)  # Connecting alone may take 5 s.


if __name__ == "__main__":
    harness.main()
