"""How connections end: when the process is told to, when the admin port is, when their listener goes. What was asked is
answered, and nobody has to guess whether it was."""
import http.client
import json
import signal
import socket
import ssl
import struct
import threading
import time
import unittest

import h2frames
import harness
from certificates import Authority
from h2frames import END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, H2Client, frame
from harness import FakeBackend, Gateway, RawClient, backend, eventually, free_port, plain_gateway, reference, response, route

HOST = "a.example"


class DrainCase(unittest.TestCase):
    FLAGS = ("--drain-seconds", "20")

    def setUp(self):
        self.gateway = Gateway(agent_flags=self.FLAGS)
        self.addCleanup(self.gateway.close)
        self.release = threading.Event()
        self.addCleanup(self.release.set)
        self.backend = FakeBackend(lambda request: self.answer(request))
        self.addCleanup(self.backend.close)
        self.port, self.other_port, self.tls_port = free_port(), free_port(), free_port()
        self.authority = Authority()
        parents = "[{name: plain}, {name: other}, {name: secured}]"
        self.gateway.apply(
            json.dumps(self.authority.issue(HOST).secret("certificate")) + "\n---"
            + harness.secured_gateway(self.tls_port, "certificate") + "---" + plain_gateway(self.port) + "---"
            + plain_gateway(self.other_port, "other") + backend("origin", self.backend.port)
            + route("all", f"  - backendRefs: [{reference('origin')}]\n").replace("[{name: plain}]", parents))

    def answer(self, request):
        if request.target == "/wait":
            self.release.wait(harness.PATIENCE)
        return response(b"ok")

    @property
    def agent(self):
        return self.gateway.agents[1].process

    def client(self, port=None):
        client = RawClient("127.0.0.1", port or self.port)
        self.addCleanup(client.close)
        return client

    def ask(self, client, path="/"):
        client.send(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n")

    def used(self, port=None):
        """A connection that is kept after an answer."""
        client = self.client(port)
        self.ask(client)
        status, fields, _ = client.read_response()
        self.assertEqual((status, fields.get("connection")), (200, None))
        return client

    def secured(self):
        context = ssl.create_default_context(cafile=str(self.authority.certificate))
        connection = socket.create_connection(("127.0.0.1", self.tls_port), timeout=harness.PATIENCE)
        connection = context.wrap_socket(connection, server_hostname=HOST, suppress_ragged_eofs=False)
        self.addCleanup(connection.close)
        return connection

    def admin(self, path, method="GET"):
        connection = http.client.HTTPConnection(self.gateway.agents[1].ready["admin"], timeout=harness.PATIENCE)
        self.addCleanup(connection.close)
        connection.request(method, path)
        return connection.getresponse().status

    def refused(self, port=None):
        try:
            RawClient("127.0.0.1", port or self.port).close()
        except ConnectionRefusedError:
            return True
        return False

    def ends_well(self):
        self.assertEqual(eventually(lambda: self.agent.poll() is not None and [self.agent.poll()], "it ends"), [0])


class Terminated(DrainCase):
    def test_what_was_asked_is_answered_and_said_to_be_the_last(self):
        waiting, kept = self.client(), self.used()
        self.ask(waiting, "/wait")
        self.backend.wait_for(2)
        self.agent.terminate()
        eventually(lambda: self.refused(), "nobody is accepted any more")
        self.assertEqual(self.admin("/readyz"), 503)
        # One that was used a moment ago may have its next request on the way.
        self.ask(kept)
        for client in (kept, waiting):
            status, fields, _ = client.read_response()
            self.assertEqual((status, fields.get("connection")), (200, "close"))
            self.release.set()
        self.ends_well()

    def test_steady_clients_see_no_failure(self):
        ended, failures = [], []
        secured = [self.secured() for _ in range(4)]

        def run(connection):
            stream = connection.makefile("rb")
            try:
                while True:
                    connection.sendall(f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
                    head = harness.read_head(stream)
                    if head is None or harness.read_body(stream, head) != (b"ok", True):
                        failures.append(head)
                        return
                    if b"Connection: close" in head:
                        ended.append(connection)
                        return
            except OSError as error:
                failures.append(error)
        clients = [threading.Thread(target=run, args=(connection,))
                   for connection in (*secured, *(self.client().socket for _ in range(8)))]
        for thread in clients:
            thread.start()
        self.backend.wait_for(100)
        self.agent.terminate()
        for thread in clients:
            thread.join(harness.PATIENCE)
        self.assertEqual((failures, len(ended)), ([], 12))
        self.ends_well()

    def test_idle_connections_are_closed_properly(self):
        plain, secured, fresh, silent = self.used(), self.secured(), self.client(), self.secured()
        secured.sendall(f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        self.assertIn(b" 200 ", secured.recv(1000))
        self.agent.terminate()
        self.assertTrue(plain.at_end())
        self.assertTrue(fresh.at_end())
        self.assertEqual(silent.recv(100), b"")  # close_notify: an end without it would be an error.
        self.assertEqual(secured.recv(100), b"")
        self.ends_well()

    def test_a_request_that_is_begun_is_waited_for(self):
        client = self.used()
        client.send("GET / HTTP/1.1\r\nHost:")
        self.agent.terminate()
        eventually(lambda: self.refused(), "nobody is accepted any more")
        idle = threading.Event()
        idle.wait(1.5)  # Longer than an idle connection is kept; what has begun has its own time.
        client.send(f" {HOST}\r\n\r\n")
        self.assertEqual(client.read_response()[0], 200)
        self.ends_well()

    def test_connections_that_the_kernel_has_accepted_are_served(self):
        self.agent.send_signal(signal.SIGSTOP)
        clients = [self.client() for _ in range(50)]
        for client in clients:
            self.ask(client)
        self.agent.terminate()
        self.agent.send_signal(signal.SIGCONT)
        self.assertEqual([client.read_response()[0] for client in clients], [200] * 50)
        self.ends_well()

    def test_whoever_asks_twice_does_not_wait(self):
        client = self.client()
        self.ask(client, "/wait")
        self.backend.wait_for(1)
        self.agent.terminate()
        eventually(lambda: self.refused(), "it drains")
        self.assertIsNone(self.agent.poll())
        self.agent.terminate()
        self.ends_well()
        self.assertRegex(self.gateway.agents[1].tail(), "connections_cut=[1-9]")

    def test_http2_clients_are_told_in_two_steps(self):
        idle, busy = H2Client("127.0.0.1", self.port), H2Client("127.0.0.1", self.port)
        for client in (idle, busy):
            self.addCleanup(client.close)
            self.assertTrue(client.alive())
        busy.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, h2frames.request("/wait")))
        self.backend.wait_for(1)
        self.agent.terminate()
        for client, last in ((idle, 0), (busy, 3)):
            self.assertEqual(client.wait_for(GOAWAY).payload[:4], b"\x7f\xff\xff\xff")
            ping = client.wait_for(PING)
            if client is busy:  # Sent before it had read the first notice, as far as the agent knows.
                client.send(frame(HEADERS, END_HEADERS | END_STREAM, 3, h2frames.request("/wait")))
            client.send(frame(PING, h2frames.ACK, 0, ping.payload))
            self.assertEqual(client.wait_for(GOAWAY).payload[:4], struct.pack("!I", last))
        self.assertIsNone(idle.read())
        self.release.set()
        answered = {}
        while (got := busy.wait_for(HEADERS)) is not None:
            answered[got.stream] = h2frames.status_of(got.payload)
        self.assertEqual(answered, {1: 200, 3: 200})
        self.ends_well()

    def test_a_http2_client_that_does_not_answer_is_not_waited_for(self):
        client = H2Client("127.0.0.1", self.port)
        self.addCleanup(client.close)
        self.assertTrue(client.alive())
        begun = time.monotonic()
        self.agent.terminate()
        self.ends_well()
        self.assertLess(time.monotonic() - begun, 15)  # Of the 20 seconds that it could have.


class Noticed(DrainCase):
    FLAGS = ("--drain-seconds", "20", "--drain-notice-ms", "3000")

    def served_as_the_last(self):
        client = self.client()
        self.ask(client)
        status, fields, _ = client.read_response()
        self.assertEqual((status, fields["connection"]), (200, "close"))

    def test_a_drain_says_so_before_it_refuses(self):
        self.assertEqual(self.admin("/drain", "POST"), 200)
        self.assertEqual(self.admin("/readyz"), 503)
        self.served_as_the_last()
        eventually(lambda: self.refused(), "nobody is accepted any more")
        self.assertEqual(self.admin("/readyz"), 503)
        self.assertIsNone(self.agent.poll())

    def test_so_does_a_stop(self):
        self.agent.terminate()
        eventually(lambda: self.admin("/readyz") == 503, "it is not ready")
        self.served_as_the_last()
        self.ends_well()


class ListenerGone(DrainCase):
    def test_its_connections_end_and_others_stay(self):
        waiting, idle, other = self.client(), self.used(), self.used(self.other_port)
        busy = H2Client("127.0.0.1", self.port)
        self.addCleanup(busy.close)
        self.ask(waiting, "/wait")
        busy.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, h2frames.request("/wait")))
        self.backend.wait_for(4)
        self.gateway.apkctl("delete", "gateway", "plain")
        self.gateway.settle()
        eventually(lambda: self.refused(), "the port is closed")
        self.assertTrue(idle.at_end())
        self.assertEqual(busy.wait_for(GOAWAY).payload[:4], b"\x7f\xff\xff\xff")
        busy.send(frame(PING, h2frames.ACK, 0, busy.wait_for(PING).payload))
        self.assertEqual(busy.wait_for(GOAWAY).payload[:4], b"\0\0\0\1")
        self.release.set()
        status, fields, _ = waiting.read_response()
        self.assertEqual((status, fields.get("connection")), (200, "close"))
        self.assertTrue(waiting.at_end())
        self.assertEqual(busy.response(1), (200, b"ok"))
        self.assertIsNone(busy.read())
        # It has been idle for longer than a connection that is to end.
        self.ask(other)
        status, fields, _ = other.read_response()
        self.assertEqual((status, fields.get("connection")), (200, None))

    def test_a_listener_that_comes_back_serves_again(self):
        for _ in range(3):
            kept = self.used()
            self.gateway.apkctl("delete", "gateway", "plain")
            self.gateway.settle()
            self.assertTrue(kept.at_end())
            self.gateway.apply(plain_gateway(self.port))
            self.used()


if __name__ == "__main__":
    harness.main()
