"""Connections of clients that are idle for some seconds are parked, and nobody notices."""
import ssl
import subprocess
import time
import unittest

import harness
from harness import FakeBackend, Gateway, RawClient, backend, eventually, free_port, plain_gateway, reference, response, route

IDLE_MS = 16_000  # Longer than it takes until all are parked.


class Parking(unittest.TestCase):
    more_flags = ()

    def setUp(self):
        self.gateway = Gateway(agent_flags=("--idle-timeout-ms", IDLE_MS, "--head-timeout-ms", IDLE_MS,
                                            *self.more_flags))
        self.addCleanup(self.gateway.close)
        self.backend = FakeBackend(lambda _: response(b"ok"))
        self.addCleanup(self.backend.close)
        self.port = free_port()
        self.gateway.apply(plain_gateway(self.port) + backend("b", self.backend.port) + route("r", f"""
  - backendRefs: [{reference("b")}]
"""))

    def client(self, secure=False):
        client = RawClient("127.0.0.1", self.gateway.port if secure else self.port)
        self.addCleanup(client.close)
        if secure:
            context = ssl.create_default_context(cafile=self.gateway.data / "pki/ca.crt")
            client.stream.close()
            client.socket = context.wrap_socket(client.socket, server_hostname="default.gw.wso2.com")
            client.stream = client.socket.makefile("rb")
        return client

    def parked(self):
        return self.gateway.metrics()["apk_connections_parked"]

    def all_parked(self, count):
        eventually(lambda: self.parked() == count, f"{count} connections parked")

    def ask(self, client, text="GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"):
        client.send(text)
        return client.read_response()[::2]

    def test_a_parked_connection_goes_on_ends_in_time_and_with_the_agent(self):
        clients = [self.client() for _ in range(4)]
        silent = self.client()
        secure = self.client(secure=True)
        for client in clients:
            self.assertEqual(self.ask(client), (200, b"ok"))
        self.assertEqual(self.ask(secure)[0], 404)
        self.all_parked(6)
        self.assertEqual(self.gateway.metrics()["apk_connections_active"], 6)

        # A request, several at once, a piece of one, a first one, one over TLS.
        self.assertEqual(self.ask(clients[0]), (200, b"ok"))
        self.assertEqual(self.ask(clients[1], "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n" * 2), (200, b"ok"))
        self.assertEqual(clients[1].read_response()[::2], (200, b"ok"))
        clients[2].send("GET / HTT")
        self.assertEqual(self.ask(silent), (200, b"ok"))
        self.assertEqual(self.ask(secure)[0], 404)
        self.all_parked(1)
        self.assertEqual(self.ask(clients[2], "P/1.1\r\nHost: a.example\r\n\r\n"), (200, b"ok"))
        # Gone while it was parked.
        clients[3].close()
        self.all_parked(0)
        # The rest is parked again, until its time is over.
        self.all_parked(5)
        for client in (*clients[:3], silent, secure):
            self.assertTrue(client.at_end())
        eventually(lambda: self.gateway.metrics()["apk_connections_active"] == 0, "all closed")
        self.assertEqual(self.parked(), 0)

    def test_what_is_no_request_does_not_prolong_the_wait(self):
        client = subprocess.Popen(
            ["openssl", "s_client", "-quiet", "-no_ign_eof", "-tls1_3", "-connect", f"127.0.0.1:{self.gateway.port}",
             "-servername", "default.gw.wso2.com"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL)
        self.addCleanup(client.stdout.close)
        client.stdin.write(b"GET / HTTP/1.1\r\nHost: default.gw.wso2.com\r\n\r\n")
        client.stdin.flush()
        self.assertIn(b"404", client.stdout.readline())
        began = time.monotonic()
        self.all_parked(1)
        client.stdin.write(b"K\n")  # A key update (RFC 8446 4.6.3).
        client.stdin.flush()
        client.wait(harness.PATIENCE)
        client.stdin.close()
        self.assertLess(time.monotonic() - began, IDLE_MS / 1000 + 3)

    def test_a_drain_closes_what_is_parked(self):
        client = self.client()
        self.assertEqual(self.ask(client), (200, b"ok"))
        self.all_parked(1)
        self.assertEqual(self.gateway.agents[1].stop(), 0)
        self.assertTrue(client.at_end())


class WithoutOpenSsl(Parking):
    more_flags = ("--lean-tls",)
    test_a_drain_closes_what_is_parked = None  # That one is of clear text.


if __name__ == "__main__":
    harness.main()
