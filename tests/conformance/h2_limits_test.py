"""What a client of HTTP/2 can make the agent keep or do (RFC 9113 10.5): heads that are small on the wire and large in
memory, clients that read or send next to nothing. Floods of frames are in integration/http2_test.py."""
import contextlib
import threading
import time
import unittest

import h2frames
import harness
import prometheus
from h2_suite import HEAD, get, post, request
from h2frames import (CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PROTOCOL_ERROR, RST_STREAM,
                      H2Client, frame, string, window_update)
from harness import FakeBackend, Gateway, backend, eventually, free_port, plain_gateway, reference, response

MiB = 1024 * 1024


class Limits(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway(agent_flags=("--head-timeout-ms", 800, "--body-timeout-ms", 800,
                                           "--write-timeout-ms", 800))
        cls.addClassCleanup(cls.gateway.close)
        cls.port = free_port()
        cls.origin = FakeBackend(cls.answer)
        cls.addClassCleanup(cls.origin.close)
        cls.gateway.apply(plain_gateway(cls.port) + backend("origin", cls.origin.port) +
                          harness.route("all", f"  - backendRefs: [{reference('origin')}]\n"))

    @staticmethod
    def answer(asked):
        return response(b"x" * (2 * MiB if asked.target == "/big" else 2))

    def connect(self, **options):
        client = H2Client("127.0.0.1", self.port, **options)
        self.addCleanup(client.close)
        return client

    def memory(self):
        return prometheus.total(prometheus.parse(harness.http_get(self.gateway.agents[1].ready["admin"], "/metrics")),
                                "process_resident_memory_bytes")

    def cut_off(self):
        return self.gateway.metrics().get("apk_requests_cut_off_total", 0)

    @contextlib.contextmanager
    def costs_little(self):
        """Less than 32 MiB stay in use, and others are served."""
        before = self.memory()
        yield
        self.assertLess(self.memory() - before, 32 * MiB)
        with harness.RawClient("127.0.0.1", self.port) as other:
            other.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertEqual(other.read_response()[0], 200)

    # Heads.

    def test_a_head_that_unpacks_to_half_a_gigabyte(self):
        client = self.connect()
        with self.costs_little():
            large = b"\x40" + string("x") + string("y" * 4000)
            client.send(frame(HEADERS, END_STREAM, 1, request() + large))
            for last in range(7):
                client.send(frame(CONTINUATION, END_HEADERS if last == 6 else 0, 1, b"\xbe" * 2 ** 14))
            self.assertIn(client.response(1)[0], (431, -h2frames.INTERNAL_ERROR, -h2frames.CANCEL))
            self.assertTrue(client.alive(), "its table is in step")
        client.send(frame(HEADERS, HEAD, 3, request() + b"\xbe"))  # Still there.
        self.assertEqual(client.response(3)[0], 200)

    def test_a_head_larger_than_the_setting_is_told_so(self):
        client = self.connect()
        setting = client.wait_for(h2frames.SETTINGS)
        told = {setting.payload[i:i + 2]: int.from_bytes(setting.payload[i + 2:i + 6], "big")
                for i in range(0, len(setting.payload), 6)}
        self.assertEqual(told[b"\0\6"], 64 * 1024)
        fields = [(f"x-{i}", "y" * 8000) for i in range(9)]
        parts = [request(), *(h2frames.literal(*field) for field in fields)]
        client.send(frame(HEADERS, END_STREAM, 1, parts[0]) + b"".join(
            frame(CONTINUATION, 0, 1, b"".join(parts[i:i + 2])) for i in range(1, 9, 2)) +
            frame(CONTINUATION, END_HEADERS, 1, parts[9]))
        self.assertEqual(client.response(1)[0], 431)
        self.assertTrue(client.alive())

    def test_fields_of_nothing(self):
        for field, expected in ((b"\0\0\0", (-PROTOCOL_ERROR,)), (b"\0" + string("x") + b"\0", (431,)),
                                (b"\0\x80\x80", (-PROTOCOL_ERROR,))):
            client = self.connect()
            client.send(frame(HEADERS, HEAD, 1, request() + field * 2000))
            self.assertIn(client.response(1)[0], expected)
            self.assertTrue(client.alive())

    def test_a_head_without_end_does_not_hold_the_connection(self):
        client = self.connect()
        client.send(frame(HEADERS, END_STREAM, 1, request()))
        begun = time.monotonic()
        self.assertIsNone(client.wait_for(255))
        self.assertLess(time.monotonic() - begun, harness.PATIENCE / 2)

    def test_a_head_bit_by_bit_does_not_hold_the_connection(self):
        client = self.connect()
        with contextlib.suppress(OSError):
            for byte in frame(HEADERS, HEAD, 1, request(extra=[("x", "y" * 1000)])):
                client.send(bytes([byte]))
                time.sleep(0.05)
        self.assertIsNone(client.wait_for(HEADERS))

    # Bodies.

    def test_a_body_that_does_not_come(self):
        client = self.connect()
        client.send(post() + frame(DATA, 0, 1, b"some"))
        got = client.wait_for(HEADERS, RST_STREAM, GOAWAY)
        if got.kind == HEADERS:
            self.assertEqual(h2frames.status_of(got.payload), 408)
        self.assertTrue(client.alive())

    def stalls(self, streams, more=lambda client, stop: None, **options):
        """Answers of 2 MiB to a client that takes next to nothing of them: each is given up in time."""
        client, before = self.connect(**options), self.cut_off()
        stop = threading.Event()
        with self.costs_little():
            client.send(b"".join(get(stream, "/big") for stream in streams))
            thread = threading.Thread(target=more, args=(client, stop))
            thread.start()
            left = set(streams)
            try:
                while left:
                    got = client.wait_for(RST_STREAM)
                    self.assertIsNotNone(got, "only its streams")
                    left.discard(got.stream)
            finally:
                stop.set()
                thread.join()
        self.assertTrue(client.alive())
        eventually(lambda: self.cut_off() == before + len(streams), "each is counted")

    def test_windows_that_stay_shut(self):
        self.stalls(range(1, 201, 2), window=0)

    def test_a_window_of_the_connection_that_stays_shut(self):
        self.stalls(range(1, 201, 2))

    def test_windows_that_open_byte_by_byte(self):
        def open_a_little(client, stop):
            with contextlib.suppress(OSError):
                while not stop.wait(0.02):
                    client.send(b"".join(window_update(stream, 1) for stream in (1, 3, 5)))
        self.stalls((1, 3, 5), open_a_little, window=0)

    def test_a_socket_that_is_not_read(self):
        client, before = self.connect(window=2 ** 31 - 1), self.cut_off()
        with self.costs_little():
            with contextlib.suppress(OSError):
                client.send(window_update(0, 2 ** 31 - 2 ** 16) + b"".join(get(stream, "/big") for stream in
                                                                           range(1, 201, 2)))
            eventually(lambda: self.cut_off() > before, "it is hung up on")


if __name__ == "__main__":
    unittest.main()
