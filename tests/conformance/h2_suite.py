"""What the tests of HTTP/2 share: one agent with an origin behind it, listening in clear text and over TLS, and
tables of cases. A case is what a client sends and what must become of it:

    @h2_suite.table
    class Ping(h2_suite.Case):
        CASES = {
            "6.7 a ping on a stream": (frame(PING, 0, 1, b"12345678"), ends(PROTOCOL_ERROR)),
        }

Each becomes two tests, one in clear text with prior knowledge and one over TLS with ALPN. Clauses are RFC 9113's;
RFC 7541's where HPACK is said. A file has this at its top level: `setUpModule, tearDownModule = h2_suite.module()`.

What is sent is bytes, or a list of bytes and of functions that are given the client between them.
"""
import contextlib
import re
import ssl
import threading
import unittest

import h2frames
import harness
from h2frames import (END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PROTOCOL_ERROR, RST_STREAM, H2Client,
                      frame)
from harness import FakeBackend, Gateway, backend, free_port, plain_gateway, reference, response

HOST = "default.gw.wso2.com"
HEAD = END_HEADERS | END_STREAM


def request(path="/", method="GET", extra=(), authority=HOST, scheme="http"):
    return h2frames.request(path, method, authority, extra, scheme)


def get(stream=1, path="/", **more):
    """A whole request without body."""
    return frame(HEADERS, HEAD, stream, request(path, **more))


def post(stream=1, path="/", **more):
    """The head of a request with a body."""
    return frame(HEADERS, END_HEADERS, stream, request(path, "POST", **more))


def answered(stream):
    """A step: the response to that stream is read to its end."""
    def wait(test, client):
        test.assertEqual(client.response(stream)[0], 200)
    return wait


class Server:
    """The agent and its origin. A request for /wait is answered when `release` is set."""

    def __init__(self):
        self.release = threading.Event()
        self.origin = FakeBackend(self._answer)
        self.gateway = Gateway()
        self.port = free_port()
        self.gateway.apply(plain_gateway(self.port) + backend("origin", self.origin.port) + f"""
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: all}}
spec:
  parentRefs: [{{name: plain}}, {{name: wso2-apk-default}}]
  rules: [{{backendRefs: [{reference("origin")}]}}]
""")
        self.tls = ssl.create_default_context(cafile=str(self.gateway.data / "pki/ca.crt"))
        self.tls.set_alpn_protocols(["h2"])

    def _answer(self, asked):
        path = asked.target.partition("?")[0]
        if path == "/wait":
            self.release.wait(harness.PATIENCE)
        if path == "/big":
            return response(b"x" * 1_000_000)
        return response(asked.body or b"hello, world")

    def connect(self, over_tls, **options):
        if over_tls:
            client = H2Client("127.0.0.1", self.gateway.port, tls=self.tls, server_name=HOST, **options)
            assert client.socket.selected_alpn_protocol() == "h2"
            return client
        return H2Client("127.0.0.1", self.port, **options)

    def close(self):
        self.release.set()
        self.origin.close()
        self.gateway.close()


_running = []


def module():
    """setUpModule and tearDownModule of a file whose tests share one server."""
    def start():
        _running.append(Server())
    return start, lambda: _running.pop().close()


# What must become of it.

def ends(*codes):
    """The connection is ended, with one of these codes."""
    def check(test, client):
        code = client.error()
        test.assertIn(code, codes, "no GOAWAY" if code is None else "GOAWAY with another code")
        test.assertIsNone(client.wait_for(PING), "the connection stays open")
    return check


def hangs_up(test, client):
    """The connection is ended, in whatever way."""
    test.assertIsNone(client.wait_for(255))


def resets(stream, *codes):
    """The stream is reset with one of these codes, and only the stream; or the connection is ended with it
    (RFC 9113 5.4.1 lets an endpoint take the one for the other)."""
    def check(test, client):
        got = client.wait_for(RST_STREAM, GOAWAY)
        test.assertIsNotNone(got, "the connection was ended without a code")
        test.assertIn(got.code, codes)
        if got.kind == RST_STREAM:
            test.assertEqual(got.stream, stream)
            test.assertTrue(client.alive(), "the connection was ended, too")
        else:
            test.assertIsNone(client.wait_for(PING), "the connection stays open")
    return check


def _unseen(test):
    test.assertFalse([seen.target for seen in test.origin.requests if seen.complete], "it reached the origin")


def malformed(test, client):
    """Stream 1 is reset (RFC 9113 8.1.1), and no whole request reaches the origin."""
    resets(1, PROTOCOL_ERROR)(test, client)
    _unseen(test)


def refused(test, client):
    """As malformed; or it is told why with 400."""
    test.assertIn(client.response(1)[0], (400, -PROTOCOL_ERROR))
    stays(test, client)
    _unseen(test)


def answers(stream=1, status=200, body=None):
    """The stream is answered, and the connection is as good as before."""
    def check(test, client):
        test.server.release.set()
        got, content = client.response(stream)
        test.assertEqual(got, status)
        if body is not None:
            test.assertEqual(content, body)
        test.assertTrue(client.alive())
    return check


def stays(test, client):
    """The connection is as good as before."""
    test.assertTrue(client.alive())


def passes_on(**fields):
    """As answers(); the origin saw these fields (_ for -)."""
    def check(test, client):
        answers()(test, client)
        seen = test.origin.requests[-1]
        for name, value in fields.items():
            test.assertEqual(seen.header(name.replace("_", "-")), value)
    return check


class Case(unittest.TestCase):
    CASES = {}

    @property
    def server(self):
        return _running[-1]

    @property
    def origin(self):
        return self.server.origin

    def setUp(self):
        self.server.release = threading.Event()
        self.addCleanup(self.server.release.set)
        self.origin.requests.clear()

    def connect(self, over_tls=False, **options):
        client = self.server.connect(over_tls, **options)
        self.addCleanup(client.close)
        return client

    def run_case(self, sent, expect, over_tls, **options):
        client = self.connect(over_tls, **options)
        for step in sent if isinstance(sent, (list, tuple)) else [sent]:
            if callable(step):
                step(self, client)
            else:
                with contextlib.suppress(OSError):  # It may have hung up already: its goodbye is still to be read.
                    client.send(step)
        expect(self, client)


def table(cls):
    """Makes tests of CASES: {name: (sent, expected[, options of the connection])}."""
    for title, (sent, expect, *options) in cls.CASES.items():
        name = "test_" + re.sub(r"\W+", "_", title).strip("_").lower()
        assert not hasattr(cls, name), title
        for over_tls in (False, True):
            def test(self, sent=sent, expect=expect, over_tls=over_tls, options=options):
                self.run_case(sent, expect, over_tls, **(options[0] if options else {}))
            test.__doc__ = title + (" (TLS)" if over_tls else "")
            setattr(cls, name + ("_over_tls" if over_tls else ""), test)
    return cls
