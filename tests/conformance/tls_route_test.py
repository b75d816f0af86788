"""TLSRoute: connections routed by the name that the client asks for, decrypted or not."""
import contextlib
import select
import socket
import ssl
import threading
import unittest

import suite
from harness import PATIENCE, RawClient
from suite import ACCEPTED, documents, endpoint_slice, gateway, http_route, own_address, service, to
from tls_suite import (HTTPS, Authority, TlsClient, TlsEcho, ca_refs, context, https_listener, is_refused, policy, send,
                       tls_route)


def tls_listener(name="tls", hostname=None, mode="Passthrough", port=HTTPS, certificates=("certificate",)):
    listener = {"name": name, "port": port, "protocol": "TLS", "tls": {"mode": mode},
                "allowedRoutes": {"kinds": [{"kind": "TLSRoute"}]}}
    if mode == "Terminate":
        listener["tls"]["certificateRefs"] = [{"name": c} for c in certificates]
    return {**listener, "hostname": hostname} if hostname else listener


class Lines:
    """A backend that is no HTTP: answers each line in capitals, says goodbye at the end of what it reads."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    @staticmethod
    def _serve(connection):
        with connection, connection.makefile("rb") as stream:
            for line in stream:
                connection.sendall(line.upper())
            connection.sendall(b"bye\n")


class TlsRoutes(suite.SuiteTest):
    BACKENDS = ["plain"]
    GATEWAYS = {}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ca = Authority()
        cls.parts = [cls.ca.issue("terminated", "DNS:lines.test", "DNS:web.test", "DNS:one.test").secret("certificate"),
                     cls.ca.config_map("ca")]
        cls.echoes = {}
        for name, hostname in (("one", "one.test"), ("two", "two.test"), ("wild", "*.a.test")):
            cls.echoes[name] = TlsEcho(name, cls.ca.issue(name, f"DNS:{hostname}"))
            cls.addClassCleanup(cls.echoes[name].close)
            cls.parts += [service(name), endpoint_slice(name, ["127.0.0.1"], cls.echoes[name].port)]
        cls.lines = Lines()
        cls.addClassCleanup(cls.lines.close)
        cls.parts += [service("lines"), endpoint_slice("lines", ["127.0.0.1"], cls.lines.port)]
        cls.suite.apply(documents(*cls.parts))

    def add(self, name, listeners, *objects):
        address = own_address()
        self.suite.apply(documents(gateway(name, address, listeners), *objects))
        return address

    def test_the_name_chooses_the_backend_which_speaks_tls_itself(self):
        address = self.add("pass", [tls_listener()],
                           tls_route("one", ["pass"], ["one.test"], [to("one")]),
                           tls_route("two", ["pass"], ["two.test"], [to("two")]),
                           tls_route("wild", ["pass"], ["*.a.test"], [to("wild")]))
        for name in ("one", "two", "wild"):
            self.expect_parent(name, ACCEPTED, kind="tlsroute")
        self.expect_attached("pass", "tls", 3)
        listener = self.suite.listener("pass", "tls")
        self.assertEqual([{"group": suite.GATEWAY_GROUP, "kind": "TLSRoute"}], listener["supportedKinds"])
        for host, backend in (("one.test", "one"), ("two.test", "two"), ("b.a.test", "wild")):
            # Verified with the backend's own certificate: nothing was decrypted on the way.
            reply = send(address, HTTPS, host, context(self.ca))
            self.assertEqual((200, backend), (reply.status, reply.backend))
        self.assertTrue(is_refused(address, HTTPS, "three.test", context()))

    def test_a_listener_makes_no_hostname_of_a_route_more_specific(self):
        address = self.add("narrow", [tls_listener(hostname="one.test")],
                           tls_route("a-wild", ["narrow"], ["*.test"], [to("two")]),
                           tls_route("b-exact", ["narrow"], ["one.test"], [to("one")]))
        reply = send(address, HTTPS, "one.test", context(self.ca))
        self.assertEqual((200, "one"), (reply.status, reply.backend))
        self.assertTrue(is_refused(address, HTTPS, "two.test", context()))

    def test_what_is_no_hello_is_closed(self):
        address = self.add("strange", [tls_listener()], tls_route("strange", ["strange"], ["one.test"], [to("one")]))
        for first in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x00", b"\x16\x03\x01\x40\x00\x01\xff\xff\xff"):
            with RawClient(address, HTTPS) as client:
                client.send(first)
                self.assertTrue(client.at_end())

    def test_a_hello_may_come_byte_by_byte(self):
        address = self.add("slow", [tls_listener()], tls_route("slow", ["slow"], ["one.test"], [to("one")]))
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context(self.ca).wrap_bio(incoming, outgoing, server_hostname="one.test")
        with self.assertRaises(ssl.SSLWantReadError):
            tls.do_handshake()
        with socket.create_connection((address, HTTPS), timeout=PATIENCE) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in outgoing.read():
                connection.sendall(bytes([byte]))
            while True:
                incoming.write(connection.recv(65536))
                try:
                    tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    pass
            self.assertEqual("one", dict(p[0] for p in tls.getpeercert()["subject"])["commonName"])

    def test_terminated_bytes_go_both_ways_until_both_have_ended(self):
        address = self.add("end", [tls_listener(mode="Terminate")],
                           tls_route("end", ["end"], ["lines.test"], [to("lines")]))
        self.expect_parent("end", ACCEPTED, kind="tlsroute")
        with TlsClient(address, HTTPS, "lines.test", context(self.ca)) as client:
            client.send(b"hello\n")
            self.assertEqual(b"HELLO\n", client.stream.readline())
            client.send(b"again\n")
            self.assertEqual(b"AGAIN\n", client.stream.readline())
        # One thread: OpenSSL's connections are not made for two at a time.
        to_send = (b"x" * 999 + b"\n") * 5000
        received = bytearray()
        with TlsClient(address, HTTPS, "lines.test", context(self.ca)) as client:
            client.socket.setblocking(False)
            sent = 0
            while len(received) < len(to_send):
                writing = [client.socket] if sent < len(to_send) else []
                select.select([client.socket], writing, [], PATIENCE)
                with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    sent += client.socket.send(to_send[sent:sent + 65536]) if writing else 0
                with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    while data := client.socket.recv(65536):
                        received += data
                    self.fail(f"ended after {len(received)} bytes")
        self.assertEqual(to_send.upper(), received)

    def test_a_half_closed_passthrough_still_carries_the_answer(self):
        # The backend needn't speak TLS for the gateway to pass its bytes on after a hello.
        address = self.add("half", [tls_listener()], tls_route("half", ["half"], ["lines.test"], [to("lines")]))
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context().wrap_bio(incoming, outgoing, server_hostname="lines.test")
        with self.assertRaises(ssl.SSLWantReadError):
            tls.do_handshake()
        with RawClient(address, HTTPS) as client:
            client.send(outgoing.read())
            client.send(b"\nhello\n")
            client.socket.shutdown(socket.SHUT_WR)
            self.assertTrue(client.stream.read().endswith(b"HELLO\nbye\n"))

    def test_modes_and_https_share_a_port(self):
        address = self.add("mixed", [tls_listener("through", "one.test"),
                                     tls_listener("ended", "lines.test", "Terminate"),
                                     https_listener("https", "web.test")],
                           tls_route("through", [{"name": "mixed", "sectionName": "through"}], ["one.test"],
                                     [to("one")]),
                           tls_route("ended", [{"name": "mixed", "sectionName": "ended"}], ["lines.test"],
                                     [to("lines")]),
                           http_route("web", [{"name": "mixed", "sectionName": "https"}],
                                      [{"backendRefs": [to("plain")]}]))
        for name in ("through", "ended", "https"):
            self.expect_listener("mixed", name, {"Accepted": ("True", "Accepted"),
                                                 "Programmed": ("True", "Programmed")})
        self.assertEqual("one", send(address, HTTPS, "one.test", context(self.ca)).backend)
        self.assertEqual("plain", send(address, HTTPS, "web.test", context(self.ca)).backend)
        with TlsClient(address, HTTPS, "lines.test", context(self.ca)) as client:
            client.send(b"hello\n")
            self.assertEqual(b"HELLO\n", client.stream.readline())

    def test_a_policy_holds_for_terminated_connections_only(self):
        address = self.add("twice", [tls_listener("ended", "one.test", "Terminate"), tls_listener("through", "two.test")],
                           policy("one", ["one"], hostname="one.test", caCertificateRefs=ca_refs("ca")),
                           policy("two", ["two"], hostname="two.test", caCertificateRefs=ca_refs("ca")),
                           tls_route("twice-one", ["twice"], ["one.test"], [to("one")]),
                           tls_route("twice-two", ["twice"], ["two.test"], [to("two")]))
        for host in ("one.test", "two.test"):
            reply = send(address, HTTPS, host, context(self.ca))
            self.assertEqual(host.split(".")[0], reply.backend)
        self.suite.delete("backendtlspolicy", "one")
        self.suite.delete("backendtlspolicy", "two")

    def test_routes_that_do_not_fit_say_why(self):
        self.add("picky", [tls_listener("a", "*.a.test"), https_listener("https", port=8444)],
                 tls_route("no-hostname", ["picky"], ["one.test"], [to("one")]),
                 tls_route("no-kind", [{"name": "picky", "sectionName": "https"}], ["one.test"], [to("one")]),
                 tls_route("no-section", [{"name": "picky", "sectionName": "none"}], ["b.a.test"], [to("one")]),
                 tls_route("no-backend", [{"name": "picky", "sectionName": "a"}], ["b.a.test"], [to("nobody")]),
                 tls_route("bad-kind", [{"name": "picky", "sectionName": "a"}], ["c.a.test"],
                           [{"group": "example.org", "kind": "Thing", "name": "x"}]),
                 http_route("no-tls", [{"name": "picky", "sectionName": "a"}], [{"backendRefs": [to("plain")]}]))
        self.expect_parent("no-hostname", {"Accepted": ("False", "NoMatchingListenerHostname")}, kind="tlsroute")
        self.expect_parent("no-kind", {"Accepted": ("False", "NotAllowedByListeners")}, kind="tlsroute")
        self.expect_parent("no-section", {"Accepted": ("False", "NoMatchingParent")}, kind="tlsroute")
        self.expect_parent("no-backend", {"Accepted": ("True", "Accepted"),
                                          "ResolvedRefs": ("False", "BackendNotFound")}, kind="tlsroute")
        self.expect_parent("bad-kind", {"Accepted": ("True", "Accepted"),
                                        "ResolvedRefs": ("False", "InvalidKind")}, kind="tlsroute")
        self.expect_parent("no-tls", {"Accepted": ("False", "NotAllowedByListeners")})


if __name__ == "__main__":
    unittest.main(verbosity=2)
