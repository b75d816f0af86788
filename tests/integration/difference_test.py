#!/usr/bin/env python3
"""What an agent is sent when it comes back: what changed since, not the whole. Counted on the wire, through a
relay that cuts the connection."""
import socket
import threading
import unittest

import harness
from harness import Gateway, backend, eventually, reference, route

ROUTES = 2500  # Their snapshot has some 700 KiB, 80 when it is compressed.
HELLO_BYTES_MAX = 16 * 1024  # TLS, and a difference of a route.


def shut(end):
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:  # It is already.
        pass


class Relay:
    """Passes bytes on to `port`, counts those that come from there, and can be cut."""

    def __init__(self, port):
        self.target = port
        self.bytes = 0
        self.open = True
        self.sockets = set()
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", harness.free_port()))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target)) if self.open else None
            except OSError:
                server = None
            with self.lock:
                if server is None or not self.open:
                    client.close()
                    continue
                self.sockets |= {client, server}
            threading.Thread(target=self.copy, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self.copy, args=(server, client, True), daemon=True).start()

    def copy(self, source, sink, counted):
        try:
            while data := source.recv(65536):
                if counted:
                    self.bytes += len(data)
                sink.sendall(data)
        except OSError:
            pass
        shut(sink)
        source.close()

    def cut(self):
        with self.lock:
            self.open = False
            for end in self.sockets:
                shut(end)
            self.sockets.clear()

    def mend(self):
        self.bytes = 0
        self.open = True

    def close(self):
        self.cut()
        self.listener.close()


def routes(numbers, target="b"):
    return "".join(route(f"r{number}", f"  - backendRefs: [{reference(target)}]\n", parent="wso2-apk-default",
                         hostnames=[f"host-{number}.gw.wso2.com"]) for number in numbers)


class Differences(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway(agents=0)
        cls.addClassCleanup(cls.gateway.close)
        cls.relay = Relay(cls.gateway.grpc_port)
        cls.addClassCleanup(cls.relay.close)
        own_port, cls.gateway.grpc_port = cls.gateway.grpc_port, cls.relay.port
        cls.gateway.start_agent()
        cls.gateway.grpc_port = own_port
        cls.gateway.apply(backend("b", 1) + backend("c", 1) + routes(range(ROUTES)))
        cls.whole = cls.relay.bytes

    def gone(self):
        eventually(lambda: not any(agent["connected"] for agent in self.gateway.fleet()["agents"]), "the agent left")

    def come_back(self):
        """The bytes until the agent is up to date again."""
        self.relay.mend()
        self.gateway.settle()
        return self.relay.bytes

    def status(self, number):
        return self.gateway.curl("/", host=f"host-{number}.gw.wso2.com").status

    def test_what_changed_meanwhile_is_all_that_is_sent(self):
        self.assertGreater(self.whole, 3 * HELLO_BYTES_MAX)
        self.relay.cut()
        self.gone()
        self.gateway.apply(routes([ROUTES]) + routes([7], target="c"), settle=False)
        self.gateway.apkctl("delete", "httproute", "r8")
        self.assertLess(self.come_back(), HELLO_BYTES_MAX)
        self.assertEqual(self.status(ROUTES), 503)  # Routed, to where nothing listens.
        self.assertEqual(self.status(8), 404)
        self.assertEqual(self.status(9), 503)

    def test_another_process_of_the_control_plane_sends_no_more(self):
        self.gateway.apply(routes([ROUTES + 1]))
        self.relay.cut()
        self.gateway.control_plane.stop()
        self.gateway.start_control_plane()
        self.gateway.apply(routes([ROUTES + 2]), settle=False)
        self.assertLess(self.come_back(), HELLO_BYTES_MAX)
        self.assertEqual(self.status(ROUTES + 2), 503)

    def test_without_a_change_nothing_is_sent(self):
        self.relay.cut()
        self.gone()
        first = self.come_back()
        self.assertLess(first, 8 * 1024)


if __name__ == "__main__":
    harness.main()
