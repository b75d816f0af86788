"""What an HTTP/2 server takes for a malformed message (RFC 9113 section 8), and what a decoder of HPACK refuses
(RFC 7541). The stream of a malformed message is reset; whatever HPACK refuses ends the connection."""
import unittest

import h2_suite
import h2frames
from h2_suite import HEAD, HOST, answered, ends, get, malformed, post, refused, request
from h2frames import (COMPRESSION_ERROR, DATA, END_HEADERS, END_STREAM, HEADERS, PROTOCOL_ERROR, PUSH_PROMISE, block,
                      frame, integer, settings, string)

setUpModule, tearDownModule = h2_suite.module()

PSEUDO = {":method": "GET", ":scheme": "http", ":path": "/", ":authority": HOST}


def of(*fields, expect=malformed):
    """A request of exactly these fields."""
    return frame(HEADERS, HEAD, 1, block(*fields)), expect


def with_field(name, value="1", expect=malformed):
    return of(*PSEUDO.items(), (name, value), expect=expect)


def without(name):
    return of(*((n, v) for n, v in PSEUDO.items() if n != name))


def twice(name):
    return of(*PSEUDO.items(), (name, PSEUDO[name]))


def instead(name, value, expect=malformed):
    return of(*{**PSEUDO, name: value}.items(), expect=expect)


def trailers(*fields, flags=HEAD):
    return (post() + frame(DATA, 0, 1, b"body") + frame(HEADERS, flags, 1, block(*fields)), malformed)


@h2_suite.table
class Malformed(h2_suite.Case):
    CASES = {
        "8.1 a second head without the end of the stream": trailers(("x-sum", "4"), flags=END_HEADERS),
        "8.1 pseudo fields in trailers": trailers((":method", "GET")),
        "8.1 upper case in trailers": trailers(("X-Sum", "4")),
        "8.1 a connection field in trailers": trailers(("connection", "close")),
        "8.1 trailers with a name that is none": trailers(("x sum", "4")),
        "8.1 trailers with a line feed": trailers(("x-sum", "4\n5")),
        "8.1.1 less body than said": (post(extra=[("content-length", "5")]) + frame(DATA, END_STREAM, 1, b"body"),
                                      malformed),
        "8.1.1 more body than said": (post(extra=[("content-length", "3")]) + frame(DATA, END_STREAM, 1, b"body"),
                                      malformed),
        "8.1.1 more body than said, in several frames": (
            post(extra=[("content-length", "7")]) + frame(DATA, 0, 1, b"body") + frame(DATA, END_STREAM, 1, b"body"),
            malformed),
        "8.1.1 less body than said, then trailers": (
            post(extra=[("content-length", "5")]) + frame(DATA, 0, 1, b"body") +
            frame(HEADERS, HEAD, 1, block(("x-sum", "4"))), malformed),
        "8.1.1 a length and no body": with_field("content-length", "5"),
        "8.1.1 two lengths": (post(extra=[("content-length", "4"), ("content-length", "5")]) +
                              frame(DATA, END_STREAM, 1, b"body"), malformed),
        "8.1.1 a length that is no number": (post(extra=[("content-length", "+4")]) +
                                             frame(DATA, END_STREAM, 1, b"body"), malformed),
        "8.1.1 a length that is too large for a number": (
            post(extra=[("content-length", "18446744073709551620")]) + frame(DATA, END_STREAM, 1, b"body"),
            malformed),
        "8.2.1 upper case in a name": with_field("X-Test"),
        "8.2.1 an empty name": with_field(""),
        "8.2.1 a space in a name": with_field("x test"),
        "8.2.1 a colon in a name": with_field("x:test"),
        "8.2.1 a line feed in a name": with_field("x\ntest"),
        "8.2.1 a name outside of ASCII": with_field("x-t\xe9st"),
        "8.2.1 a control character in a name": with_field("x-t\x7fst"),
        "8.2.1 NUL in a value": with_field("x-test", "a\0b"),
        "8.2.1 a line feed in a value": with_field("x-test", "a\nb: c"),
        "8.2.1 a carriage return in a value": with_field("x-test", "a\rb"),
        "8.2.1 a space before a value": with_field("x-test", " a"),
        "8.2.1 a tab behind a value": with_field("x-test", "a\t"),
        "8.2.2 Connection": with_field("connection", "keep-alive"),
        "8.2.2 Keep-Alive": with_field("keep-alive", "timeout=5"),
        "8.2.2 Proxy-Connection": with_field("proxy-connection", "keep-alive"),
        "8.2.2 Transfer-Encoding": with_field("transfer-encoding", "chunked"),
        "8.2.2 Upgrade": with_field("upgrade", "websocket"),
        "8.2.2 TE other than trailers": with_field("te", "trailers, deflate;q=0.5"),
        "8.3 an unknown pseudo field": with_field(":test", "1"),
        "8.3 a pseudo field of responses": with_field(":status", "200"),
        "8.3 a pseudo field behind a field": of(
            (":method", "GET"), (":scheme", "http"), (":authority", HOST), ("x-test", "1"), (":path", "/")),
        "8.3 a pseudo field behind a name that is none": of(
            (":method", "GET"), (":scheme", "http"), (":authority", HOST), ("x test", "1"), (":path", "/")),
        "8.3.1 an empty path": instead(":path", ""),
        "8.3.1 a path that is none": instead(":path", "nowhere"),
        "8.3.1 a path with a space": instead(":path", "/a b"),
        "8.3.1 a path with a line feed": instead(":path", "/a\r\nx: y"),
        "8.3.1 a path outside of ASCII": instead(":path", "/\xe9", refused),
        "8.3.1 a path with a fragment": instead(":path", "/a#b", refused),
        "8.3.1 the asterisk is for OPTIONS": instead(":path", "*"),
        "8.3.1 a method that is none": instead(":method", "G T"),
        "8.3.1 an empty method": instead(":method", ""),
        "8.3.1 a scheme that is none": instead(":scheme", "ht tp"),
        "8.3.1 an empty authority": instead(":authority", ""),
        "8.3.1 a user in the authority": instead(":authority", "user@" + HOST, refused),
        "8.3.1 an authority with a space": instead(":authority", "a b"),
        "8.3.1 Host that contradicts": with_field("host", "other.example", refused),
        "8.3.1 no method": without(":method"),
        "8.3.1 no scheme": without(":scheme"),
        "8.3.1 no path": without(":path"),
        "8.3.1 neither authority nor Host": without(":authority"),
        "8.3.1 two methods": twice(":method"),
        "8.3.1 two schemes": twice(":scheme"),
        "8.3.1 two paths": twice(":path"),
        "8.3.1 two authorities": twice(":authority"),
        "8.4 a push of the client": (get(path="/wait") + frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\2" + request()),
                                     ends(PROTOCOL_ERROR)),
        "8.5 CONNECT with a path": of((":method", "CONNECT"), (":authority", HOST), (":path", "/")),
        "8.5 CONNECT with a scheme": of((":method", "CONNECT"), (":authority", HOST), (":scheme", "http")),
        "8.5 CONNECT without an authority": of((":method", "CONNECT")),
        "RFC 8441 4 :protocol without CONNECT": with_field(":protocol", "websocket"),
        "RFC 8441 4 CONNECT with :protocol without a path": (
            frame(HEADERS, END_HEADERS, 1, block((":method", "CONNECT"), (":protocol", "websocket"),
                                                 (":scheme", "http"), (":authority", HOST))), malformed),
    }


def broken(header_block):
    return frame(HEADERS, HEAD, 1, header_block), ends(COMPRESSION_ERROR)


def broken_string(coded):
    """A value in Huffman's code that no encoder makes."""
    return broken(request() + b"\0" + string("x-test") + integer(len(coded), 7, 0x80) + coded)


@h2_suite.table
class Hpack(h2_suite.Case):
    CASES = {
        "HPACK 2.3.3 an index outside of the tables": broken(request() + integer(70, 7, 0x80)),
        "HPACK 2.3.3 the first index outside of an empty dynamic table": broken(request() + integer(62, 7, 0x80)),
        "HPACK 2.3.3 a name's index outside of the tables": broken(request() + integer(70, 6, 0x40) + string("x")),
        "HPACK 2.3.3 a name's index outside of the tables, not indexed": broken(
            request() + integer(70, 4) + string("x")),
        "HPACK 2.3.3 a name's index outside of the tables, never indexed": broken(
            request() + integer(70, 4, 0x10) + string("x")),
        "HPACK 4.1 what fell out of the table": ([
            frame(HEADERS, HEAD, 1, request() + b"\x40" + string("x-test") + string("1")), answered(1),
            frame(HEADERS, HEAD, 3, b"\x20" + request() + b"\xbe")], ends(COMPRESSION_ERROR)),
        "HPACK 4.2 a change of size at the end": broken(request() + b"\x21"),
        "HPACK 4.2 a change of size between fields": broken(
            block(*list(PSEUDO.items())[:2]) + b"\x21" +
            block(*list(PSEUDO.items())[2:])),
        "HPACK 5.1 an integer without end": broken(request() + b"\xff" + b"\x80" * 20),
        "HPACK 5.1 an integer that is too large": broken(request() + b"\xff\xff\xff\xff\xff\xff\x0f"),
        "HPACK 5.2 a string longer than the block": broken(request() + b"\0" + string("x-test") + b"\x10short"),
        # "1" is 00001 in Huffman's code; the padding is made of ones.
        "HPACK 5.2 padding longer than 7 bits": broken_string(b"\x0f\xff"),
        "HPACK 5.2 padding of zeroes": broken_string(b"\x08"),
        "HPACK 5.2 padding of zeroes and ones": broken_string(b"\x0d"),
        "HPACK 5.2 the end of strings within one": broken_string(b"\x0f\xff\xff\xff\xff"),
        "HPACK 5.2 the end of strings and nothing else": broken_string(b"\xff\xff\xff\xff"),
        "HPACK 6.1 index 0": broken(request() + b"\x80"),
        "HPACK 6.3 a table larger than the setting": broken(integer(4097, 5, 0x20) + request()),
        "HPACK 6.3 a table larger than any": broken(b"\x3f\xff\xff\xff\xff\x0f" + request()),
    }

    def test_hpack_4_2_a_smaller_table_is_taken_by_the_encoder(self):
        """After a smaller HEADER_TABLE_SIZE the next block begins with a change of the table's size to no more."""
        client = self.connect()
        client.send(get())
        self.assertEqual(client.response(1)[0], 200)
        client.send(settings((h2frames.HEADER_TABLE_SIZE, 0)))
        client.send(get(3))
        head = client.wait_for(HEADERS, stream=3)
        self.assertEqual(head.payload[0], 0x20)


if __name__ == "__main__":
    unittest.main()
