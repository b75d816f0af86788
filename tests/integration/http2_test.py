"""HTTP/2 from clients: what works side by side on one connection, and what is refused (RFC 9113)."""
import contextlib
import os
import struct
import subprocess
import threading
import unittest

import h2frames
import harness
from h2frames import (CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, GOAWAY, HEADERS, PING,
                      PRIORITY, PROTOCOL_ERROR, REFUSED_STREAM, RST_STREAM, SETTINGS, WINDOW_UPDATE, H2Client, block,
                      frame, request, settings)
from harness import FakeBackend, Gateway, RawClient, backend, eventually, free_port, plain_gateway, reference, response


class Http2(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway()
        cls.addClassCleanup(cls.gateway.close)
        cls.port = free_port()
        cls.release = threading.Event()
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
  - backendRefs: [{reference("origin")}]
  - matches: [{{path: {{type: PathPrefix, value: /mirrored}}}}]
    filters: [{{type: RequestMirror, requestMirror: {{backendRef: {reference("mirror")}}}}}]
    backendRefs: [{reference("origin")}]
""")

    @classmethod
    def answer(cls, request):
        path = request.target.partition("?")[0]
        if path == "/wait":
            cls.release.wait(harness.PATIENCE)
        if path == "/big":
            return response(b"x" * 3_000_000)
        if path == "/trailers":
            return (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n")
        if path == "/cut":
            return lambda c: (c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), c.close())
        if path == "/never":
            def until_closed(connection):
                cls.never_seen.set()
                connection.recv(1)
                cls.never_over.set()
            return until_closed
        return response(request.body or b"ok", fields=["Set-Cookie: a=b", "X-Upper: Y"])

    def setUp(self):
        cls = type(self)
        cls.release, cls.never_seen, cls.never_over = threading.Event(), threading.Event(), threading.Event()
        self.addCleanup(cls.release.set)
        self.origin.requests.clear()
        self.mirror.requests.clear()

    def client(self, **options):
        made = H2Client("127.0.0.1", self.port, **options)
        self.addCleanup(made.close)
        return made

    def curl(self, path, *arguments):
        return self.gateway.curl(path, "--http2-prior-knowledge", *arguments, host="example.com", scheme="http",
                                 port=self.port)

    # What works.

    def test_curl_by_prior_knowledge(self):
        answer = self.curl("/a?b", "-D", "-", "--cookie", "c=d")
        self.assertTrue(answer.body.startswith(b"HTTP/2 200"), answer.body)
        self.assertIn(b"x-upper: Y", answer.body)
        seen = self.origin.wait_for(1)[0]
        self.assertEqual((seen.method, seen.target), ("GET", "/a?b"))
        self.assertEqual(seen.header("Via"), "2 apk")
        self.assertEqual(seen.header("X-Forwarded-Host"), f"example.com:{self.port}")
        self.assertEqual(seen.header("Cookie"), "c=d")

    def test_bodies_of_any_size_arrive_whole(self):
        big = os.urandom(3_000_000)
        path = self.gateway.directory / "big"
        path.write_bytes(big)
        self.assertEqual(self.curl("/", "--data-binary", f"@{path}").body, big)
        with open(path, "rb") as source:  # Without a length.
            got = subprocess.run(["curl", "-sS", "--noproxy", "*", "--http2-prior-knowledge", "-T", "-",
                                  f"http://127.0.0.1:{self.port}/"], stdin=source, capture_output=True,
                                 timeout=harness.PATIENCE)
        self.assertEqual(got.stdout, big)
        self.assertEqual(self.origin.requests[-1].header("Transfer-Encoding"), "chunked")
        self.assertEqual(len(self.curl("/big").body), 3_000_000)

    def test_https_chooses_http2_by_alpn(self):
        answer = self.gateway.curl("/none", "--http2", "-D", "-", port=self.gateway.port)
        self.assertTrue(answer.body.startswith(b"HTTP/2 404"), answer.body)
        answer = self.gateway.curl("/none", "--http1.1", "-D", "-", port=self.gateway.port)
        self.assertTrue(answer.body.startswith(b"HTTP/1.1 404"), answer.body)

    def test_an_answer_of_the_gateway_reaches_a_client_that_still_sends(self):
        for _ in range(20):
            answer = self.gateway.curl("/none", "--http2", "-d", "a=b", port=self.gateway.port)
            self.assertEqual((answer.status, answer.error), (404, ""))

    def test_upgrade_from_http1_is_not_taken(self):
        with RawClient("127.0.0.1", self.port) as client:
            client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                        "HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n")
            self.assertEqual(client.read_response()[0], 200)
        self.assertIsNone(self.origin.requests[0].header("HTTP2-Settings"))

    def test_streams_do_not_wait_for_each_other(self):
        client = self.client()
        client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, request("/wait")) +
                    frame(HEADERS, END_HEADERS | END_STREAM, 3, request("/")))
        self.assertEqual(client.response(3), (200, b"ok"))
        self.release.set()
        self.assertEqual(client.response(1), (200, b"ok"))

    def test_a_load_of_streams(self):
        got = subprocess.run(["h2load", "-n", "3000", "-c", "3", "-m", "50", f"http://127.0.0.1:{self.port}/"],
                             capture_output=True, text=True, timeout=harness.PATIENCE)
        self.assertIn("3000 succeeded, 0 failed", got.stdout, got.stdout + got.stderr)

    def test_cookie_crumbs_are_joined(self):
        client = self.client()
        client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1,
                          request(extra=[("cookie", "a=1"), ("x-a", "b"), ("cookie", "c=2")])))
        self.assertEqual(client.response(1)[0], 200)
        self.assertEqual(self.origin.requests[0].header("Cookie"), "a=1; c=2")

    def test_host_where_there_is_no_authority(self):
        client = self.client()
        client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, block(
            (":method", "GET"), (":scheme", "http"), (":path", "/"), ("host", "h.example"))))
        self.assertEqual(client.response(1)[0], 200)
        self.assertEqual(self.origin.requests[0].header("X-Forwarded-Host"), "h.example")

    def test_trailers_pass_both_ways(self):
        client = self.client()
        client.send(frame(HEADERS, END_HEADERS, 1, request("/trailers", "POST")) + frame(DATA, 0, 1, b"body") +
                    frame(HEADERS, END_HEADERS | END_STREAM, 1, block(("x-up", "1"), ("authorization", "9"))))
        self.assertEqual(client.wait_for(HEADERS, stream=1).flags & END_STREAM, 0)
        self.assertEqual(client.wait_for(DATA, stream=1).payload, b"abc")
        self.assertTrue(client.wait_for(HEADERS, stream=1).flags & END_STREAM)
        self.assertEqual(self.origin.wait_for(1)[0].trailers, ["x-up: 1"])

    def test_trailers_are_mirrored(self):
        client = self.client()
        client.send(frame(HEADERS, END_HEADERS, 1, request("/mirrored", "POST")) + frame(DATA, 0, 1, b"body") +
                    frame(HEADERS, END_HEADERS | END_STREAM, 1, block(("x-up", "1"), ("authorization", "9"))))
        copy = self.mirror.wait_for(1)[0]
        self.assertEqual((copy.body, copy.trailers, copy.complete), (b"body", ["x-up: 1"], True))

    def test_a_body_is_taken_only_as_fast_as_the_backend_takes_it(self):
        stalled = FakeBackend(lambda _: lambda connection: self.release.wait(harness.PATIENCE), read_requests=False)
        self.addCleanup(stalled.close)
        self.gateway.apply(backend("stalled", stalled.port) + harness.route(
            "stalled", f"  - matches: [{{path: {{type: PathPrefix, value: /stalled}}}}]\n"
                       f"    backendRefs: [{reference('stalled')}]\n"))
        client = self.client()
        client.send(frame(HEADERS, END_HEADERS, 1, request("/stalled", "POST")))
        window = 65536  # What the gateway grants, and no more than what its sockets swallow on top.
        opened = threading.Event()

        def count_updates():
            nonlocal window
            with contextlib.suppress(OSError, ValueError):  # The test is over.
                while (got := client.read()) is not None:
                    if got.kind == WINDOW_UPDATE and got.stream == 1:
                        window += struct.unpack("!I", got.payload)[0]
                        opened.set()
        threading.Thread(target=count_updates, daemon=True).start()
        sent, idle = 0, 0
        while idle < 20 and sent < 64_000_000:
            if sent + 16384 <= window:
                client.send(frame(DATA, 0, 1, b"x" * 16384))
                sent, idle = sent + 16384, 0
            else:
                opened.clear()
                idle = 0 if opened.wait(0.05) else idle + 1
        self.assertLess(sent, 32_000_000)

    def test_a_backend_that_stops_reading_is_late_with_its_answer(self):
        stalled = FakeBackend(lambda _: lambda connection: self.release.wait(harness.PATIENCE), read_requests=False)
        self.addCleanup(stalled.close)
        self.gateway.apply(backend("late", stalled.port, timeout={"upstreamResponseTimeout": 1}) + harness.route(
            "late", f"  - matches: [{{path: {{type: PathPrefix, value: /late}}}}]\n"
                    f"    backendRefs: [{reference('late')}]\n"))
        path = self.gateway.directory / "body"
        path.write_bytes(bytes(50_000_000))
        self.assertEqual(self.curl("/late", "--max-time", "10", "--data-binary", f"@{path}").status, 504)

    def test_a_slow_reader_gets_no_more_than_its_window(self):
        client = self.client(window=1000)
        client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, request("/big")) +
                    frame(HEADERS, END_HEADERS | END_STREAM, 3, request("/")))
        got = 0
        while got < 1000:
            got += len(client.wait_for(DATA, stream=1).payload)
        self.assertEqual(got, 1000)
        self.assertTrue(client.alive())

    def test_the_body_is_mirrored(self):
        body = os.urandom(200_000)
        path = self.gateway.directory / "body"
        path.write_bytes(body)
        self.assertEqual(self.curl("/mirrored", "--data-binary", f"@{path}").body, body)
        self.assertEqual(self.mirror.wait_for(1)[0].body, body)

    def test_a_cancelled_request_is_cancelled_at_the_backend(self):
        client = self.client()
        client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, request("/never")))
        self.assertTrue(self.never_seen.wait(harness.PATIENCE))
        client.send(frame(RST_STREAM, 0, 1, struct.pack("!I", CANCEL)))
        self.assertTrue(self.never_over.wait(5))
        self.assertTrue(client.alive())

    def test_a_client_that_goes_away_is_noticed(self):
        client = self.client()
        client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, request("/never")))
        self.assertTrue(self.never_seen.wait(harness.PATIENCE))
        client.close()
        self.assertTrue(self.never_over.wait(5))

    def test_an_answer_that_is_cut_off_resets_its_stream_only(self):
        client = self.client()
        client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, request("/cut")))
        status, body = client.response(1)
        self.assertLess(status, 0)
        self.assertEqual(body, b"abc")
        self.assertTrue(client.alive())

    # What is refused: the stream.

    def refused(self, header_block, flags=END_HEADERS | END_STREAM, then=b""):
        client = self.client()
        client.send(frame(HEADERS, flags, 1, header_block) + then)
        status = client.response(1)[0]
        self.assertTrue(client.alive())
        # A slow origin may still be reading those of the floods.
        self.assertEqual([seen.target for seen in self.origin.requests if seen.target != "/flood"], [])
        return status

    def test_malformed_requests_end_their_stream(self):
        for name, bad in {
                "upper case": request(extra=[("X-Upper", "1")]),
                "connection": request(extra=[("connection", "close")]),
                "transfer-encoding": request(extra=[("transfer-encoding", "chunked")]),
                "te": request(extra=[("te", "gzip")]),
                "unknown pseudo": request() + block((":x", "1")),
                "no path": block((":method", "GET"), (":scheme", "http"), (":authority", "a")),
                "empty path": request(""),
                "two paths": request() + block((":path", "/b")),
                "pseudo last": block(("x", "1")) + request(),
                "line feed": request(extra=[("x", "a\nb: c")]),
                "nul": request(extra=[("x", "a\0b")]),
                "line feed in path": request("/a\r\nX: 1"),
                "space in method": request(method="GET /x"),
                "no length": request(extra=[("content-length", "5")]),
                "two lengths": request(extra=[("content-length", "0"), ("content-length", "0")])}.items():
            with self.subTest(name):
                self.assertIn(self.refused(bad), (-PROTOCOL_ERROR, 400))

    def test_a_body_that_is_not_as_long_as_said(self):
        for body in (b"abc", b"abcdef"):
            self.assertEqual(self.refused_later(request(method="POST", extra=[("content-length", "5")]), body),
                             -PROTOCOL_ERROR)

    def refused_later(self, header_block, body):
        client = self.client()
        client.send(frame(HEADERS, END_HEADERS, 1, header_block) + frame(DATA, END_STREAM, 1, body))
        status = client.response(1)[0]
        self.assertTrue(all(not seen.complete for seen in self.origin.requests))
        return status

    def test_what_http1_would_refuse_is_refused(self):
        self.assertEqual(self.refused(request("/a%2fb")), 400)
        self.assertIn(self.refused(request("http://a/")), (-PROTOCOL_ERROR, 400))
        self.assertEqual(self.refused(request(extra=[("host", "other")])), 400)
        self.assertIn(self.refused(request(authority="a b")), (-PROTOCOL_ERROR, 400))
        self.assertEqual(self.refused(request("/" + "x" * 17_000)[:16_000], flags=END_STREAM, then=frame(
            CONTINUATION, END_HEADERS, 1, request("/" + "x" * 17_000)[16_000:])), 414)
        self.assertEqual(self.refused(request(extra=[(f"x-{i}", "1") for i in range(200)])), 431)

    # What is refused: the connection.

    def ends_with(self, data, code, greet=True):
        client = self.client(greet=greet)
        try:
            client.send(data)
        except OSError:
            pass  # The gateway has hung up already.
        error = client.error()
        self.assertIn(error, (code, None))
        self.assertTrue(client.wait_for(PING) is None)
        return error

    def test_protocol_errors_end_the_connection(self):
        headers = frame(HEADERS, END_HEADERS | END_STREAM, 1, request())
        for name, data, code in [
                ("data without stream", frame(DATA, 0, 1, b"x"), PROTOCOL_ERROR),
                ("even stream", frame(HEADERS, END_HEADERS | END_STREAM, 2, request()), PROTOCOL_ERROR),
                ("stream zero", frame(HEADERS, END_HEADERS | END_STREAM, 0, request()), PROTOCOL_ERROR),
                ("older stream", frame(HEADERS, END_HEADERS | END_STREAM, 5, request()) +
                 frame(HEADERS, END_HEADERS | END_STREAM, 3, request()), PROTOCOL_ERROR),
                ("frame too large", frame(DATA, 0, 1, b"x" * 16385), h2frames.FRAME_SIZE_ERROR),
                ("ping of 6", frame(PING, 0, 0, b"123456"), h2frames.FRAME_SIZE_ERROR),
                ("settings of 3", frame(SETTINGS, 0, 0, b"123"), h2frames.FRAME_SIZE_ERROR),
                ("push enabled with 2", settings((2, 2)), PROTOCOL_ERROR),
                ("huge window", settings((4, 2**31)), h2frames.FLOW_CONTROL_ERROR),
                ("zero increment", frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\0"), PROTOCOL_ERROR),
                ("push promise", frame(5, END_HEADERS, 1, b"\0\0\0\2" + request()), PROTOCOL_ERROR),
                ("continuation alone", frame(CONTINUATION, END_HEADERS, 1, b""), PROTOCOL_ERROR),
                ("torn head", frame(HEADERS, END_STREAM, 1, request()) + headers, PROTOCOL_ERROR),
                ("bad hpack", frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\xff\xff\xff\xff\xff"),
                 h2frames.COMPRESSION_ERROR),
                ("window overflow", frame(WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff") * 2,
                 h2frames.FLOW_CONTROL_ERROR)]:
            with self.subTest(name):
                self.ends_with(data, code)

    def test_a_preface_that_is_none(self):
        client = self.client(greet=False)
        client.send(b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n" + settings())
        self.assertIsNone(client.wait_for(PING))

    def test_floods_end_the_connection(self):
        headers = frame(HEADERS, END_HEADERS, 1, request("/wait", "POST"))
        resets = b"".join(frame(HEADERS, END_HEADERS | END_STREAM, i, request("/flood")) +
                          frame(RST_STREAM, 0, i, struct.pack("!I", CANCEL)) for i in range(1, 6001, 2))
        made_to_reset = b"".join(frame(HEADERS, END_HEADERS, i, request("/flood")) +
                                 frame(WINDOW_UPDATE, 0, i, b"\0\0\0\0") for i in range(1, 6001, 2))
        for name, data in [
                ("empty data", headers + frame(DATA, 0, 1) * 200),
                ("ping", frame(PING, 0, 0, b"12345678") * 20_000),
                ("settings", settings() * 20_000),
                ("priority", frame(PRIORITY, 0, 1, b"\0\0\0\0\1") * 20_000),
                ("window updates", headers + frame(WINDOW_UPDATE, 0, 1, b"\0\0\0\1") * 20_000),
                ("unknown frames", frame(200, 0, 0, b"") * 20_000),
                ("resets", resets),
                ("made to reset", made_to_reset),
                ("continuation", frame(HEADERS, END_STREAM, 1, request()) + frame(CONTINUATION, 0, 1, b"") * 1000),
        ]:
            with self.subTest(name):
                client = self.client()
                try:
                    client.send(data)
                except OSError:
                    continue
                self.assertIsNone(client.wait_for(255), name)  # Until the connection's end.
        self.assertEqual(self.curl("/").status, 200)

    def test_more_streams_than_allowed_are_refused(self):
        client = self.client()
        client.send(b"".join(frame(HEADERS, END_HEADERS | END_STREAM, i, request("/wait"))
                             for i in range(1, 205, 2)))
        refused = client.wait_for(RST_STREAM, GOAWAY)
        self.assertEqual((refused.kind, refused.code), (RST_STREAM, REFUSED_STREAM))
        self.assertGreater(refused.stream, 199)

    def test_a_drained_agent_says_goodbye_and_finishes(self):
        gateway = Gateway(agent_flags=["--drain-seconds", "20"])
        self.addCleanup(gateway.close)
        port = free_port()
        gateway.apply(plain_gateway(port) + backend("origin", self.origin.port) +
                      harness.route("all", f"  - backendRefs: [{reference('origin')}]\n"))
        client = H2Client("127.0.0.1", port)
        self.addCleanup(client.close)
        client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, request("/wait")))
        eventually(lambda: self.origin.requests, "request at the backend")
        stopper = threading.Thread(target=gateway.agents[1].stop)
        stopper.start()
        goaway = client.wait_for(GOAWAY)
        self.assertEqual((goaway.code, goaway.payload[:4]), (0, b"\x7f\xff\xff\xff"))
        ping = client.wait_for(PING)
        client.send(frame(PING, h2frames.ACK, 0, ping.payload))
        self.assertEqual(client.wait_for(GOAWAY).payload[:4], b"\0\0\0\1")
        self.release.set()
        self.assertEqual(client.response(1), (200, b"ok"))
        self.assertIsNone(client.read())
        stopper.join(harness.PATIENCE)
        self.assertFalse(stopper.is_alive())


if __name__ == "__main__":
    harness.main()
