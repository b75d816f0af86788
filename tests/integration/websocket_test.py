"""WebSockets: over HTTP/1.1 by Upgrade, over HTTP/2 by extended CONNECT, and never mirrored."""
import base64
import hashlib
import os
import socket
import threading
import unittest

import h2frames
import harness
from h2frames import DATA, END_HEADERS, END_STREAM, HEADERS, RST_STREAM, H2Client, block, frame
from harness import FakeBackend, Gateway, RawClient, backend, free_port, plain_gateway, reference, response

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accept_of(key):
    return base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()


def message(payload, opcode=1, mask=None):
    """One frame of RFC 6455 with a payload below 64 KiB."""
    masked = 0x80 if mask else 0
    if len(payload) < 126:
        head = bytes([0x80 | opcode, masked | len(payload)])
    else:
        head = bytes([0x80 | opcode, masked | 126]) + len(payload).to_bytes(2, "big")
    if not mask:
        return head + payload
    return head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


def read_message(read):
    """(opcode, payload); None at the end. `read(n)` gives n bytes, or fewer at the end."""
    head = read(2)
    if len(head) < 2:
        return None
    length = head[1] & 0x7f
    if length == 126:
        length = int.from_bytes(read(2), "big")
    mask = read(4) if head[1] & 0x80 else b"\0\0\0\0"
    return head[0] & 0x0f, bytes(byte ^ mask[i % 4] for i, byte in enumerate(read(length)))


class WebSocket(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway()
        cls.addClassCleanup(cls.gateway.close)
        cls.port = free_port()
        cls.origin = FakeBackend(lambda request: cls.answer(request))
        cls.addClassCleanup(cls.origin.close)
        cls.mirror = FakeBackend()
        cls.addClassCleanup(cls.mirror.close)
        cls.gateway.apply(plain_gateway(cls.port) + backend("origin", cls.origin.port) +
                          backend("mirror", cls.mirror.port) + f"""
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: all}}
spec:
  parentRefs: [{{name: plain}}]
  rules:
  - filters: [{{type: RequestMirror, requestMirror: {{backendRef: {reference("mirror")}}}}}]
    backendRefs: [{reference("origin")}]
""")

    @classmethod
    def answer(cls, request):
        if request.target == "/refused":
            return response(b"no", "403 Forbidden")
        if request.target == "/other":
            return b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n"
        if request.header("Upgrade") != "websocket" or "upgrade" not in (request.header("Connection") or "").lower():
            return response(b"plain")

        def echo(connection):
            connection.sendall(("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                f"Sec-WebSocket-Accept: {accept_of(request.header('Sec-WebSocket-Key'))}\r\n"
                                "Sec-WebSocket-Protocol: chat\r\n\r\n").encode())
            stream = connection.makefile("rb")
            while (got := read_message(stream.read)) is not None:
                opcode, payload = got
                connection.sendall(message(payload, opcode))
                if opcode == 8:
                    break
            cls.over.set()
        return echo

    def setUp(self):
        type(self).over = threading.Event()
        self.origin.requests.clear()

    def open(self, path="/", early=b""):
        client = RawClient("127.0.0.1", self.port)
        self.addCleanup(client.close)
        key = base64.b64encode(os.urandom(16)).decode()
        client.send(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
                    f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode() + early)
        return client, key

    def test_messages_pass_both_ways_until_closed(self):
        client, key = self.open(early=message(b"early", mask=b"abcd"))
        status, fields, _ = client.read_response()
        self.assertEqual((status, fields["upgrade"].lower(), fields["connection"].lower()),
                         (101, "websocket", "upgrade"))
        self.assertEqual(fields["sec-websocket-accept"], accept_of(key))
        self.assertEqual(fields["sec-websocket-protocol"], "chat")
        self.assertEqual(read_message(client.stream.read), (1, b"early"))
        for size in (0, 1, 200, 60_000):
            payload = os.urandom(size)
            client.send(message(payload, 2, mask=b"1234"))
            self.assertEqual(read_message(client.stream.read), (2, payload))
        client.send(message(b"\x03\xe8", 8, mask=b"1234"))
        self.assertEqual(read_message(client.stream.read), (8, b"\x03\xe8"))
        self.assertTrue(client.at_end())

    def test_the_backend_notices_a_client_that_is_gone(self):
        client, _ = self.open()
        self.assertEqual(client.read_response()[0], 101)
        client.socket.shutdown(socket.SHUT_RDWR)
        self.assertTrue(self.over.wait(harness.PATIENCE))

    def test_a_backend_may_refuse(self):
        client, _ = self.open("/refused")
        self.assertEqual(client.read_response()[::2], (403, b"no"))

    def test_an_upgrade_to_something_else_is_no_answer(self):
        client, _ = self.open("/other")
        self.assertEqual(client.read_response()[0], 502)

    def test_other_upgrades_are_not_asked_for(self):
        with RawClient("127.0.0.1", self.port) as client:
            client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n")
            self.assertEqual(client.read_response()[::2], (200, b"plain"))

    def test_it_is_not_mirrored_and_counted_so(self):
        before = self.gateway.mirror_counts("Backend default/mirror")
        client, _ = self.open()
        self.assertEqual(client.read_response()[0], 101)
        after = self.gateway.mirror_counts("Backend default/mirror")
        self.assertEqual(after["matched"] - before.get("matched", 0), 1)
        self.assertEqual(after["skipped/upgrade"] - before.get("skipped/upgrade", 0), 1)

    # RFC 8441.

    def test_over_http2(self):
        client = H2Client("127.0.0.1", self.port)
        self.addCleanup(client.close)
        client.send(frame(HEADERS, END_HEADERS, 1, block(
            (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":path", "/chat"),
            (":authority", "a"), ("sec-websocket-version", "13"))))
        head = client.wait_for(HEADERS, RST_STREAM, stream=1)
        self.assertEqual((head.kind, h2frames.status_of(head.payload), head.flags & END_STREAM), (HEADERS, 200, 0))
        data = bytearray()

        def read(count):
            while len(data) < count:
                got = client.wait_for(DATA, stream=1)
                if got is None:
                    break
                data.extend(got.payload)
            taken = bytes(data[:count])
            del data[:count]
            return taken
        client.send(frame(DATA, 0, 1, message(b"hello", mask=b"1234")))
        self.assertEqual(read_message(read), (1, b"hello"))
        self.assertEqual(len(base64.b64decode(self.origin.requests[0].header("Sec-WebSocket-Key"))), 16)
        client.send(frame(DATA, 0, 1, message(b"\x03\xe8", 8, mask=b"1234")))
        self.assertEqual(read_message(read), (8, b"\x03\xe8"))
        end = client.wait_for(DATA, stream=1)
        self.assertTrue(end.flags & END_STREAM)
        self.assertTrue(client.alive())

    def test_other_protocols_over_http2_are_refused(self):
        client = H2Client("127.0.0.1", self.port)
        self.addCleanup(client.close)
        client.send(frame(HEADERS, END_HEADERS, 1, block(
            (":method", "CONNECT"), (":protocol", "other"), (":scheme", "http"), (":path", "/"),
            (":authority", "a"))))
        self.assertEqual(client.response(1)[0], 400)
        client.send(frame(HEADERS, END_HEADERS, 3, block((":method", "CONNECT"), (":authority", "a:1"))))
        self.assertEqual(client.response(3)[0], 501)


if __name__ == "__main__":
    harness.main()
