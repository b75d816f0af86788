"""The agent as a client of HTTP/2: what a backend sends that is none, or not a message, becomes 502, or an answer that
is cut off where its head had gone out; and the connection that it came on takes no other request (RFC 9113)."""
import threading
import unittest

import h2frames
import harness
from h2frames import (ACK, CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, NO_ERROR, PADDED, PING,
                      PRIORITY, PUSH_PROMISE, REFUSED_STREAM, RST_STREAM, SETTINGS, H2Backend, block, frame, goaway,
                      rst_stream, settings, window_update)
from harness import Gateway, RawClient, free_port, plain_gateway

WHOLE = END_HEADERS | END_STREAM
OK = (":status", "200")


def head(*fields, flags=END_HEADERS, stream=1):
    return frame(HEADERS, flags, stream, block(*fields))


def answer(stream, body=b"good"):
    return head(OK, stream=stream) + frame(DATA, END_STREAM, stream, body)


# What a backend sends for an answer.
NOT_FRAMED = {
    "3.4 an answer of HTTP/1.1": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "4.2 a frame too large": frame(0x16, 0, 1, b"x" * (2 ** 14 + 1)),
    "4.2 HEADERS too large": head(OK, ("x", "y" * 2 ** 14), flags=WHOLE),
    "4.2 CONTINUATION too large": frame(HEADERS, END_STREAM, 1, block(OK)) + frame(
        CONTINUATION, END_HEADERS, 1, block(("x", "y" * 2 ** 14))),
    "4.3 a header block that is none": frame(HEADERS, WHOLE, 1, b"\x88\xff\xff\xff\xff\xff"),
    "4.3 PRIORITY within a header block": frame(HEADERS, END_STREAM, 1, block(OK)) + frame(
        PRIORITY, 0, 1, b"\0\0\0\0\1"),
    "5.1 HEADERS on an idle stream": head(OK, flags=WHOLE, stream=3),
    "5.1 DATA on an idle stream": frame(DATA, END_STREAM, 3, b"x"),
    "5.1 RST_STREAM on an idle stream": rst_stream(3, CANCEL),
    "5.1 WINDOW_UPDATE on an idle stream": window_update(3, 1),
    "5.1.1 a stream of the server": head(OK, flags=WHOLE, stream=2),
    "6.1 DATA on stream 0": frame(DATA, END_STREAM, 0, b"x"),
    "6.1 more padding than payload": frame(DATA, END_STREAM | PADDED, 1, b"\xffx"),
    "6.2 HEADERS on stream 0": head(OK, flags=WHOLE, stream=0),
    "6.4 RST_STREAM on stream 0": rst_stream(0, CANCEL),
    "6.4 RST_STREAM that is not 4 long": frame(RST_STREAM, 0, 1, b"\0\0\0"),
    "6.5 an acknowledgement with a payload": frame(SETTINGS, ACK, 0, b"\0\3\0\0\0\1"),
    "6.5 SETTINGS on a stream": frame(SETTINGS, 0, 1, b"\0\3\0\0\0\1"),
    "6.5 SETTINGS that are no multiple of 6 long": frame(SETTINGS, 0, 0, b"\0\3\0"),
    "6.5.2 a server that allows pushes": settings((2, 1)),
    "6.5.2 a window too large": settings((4, 2 ** 31)),
    "6.5.2 frames too small": settings((5, 2 ** 14 - 1)),
    "6.6 a push where none is allowed": frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\2" + h2frames.request()),
    "6.7 PING too short": frame(PING, 0, 0, b"123456"),
    "6.7 PING on a stream": frame(PING, 0, 1, b"12345678"),
    "6.8 GOAWAY on a stream": goaway(0, NO_ERROR, stream=1),
    "6.9 an increment of 0": window_update(0, 0),
    "6.9.1 a window too large": window_update(0, 2 ** 31 - 1) * 2,
    "6.10 CONTINUATION behind nothing": frame(CONTINUATION, END_HEADERS, 1, block(OK)),
    "10.5 more CONTINUATION than anybody needs": frame(HEADERS, END_STREAM, 1, block(OK)) +
                                                 frame(CONTINUATION, 0, 1) * 1000,
    "10.5 a flood of SETTINGS": settings() * 20_000,
    "10.5 a flood of PING": frame(PING, 0, 0, b"12345678") * 20_000,
    "10.5 a flood of frames of unknown type": frame(0x16, 0, 1) * 20_000,
    "HPACK 2.3.3 an index outside of the tables": frame(HEADERS, WHOLE, 1, b"\x88\xc6"),
    "HPACK 6.3 a table larger than the setting": frame(HEADERS, WHOLE, 1, b"\x3f\xe2\x1f\x88"),
}

NO_MESSAGE = {
    "8.1 DATA before the head": frame(DATA, END_STREAM, 1, b"x"),
    "8.1 an interim answer that ends the stream": head((":status", "103"), flags=WHOLE),
    "8.1 more interim answers than anybody needs": head((":status", "103")) * 100,
    "8.1.1 a length and no body": head(OK, ("content-length", "5"), flags=WHOLE),
    "8.1.1 two lengths": head(OK, ("content-length", "4"), ("content-length", "5")) + frame(
        DATA, END_STREAM, 1, b"body"),
    "8.1.1 a length that is no number": head(OK, ("content-length", "+4")) + frame(DATA, END_STREAM, 1, b"body"),
    "8.2.1 upper case in a name": head(OK, ("X-Test", "1"), flags=WHOLE),
    "8.2.1 an empty name": head(OK, ("", "1"), flags=WHOLE),
    "8.2.1 a space in a name": head(OK, ("x test", "1"), flags=WHOLE),
    "8.2.1 a line feed in a name": head(OK, ("x\ntest", "1"), flags=WHOLE),
    "8.2.1 a line feed in a value": head(OK, ("x-test", "1\nset-cookie: a=b"), flags=WHOLE),
    "8.2.1 a carriage return in a value": head(OK, ("x-test", "1\r"), flags=WHOLE),
    "8.2.1 NUL in a value": head(OK, ("x-test", "a\0b"), flags=WHOLE),
    "8.2.1 a space before a value": head(OK, ("x-test", " a"), flags=WHOLE),
    "8.2.2 Connection": head(OK, ("connection", "close"), flags=WHOLE),
    "8.2.2 Keep-Alive": head(OK, ("keep-alive", "timeout=5"), flags=WHOLE),
    "8.2.2 Proxy-Connection": head(OK, ("proxy-connection", "close"), flags=WHOLE),
    "8.2.2 Transfer-Encoding": head(OK, ("transfer-encoding", "chunked"), flags=WHOLE),
    "8.2.2 Upgrade": head(OK, ("upgrade", "h2c"), flags=WHOLE),
    "8.3 an unknown pseudo field": head(OK, (":test", "1"), flags=WHOLE),
    "8.3 a pseudo field of requests": head(OK, (":path", "/"), flags=WHOLE),
    "8.3 the status behind a field": head(("x-test", "1"), OK, flags=WHOLE),
    "8.3.2 no status": head(("x-test", "1"), flags=WHOLE),
    "8.3.2 two statuses": head(OK, OK, flags=WHOLE),
    "8.3.2 a status that is no number": head((":status", "2x0"), flags=WHOLE),
    "8.3.2 a status that is too short": head((":status", "20"), flags=WHOLE),
    "8.3.2 a status that is too long": head((":status", "2000"), flags=WHOLE),
    "8.3.2 a status below all": head((":status", "099"), flags=WHOLE),
    "8.3.2 a status above all": head((":status", "600"), flags=WHOLE),
    "8.6 switching protocols": head((":status", "101")),
    "10.5.1 more fields than are taken": head(OK, *((f"x-{i}", "1") for i in range(200)), flags=WHOLE),
    "10.5.1 a larger head than is taken": frame(HEADERS, END_STREAM, 1, block(OK)) + b"".join(
        frame(CONTINUATION, 0, 1, block(("x", "y" * 16_000))) for _ in range(5)) + frame(CONTINUATION, END_HEADERS, 1),
}

BODY = head(OK) + frame(DATA, 0, 1, b"body")
LONG_BODY = head(OK, ("content-length", "5")) + frame(DATA, 0, 1, b"body")
BROKEN_OFF = {
    "4.2 DATA too large": BODY + frame(DATA, END_STREAM, 1, b"x" * (2 ** 14 + 1)),
    "4.3 trailers that are none": BODY + frame(HEADERS, WHOLE, 1, b"\xff\xff\xff\xff\xff"),
    "6.1 more padding than payload": BODY + frame(DATA, END_STREAM | PADDED, 1, b"\xffx"),
    "6.9 a body larger than the window": head(OK) + frame(DATA, 0, 1, b"x" * 2 ** 14) * 4000,
    "8.1 a second head": BODY + head(OK),
    "8.1 pseudo fields in trailers": BODY + head(OK, flags=WHOLE),
    "8.1 trailers that do not end the stream": BODY + head(("x-sum", "5")),
    "8.1 upper case in trailers": BODY + head(("X-Sum", "5"), flags=WHOLE),
    "8.1 a connection field in trailers": BODY + head(("connection", "close"), flags=WHOLE),
    "8.1 a line feed in trailers": BODY + head(("x-sum", "5\n6"), flags=WHOLE),
    "8.1 more trailers than are taken": BODY + head(*((f"x-{i}", "1") for i in range(100)), flags=WHOLE),
    "8.1.1 less body than said": LONG_BODY + frame(DATA, END_STREAM, 1),
    "8.1.1 more body than said": LONG_BODY + frame(DATA, END_STREAM, 1, b"+++"),
    "8.1.1 less body than said, then trailers": LONG_BODY + head(("x-sum", "5"), flags=WHOLE),
}
# The backend's own decision: its connection is as good as before.
TAKEN_BACK = {
    "7 a reset": BODY + rst_stream(1, h2frames.INTERNAL_ERROR),
    "7 a reset without error": BODY + rst_stream(1, NO_ERROR),
    "7 a reset with an unknown code": BODY + rst_stream(1, 0xff),
}


class Client(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway(agent_flags=["--workers", 1])
        cls.addClassCleanup(cls.gateway.close)
        cls.port = free_port()
        cls.backend = H2Backend(lambda peer, number: cls.script(peer, number))
        cls.addClassCleanup(cls.backend.close)
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
ports: [{{name: h2, port: {cls.backend.port}}}]
endpoints: [{{addresses: [127.0.0.1]}}]
""" + harness.route("all", "  - backendRefs: [{name: origin, port: 80}]\n"))

    def setUp(self):
        self.fresh()

    def fresh(self):
        """The next request is the first of its connection, which is counted as number 1 again."""
        self.backend.hang_up()
        self.backend.connections = 0

    def answers_with(self, script):
        type(self).script = staticmethod(script)

    def ask(self, text):
        """(status, body, whether the body is whole) of the final answer."""
        with RawClient("127.0.0.1", self.port) as client:
            client.send(text)
            while (head := harness.read_head(client.stream)) is not None:
                status = int(head.split(b" ")[1])
                if status >= 200:
                    return status, *harness.read_body(client.stream, head)
        return 0, b"", False

    def get(self):
        return self.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n")

    def answers_first_with(self, sent):
        """The first request is answered with what is `sent`, all others well."""
        def script(peer, number):
            while (asked := peer.wait_for(HEADERS, PING)) is not None:
                if asked.kind == PING:
                    if not asked.flags & ACK:
                        peer.send(frame(PING, ACK, 0, asked.payload))
                elif (number, asked.stream) == (1, 1):
                    peer.send(sent)
                else:
                    peer.send(answer(asked.stream))
        self.answers_with(script)

    def ends(self, cases, as_expected, connections=2):
        for name, sent in cases.items():
            with self.subTest(name):
                self.fresh()
                self.answers_first_with(sent)
                status, _, whole = self.get()
                self.assertTrue(as_expected(status, whole), (status, whole))
                self.assertEqual(self.get(), (200, b"good", True))
                self.assertEqual(self.backend.connections, connections)

    def test_what_is_not_framed_is_answered_with_502_and_ends_the_connection(self):
        self.ends(NOT_FRAMED, lambda status, _: status == 502)

    def test_what_is_no_message_is_answered_with_502_and_the_connection_is_not_used_again(self):
        self.ends(NO_MESSAGE, lambda status, _: status == 502)

    def test_what_breaks_off_is_cut_off_and_the_connection_is_not_used_again(self):
        self.ends(BROKEN_OFF, lambda status, whole: status == 502 or (status == 200 and not whole))

    def test_what_the_backend_takes_back_is_cut_off(self):
        self.ends(TAKEN_BACK, lambda status, whole: status == 502 or (status == 200 and not whole), connections=1)

    # What is right, and rare.

    def test_what_may_be_overlooked(self):
        for name, sent in {
                "4.1 a frame of unknown type": frame(0x16, 0, 1, b"x") + answer(1),
                "5.1 PRIORITY on a stream": frame(PRIORITY, 0, 1, b"\0\0\0\0\1") + answer(1),
                "6.1 padding": head(OK) + frame(DATA, PADDED | END_STREAM, 1, b"\x05good" + b"\0" * 5),
                "6.5.2 an unknown setting": settings((0xff, 1)) + answer(1),
                "6.5.2 pushes are not allowed": settings((2, 0)) + answer(1),
                "6.5.3 a smaller table": settings((1, 0)) + answer(1),
                "6.8 GOAWAY that has this stream": goaway(1, NO_ERROR) + answer(1),
                "6.10 CONTINUATION": frame(HEADERS, 0, 1, block(OK)) + frame(CONTINUATION, END_HEADERS, 1) + frame(
                    DATA, END_STREAM, 1, b"good"),
                "8.1 an interim answer": head((":status", "103")) + answer(1),
                "8.1 a reset without error behind a whole answer": answer(1) + rst_stream(1, NO_ERROR),
                "8.1.1 a length": head(OK, ("content-length", "4")) + frame(DATA, END_STREAM, 1, b"good")}.items():
            with self.subTest(name):
                self.fresh()
                self.answers_first_with(sent)
                self.assertEqual(self.get(), (200, b"good", True))
                self.assertEqual(self.get(), (200, b"good", True))

    # Races with GOAWAY (6.8), and REFUSED_STREAM (8.7): what was not touched is sent again.

    def sent_again(self, sent, request="POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"):
        self.answers_first_with(sent)
        self.assertEqual(self.ask(request), (200, b"good", True))

    def test_a_request_behind_goaway_is_sent_again(self):
        self.sent_again(goaway(0, NO_ERROR))
        self.assertEqual(self.backend.connections, 2)

    def test_a_refused_request_is_sent_again(self):
        self.sent_again(rst_stream(1, REFUSED_STREAM))

    def test_a_request_that_goaway_has_is_not_sent_again(self):
        def script(peer, number):
            peer.wait_for(HEADERS)
            peer.send(goaway(1, NO_ERROR))  # And the connection ends.
        self.answers_with(script)
        self.assertEqual(self.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")[0], 503)
        self.assertEqual(self.backend.connections, 1)

    def test_goaway_lets_what_runs_finish_and_takes_no_more(self):
        said, finish = threading.Event(), threading.Event()

        def script(peer, number):
            asked = peer.wait_for(HEADERS)
            if number == 1:
                peer.send(goaway(2 ** 31 - 1, NO_ERROR))
                said.set()
                finish.wait(harness.PATIENCE)
            peer.send(answer(asked.stream, b"%d" % number))
            peer.wait_for(255)
        self.answers_with(script)
        with RawClient("127.0.0.1", self.port) as first:
            first.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertTrue(said.wait(harness.PATIENCE))
            harness.eventually(lambda: self.get()[1] != b"1" and self.backend.connections > 1, "another connection")
            finish.set()
            self.assertEqual(first.read_response()[::2], (200, b"1"))

    def test_goaway_may_not_name_more_than_before(self):
        """6.8: the backend has said that it did not touch what it takes up later."""
        self.answers_first_with(goaway(0, NO_ERROR) + goaway(1, NO_ERROR) + answer(1, b"bad"))
        self.assertEqual(self.get()[:2], (200, b"good"))
        self.assertEqual(self.backend.connections, 2)

    def test_more_streams_than_the_backend_allows_are_not_opened(self):
        most = []

        def script(peer, number):
            peer.send(settings((3, 1)))
            while (asked := peer.wait_for(HEADERS)) is not None:
                most.append(asked.stream)
                peer.send(answer(asked.stream))
        self.answers_with(script)
        for _ in range(3):
            self.assertEqual(self.get()[:2], (200, b"good"))
        self.assertEqual(most, [1, 3, 5])


if __name__ == "__main__":
    unittest.main()
