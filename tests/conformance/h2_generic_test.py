"""What any HTTP/2 server takes from a client: every frame type in each of its forms, messages of each kind, and each
representation of HPACK."""
import unittest

import h2_suite
import h2frames
from h2_suite import HEAD, HOST, answered, answers, get, passes_on, post, request, stays
from h2frames import (ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, NO_ERROR, PADDED, PING, PREFACE,
                      PRIORITIZED, PRIORITY, SETTINGS, block, frame, goaway, integer, rst_stream, settings, string,
                      window_update)

setUpModule, tearDownModule = h2_suite.module()

# The four pseudo fields by RFC 7541's static table: GET, http, /; the authority is literal.
GET_HTTP_ROOT = b"\x82\x86\x84" + b"\x01" + string(HOST)
# RFC 7541 C.4: the strings "custom-key", "custom-value" in Huffman's code.
HUFFMAN_KEY = bytes.fromhex("8825a849e95ba97d7f")
HUFFMAN_VALUE = bytes.fromhex("8925a849e95bb8e8b4bf")
# Bits of the name's index, and the pattern in front of it.
LITERALS = (("6.2.1 with indexing", 6, 0x40), ("6.2.2 without indexing", 4, 0), ("6.2.3 never indexed", 4, 0x10))
CODINGS = (("", string("custom-key"), string("custom-value")), (", in Huffman's code", HUFFMAN_KEY, HUFFMAN_VALUE))


def greeted(test, client):
    """The server's preface is a SETTINGS frame, and the client's is acknowledged."""
    first = client.read()
    test.assertEqual((first.kind, first.flags, first.stream, len(first.payload) % 6), (SETTINGS, 0, 0, 0))
    test.assertEqual(client.wait_for(SETTINGS).flags, ACK)


def pinged(payload):
    def check(test, client):
        got = client.wait_for(PING)
        test.assertEqual((got.flags, got.stream, got.payload), (ACK, 0, payload))
    return check


@h2_suite.table
class Starting(h2_suite.Case):
    CASES = {
        "3.4 the preface": (PREFACE + settings(), greeted, {"greet": False}),
        "3.4 the preface in two parts": ([PREFACE[:10], PREFACE[10:] + settings()], greeted, {"greet": False}),
        "3.4 a request right behind the preface": (PREFACE + settings() + get(), answers(), {"greet": False}),
    }


@h2_suite.table
class Streams(h2_suite.Case):
    CASES = {
        "5.1 PRIORITY on an idle stream": ([frame(PRIORITY, 0, 1, b"\0\0\0\0\x0f"), get()], answers()),
        "5.1 WINDOW_UPDATE on a half-closed stream": (get(path="/wait") + window_update(1, 100), answers()),
        "5.1 PRIORITY on a half-closed stream": (get(path="/wait") + frame(PRIORITY, 0, 1, b"\0\0\0\0\x0f"), answers()),
        "5.1 RST_STREAM on a half-closed stream": (get(path="/wait") + rst_stream(1, h2frames.CANCEL), stays),
        "5.1 PRIORITY on a closed stream": ([get(), answered(1), frame(PRIORITY, 0, 1, b"\0\0\0\0\x0f")], stays),
        "5.1 RST_STREAM on a closed stream": ([get(), answered(1), rst_stream(1, NO_ERROR)], stays),
        "5.1 WINDOW_UPDATE on a closed stream": ([get(), answered(1), window_update(1, 100)], stays),
        "5.1.1 streams may be passed over": ([get(5), answered(5), get(9)], answers(9)),
        "5.1.2 streams side by side": (get(1, "/wait") + get(3), answers(3)),
    }

    def test_5_1_2_every_stream_that_is_allowed_is_served(self):
        client = self.connect()
        self.server.release.set()
        client.send(b"".join(get(stream) for stream in range(1, 201, 2)))
        ended = set()
        while len(ended) < 100:
            got = client.wait_for(HEADERS, DATA, h2frames.RST_STREAM)
            self.assertNotEqual(got.kind, h2frames.RST_STREAM)
            if got.flags & END_STREAM:
                ended.add(got.stream)


@h2_suite.table
class Frames(h2_suite.Case):
    PADDING = bytes([6]) + b"body" + b"\0" * 6
    FIRST = b"\0\0\0\0\xff"  # No parent, weight 256.

    CASES = {
        "6.1 DATA": (post() + frame(DATA, END_STREAM, 1, b"body"), answers(body=b"body")),
        "6.1 several DATA frames": (post() + frame(DATA, 0, 1, b"bo") + frame(DATA, 0, 1, b"d") +
                                    frame(DATA, END_STREAM, 1, b"y"), answers(body=b"body")),
        "6.1 an empty DATA frame ends the stream": (post() + frame(DATA, 0, 1, b"body") + frame(DATA, END_STREAM, 1),
                                                    answers(body=b"body")),
        "6.1 DATA with padding": (post() + frame(DATA, END_STREAM | PADDED, 1, PADDING), answers(body=b"body")),
        "6.1 DATA with padding of nothing": (post() + frame(DATA, END_STREAM | PADDED, 1, b"\0body"),
                                             answers(body=b"body")),
        "6.1 DATA of nothing but padding": (post() + frame(DATA, PADDED, 1, b"\xff" + b"\0" * 255) +
                                            frame(DATA, END_STREAM, 1, b"body"), answers(body=b"body")),
        "6.2 HEADERS": (get(), answers()),
        "6.2 HEADERS with padding": (frame(HEADERS, HEAD | PADDED, 1, bytes([6]) + request() + b"\0" * 6), answers()),
        "6.2 HEADERS with priority": (frame(HEADERS, HEAD | PRIORITIZED, 1, FIRST + request()), answers()),
        "6.2 HEADERS with padding and priority": (
            frame(HEADERS, HEAD | PADDED | PRIORITIZED, 1, bytes([6]) + FIRST + request() + b"\0" * 6), answers()),
        "6.3 PRIORITY of weight 1": (frame(PRIORITY, 0, 1, b"\0\0\0\0\0") + get(), answers()),
        "6.3 PRIORITY of weight 256": (frame(PRIORITY, 0, 1, FIRST) + get(), answers()),
        "6.3 PRIORITY with a parent": (frame(PRIORITY, 0, 1, FIRST) + frame(PRIORITY, 0, 3, b"\0\0\0\1\x0f") + get(3),
                                       answers(3)),
        "6.3 PRIORITY with an exclusive parent": (frame(PRIORITY, 0, 3, b"\x80\0\0\1\x0f") + get(3), answers(3)),
        "6.3 PRIORITY of an idle stream, then a lower one": (frame(PRIORITY, 0, 5, FIRST) + get(3), answers(3)),
        "6.4 RST_STREAM": (get(path="/wait") + rst_stream(1, h2frames.CANCEL) + get(3), answers(3)),
        "6.4 RST_STREAM within a body": (post() + frame(DATA, 0, 1, b"bo") + rst_stream(1, h2frames.CANCEL) + get(3),
                                         answers(3)),
        "6.5 SETTINGS with every value": (settings((1, 100), (2, 0), (3, 10), (4, 2 ** 16 - 1), (5, 2 ** 14),
                                                   (6, 2 ** 16)) + get(), answers()),
        "6.5 SETTINGS without a value": (settings() + get(), answers()),
        "6.5 no push, nor room for streams of the server": (settings((2, 0), (3, 0)) + get(), answers()),
        "6.7 PING": (frame(PING, 0, 0, b"h2-ping!"), pinged(b"h2-ping!")),
        "6.8 GOAWAY, and what was begun is finished": (get(path="/wait") + goaway(0, NO_ERROR), lambda test, client: (
            test.server.release.set(), test.assertEqual(client.response(1)[0], 200))),
        "6.9 WINDOW_UPDATE of the connection": (window_update(0, 1) + get(), answers()),
        "6.9 WINDOW_UPDATE of a stream": (post() + window_update(1, 1) + frame(DATA, END_STREAM, 1, b"body"),
                                          answers(body=b"body")),
        "6.10 one CONTINUATION": (frame(HEADERS, END_STREAM, 1, request()[:9]) +
                                  frame(CONTINUATION, END_HEADERS, 1, request()[9:]), answers()),
        "6.10 several CONTINUATIONs": (frame(HEADERS, END_STREAM, 1, request()[:9]) +
                                       frame(CONTINUATION, 0, 1, request()[9:10]) + frame(CONTINUATION, 0, 1) +
                                       frame(CONTINUATION, END_HEADERS, 1, request()[10:]), answers()),
        "6.10 an empty HEADERS and all in CONTINUATION": (frame(HEADERS, END_STREAM, 1) +
                                                          frame(CONTINUATION, END_HEADERS, 1, request()), answers()),
    }


@h2_suite.table
class Messages(h2_suite.Case):
    CASES = {
        "8.1 GET": (get(), answers(body=b"hello, world")),
        "8.1 HEAD": (get(method="HEAD"), answers(body=b"")),
        "8.1 POST": (post() + frame(DATA, END_STREAM, 1, b"body"), answers(body=b"body")),
        "8.1 POST with a length": (post(extra=[("content-length", "4")]) + frame(DATA, END_STREAM, 1, b"body"),
                                   answers(body=b"body")),
        "8.1 POST with trailers": (post() + frame(DATA, 0, 1, b"body") +
                                   frame(HEADERS, HEAD, 1, block(("x-sum", "4"))), answers(body=b"body")),
        "8.1 OPTIONS of the server, which no route has": (get(path="*", method="OPTIONS"), answers(status=404)),
        "8.2.2 TE trailers": (get(extra=[("te", "trailers")]), answers()),
        "8.2.3 Cookie in crumbs": (get(extra=[("cookie", "a=1"), ("cookie", "b=2")]), passes_on(cookie="a=1; b=2")),
        "8.3.1 Host beside its equal": (get(extra=[("host", HOST)]), passes_on(x_forwarded_host=HOST)),
        "8.3.1 the order of pseudo fields is free": (frame(HEADERS, HEAD, 1, block(
            (":authority", HOST), (":path", "/"), (":scheme", "http"), (":method", "GET"))), answers()),
        "8.3.1 a path with a query": (get(path="/a?b=c/d?e"), answers()),
    }


@h2_suite.table
class Hpack(h2_suite.Case):
    """A field in each representation arrives as it was meant, twice where it went into the table."""
    FIELD = string("custom-key") + string("custom-value")
    CASES = {  # Index 51 is referer.
        "HPACK 6.1 indexed fields": (frame(HEADERS, HEAD, 1, GET_HTTP_ROOT), answers()),
        "HPACK 6.1 an indexed field of the dynamic table": (
            frame(HEADERS, HEAD, 1, GET_HTTP_ROOT + b"\x40" + FIELD + b"\xbe\xbe"),
            passes_on(custom_key="custom-value, custom-value, custom-value")),
        "HPACK 6.1 the dynamic table outlives a head": ([
            frame(HEADERS, HEAD, 1, GET_HTTP_ROOT + b"\x40" + FIELD), answered(1),
            frame(HEADERS, HEAD, 3, GET_HTTP_ROOT + b"\xbe")],
            lambda test, client: (answers(3)(test, client), test.assertEqual(
                [seen.header("custom-key") for seen in test.origin.requests], ["custom-value"] * 2))),
        **{f"HPACK {clause}, the name indexed{coding}": (
            frame(HEADERS, HEAD, 1, GET_HTTP_ROOT + integer(51, bits, pattern) + value),
            passes_on(referer="custom-value"))
           for clause, bits, pattern in LITERALS for coding, _, value in CODINGS},
        **{f"HPACK {clause}, a new name{coding}": (
            frame(HEADERS, HEAD, 1, GET_HTTP_ROOT + bytes([pattern]) + name + value),
            passes_on(custom_key="custom-value"))
           for clause, _, pattern in LITERALS for coding, name, value in CODINGS},
        "HPACK 6.3 a change of the table's size": (
            frame(HEADERS, HEAD, 1, integer(1000, 5, 0x20) + GET_HTTP_ROOT), answers()),
        "HPACK 6.3 two changes of the table's size": (
            frame(HEADERS, HEAD, 1, b"\x20" + integer(4096, 5, 0x20) + GET_HTTP_ROOT), answers()),
        "HPACK 4.4 a field larger than the table empties it": (
            frame(HEADERS, HEAD, 1, integer(64, 5, 0x20) + GET_HTTP_ROOT + b"\x40" + string("x-large") +
                  string("x" * 100)), passes_on(x_large="x" * 100)),
        "HPACK 5.2 an empty string": (frame(HEADERS, HEAD, 1, GET_HTTP_ROOT + b"\0" + string("x-empty") + b"\0"),
                                      passes_on(x_empty="")),
        "HPACK 5.2 an empty string in Huffman's code": (
            frame(HEADERS, HEAD, 1, GET_HTTP_ROOT + b"\0" + string("x-empty") + b"\x80"), passes_on(x_empty="")),
    }


if __name__ == "__main__":
    unittest.main()
