"""What an HTTP/2 server refuses, and with which error, from the preface to each frame type (RFC 9113 sections 3 to 7);
and what it must overlook."""
import contextlib
import struct
import unittest

import h2_suite
import h2frames
import harness
from h2_suite import answered, answers, ends, get, hangs_up, post, request, resets, stays
from h2frames import (ACK, COMPRESSION_ERROR, CONTINUATION, DATA, END_HEADERS, END_STREAM, FLOW_CONTROL_ERROR,
                      FRAME_SIZE_ERROR, GOAWAY, HEADERS, NO_ERROR, PADDED, PING, PREFACE, PRIORITIZED, PRIORITY,
                      PROTOCOL_ERROR, REFUSED_STREAM, RST_STREAM, SETTINGS, STREAM_CLOSED,
                      WINDOW_UPDATE, frame, goaway, rst_stream, settings, window_update)
from harness import FakeBackend

setUpModule, tearDownModule = h2_suite.module()

FIRST = b"\0\0\0\0\x0f"  # A priority: no parent.
WHOLE = END_HEADERS | END_STREAM
# A request that waits at the origin: its stream stays half-closed.
HALF_CLOSED = get(path="/wait")
# A stream that was reset, and one that both sides ended.
WAS_RESET = [get(path="/wait") + rst_stream(1, h2frames.CANCEL)]
OVER = [get(), answered(1)]


@h2_suite.table
class Preface(h2_suite.Case):
    CASES = {
        "3.4 a preface that is none": (b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n" + settings(), hangs_up, {"greet": False}),
        "3.4 a preface that ends early": (PREFACE[:-2] + b"\0\0" + settings(), hangs_up, {"greet": False}),
        "3.4 a preface without SETTINGS": (PREFACE + frame(PING, 0, 0, b"12345678"), ends(PROTOCOL_ERROR),
                                           {"greet": False}),
        "3.4 a preface with an acknowledgement": (PREFACE + frame(SETTINGS, ACK, 0), ends(PROTOCOL_ERROR),
                                                  {"greet": False}),
        "3.4 a preface with a request": (PREFACE + get(), ends(PROTOCOL_ERROR), {"greet": False}),
    }


@h2_suite.table
class Format(h2_suite.Case):
    REST = request()[9:]
    CASES = {
        "4.1 a frame of unknown type is ignored": (frame(0x16, 0, 0, b"12345678") + get(), answers()),
        "4.1 a frame of unknown type on a stream is ignored": (post() + frame(0x16, 0xff, 1, b"12345678") +
                                                               frame(DATA, END_STREAM, 1, b"body"),
                                                               answers(body=b"body")),
        "4.1 undefined flags are ignored": (frame(PING, 0x16, 0, b"12345678"), lambda test, client: test.assertEqual(
            client.wait_for(PING).flags, ACK)),
        "4.1 undefined flags of HEADERS are ignored": (frame(HEADERS, WHOLE | 0xd2 & ~PRIORITIZED, 1, request()),
                                                       answers()),
        "4.1 the reserved bit is ignored": (frame(PING, 0, 1 << 31, b"12345678"), lambda test, client:
                                            test.assertEqual(client.wait_for(PING).flags, ACK)),
        "4.1 the reserved bit of HEADERS is ignored": (frame(HEADERS, WHOLE, 1 << 31 | 1, request()), answers()),
        "4.2 DATA as large as may be": (post() + frame(DATA, END_STREAM, 1, b"x" * 2 ** 14),
                                        answers(body=b"x" * 2 ** 14)),
        "4.2 DATA too large": (post() + frame(DATA, END_STREAM, 1, b"x" * (2 ** 14 + 1)), resets(1, FRAME_SIZE_ERROR)),
        "4.2 HEADERS too large": (frame(HEADERS, WHOLE, 1, request(extra=[("x", "y" * 2 ** 14)])),
                                  ends(FRAME_SIZE_ERROR)),
        "4.2 CONTINUATION too large": (frame(HEADERS, END_STREAM, 1, request()) +
                                       frame(CONTINUATION, END_HEADERS, 1, h2frames.literal("x", "y" * 2 ** 14)),
                                       ends(FRAME_SIZE_ERROR)),
        "4.2 a frame of unknown type too large": (frame(0x16, 0, 0, b"x" * (2 ** 14 + 1)), ends(FRAME_SIZE_ERROR)),
        "4.2 SETTINGS too large": (frame(SETTINGS, 0, 0, b"\0\x99\0\0\0\0" * 2731), ends(FRAME_SIZE_ERROR)),
        "4.3 a header block that is none": (frame(HEADERS, WHOLE, 1, b"\x01"), ends(COMPRESSION_ERROR)),
        "4.3 a header block that ends within a field": (frame(HEADERS, WHOLE, 1, request()[:-1]),
                                                        ends(COMPRESSION_ERROR)),
        "4.3 PRIORITY within a header block": (frame(HEADERS, END_STREAM, 1, request()) + frame(PRIORITY, 0, 1, FIRST) +
                                               frame(CONTINUATION, END_HEADERS, 1), ends(PROTOCOL_ERROR)),
        "4.3 HEADERS of another stream within a header block": (frame(HEADERS, END_STREAM, 1, request()) + get(3),
                                                                ends(PROTOCOL_ERROR)),
        "4.3 trailers with a block that is none": (post() + frame(HEADERS, WHOLE, 1, b"\xff\xff\xff\xff\xff"),
                                                   ends(COMPRESSION_ERROR)),
        "4.3 a header block of a refused stream is decoded": (
            post(extra=[("connection", "close")]) + frame(HEADERS, WHOLE, 3, request() + b"\xff\xff\xff\xff\xff"),
            ends(COMPRESSION_ERROR)),
    }


@h2_suite.table
class StreamStates(h2_suite.Case):
    CASES = {
        "5.1 DATA on an idle stream": (frame(DATA, END_STREAM, 1, b"body"), ends(PROTOCOL_ERROR)),
        "5.1 RST_STREAM on an idle stream": (rst_stream(1, h2frames.CANCEL), ends(PROTOCOL_ERROR)),
        "5.1 WINDOW_UPDATE on an idle stream": (window_update(1, 100), ends(PROTOCOL_ERROR)),
        "5.1 CONTINUATION on an idle stream": (frame(CONTINUATION, END_HEADERS, 1, request()), ends(PROTOCOL_ERROR)),
        "5.1 DATA on a half-closed stream": (HALF_CLOSED + frame(DATA, END_STREAM, 1, b"body"),
                                             resets(1, STREAM_CLOSED)),
        "5.1 HEADERS on a half-closed stream": (HALF_CLOSED + get(1), resets(1, STREAM_CLOSED)),
        "5.1 CONTINUATION on a half-closed stream": (HALF_CLOSED + frame(CONTINUATION, END_HEADERS, 1, request()),
                                                     ends(STREAM_CLOSED, PROTOCOL_ERROR)),
        "5.1 DATA after RST_STREAM": ([*WAS_RESET, frame(DATA, END_STREAM, 1, b"body")], resets(1, STREAM_CLOSED)),
        "5.1 HEADERS after RST_STREAM": ([*WAS_RESET, get(1)], resets(1, STREAM_CLOSED)),
        "5.1 CONTINUATION after RST_STREAM": ([*WAS_RESET, frame(CONTINUATION, END_HEADERS, 1, request())],
                                              ends(STREAM_CLOSED, PROTOCOL_ERROR)),
        "5.1 DATA on a closed stream": ([*OVER, frame(DATA, END_STREAM, 1, b"body")], ends(STREAM_CLOSED)),
        "5.1 HEADERS on a closed stream": ([*OVER, get(1)], ends(STREAM_CLOSED)),
        "5.1 CONTINUATION on a closed stream": ([*OVER, frame(CONTINUATION, END_HEADERS, 1, request())],
                                                ends(STREAM_CLOSED, PROTOCOL_ERROR)),
        # What we ended ourselves: the client may not have known when it sent.
        "5.1 a body behind an answer is overlooked": ([
            frame(HEADERS, END_HEADERS, 1, request("/a%2fb", "POST")),
            lambda test, client: test.assertEqual(client.wait_for(HEADERS, stream=1).flags & END_HEADERS, END_HEADERS),
            lambda test, client: client.wait_for(RST_STREAM, DATA, stream=1),
            frame(DATA, 0, 1, b"body") + frame(DATA, END_STREAM, 1, b"body")], stays),
        "5.1.1 a stream of the server": (get(2), ends(PROTOCOL_ERROR)),
        "5.1.1 a stream before one that was opened": (get(5, path="/wait") + get(3), ends(PROTOCOL_ERROR)),
        "5.1.1 a stream before many that were opened": (
            [get(101), answered(101), b"".join(get(stream) for stream in range(103, 203, 2)), answered(201), get(99)],
            ends(PROTOCOL_ERROR)),
        "5.3.1 a stream that depends on itself": (frame(HEADERS, WHOLE | PRIORITIZED, 1, b"\0\0\0\1\x0f" + request()),
                                                  resets(1, PROTOCOL_ERROR)),
        "5.3.1 a priority that depends on itself": (frame(PRIORITY, 0, 1, b"\0\0\0\1\x0f"), resets(1, PROTOCOL_ERROR)),
        "5.5 a frame of unknown type within a header block": (
            frame(HEADERS, END_STREAM, 1, request()) + frame(0x16, 0, 1, b"12345678") +
            frame(CONTINUATION, END_HEADERS, 1), ends(PROTOCOL_ERROR)),
        "5.5 an unknown setting is ignored": (settings((0xff, 1), (0xabcd, 2 ** 32 - 1)) + get(), answers()),
    }

    def test_5_1_2_more_streams_than_allowed(self):
        client = self.connect()
        client.send(b"".join(get(stream, path="/wait") for stream in range(1, 203, 2)))
        got = client.wait_for(RST_STREAM, GOAWAY)
        self.assertIn((got.kind, got.stream, got.code), [(RST_STREAM, 201, REFUSED_STREAM),
                                                         (RST_STREAM, 201, PROTOCOL_ERROR)])
        self.assertTrue(client.alive())

    def test_5_4_1_goaway_names_the_last_stream(self):
        for last in (0, 7):
            with self.subTest(last=last):
                client = self.connect()
                if last:
                    client.send(get(last))
                    self.assertEqual(client.response(last)[0], 200)
                client.send(frame(PING, 0, 0, b"short"))
                said = client.wait_for(GOAWAY)
                self.assertEqual((struct.unpack("!I", said.payload[:4])[0], said.code, said.stream),
                                 (last, FRAME_SIZE_ERROR, 0))
                self.assertIsNone(client.read(), "not closed behind GOAWAY")


@h2_suite.table
class Data(h2_suite.Case):
    CASES = {
        "6.1 DATA on stream 0": (frame(DATA, END_STREAM, 0, b"body"), ends(PROTOCOL_ERROR)),
        "6.1 DATA on a stream that is not open": (HALF_CLOSED + frame(DATA, END_STREAM, 1, b"body"),
                                                  resets(1, STREAM_CLOSED)),
        "6.1 as much padding as payload": (post() + frame(DATA, END_STREAM | PADDED, 1, b"\x05body"),
                                           ends(PROTOCOL_ERROR)),
        "6.1 more padding than payload": (post() + frame(DATA, END_STREAM | PADDED, 1, b"\xffbody"),
                                          ends(PROTOCOL_ERROR)),
        "6.1 padding in a frame of nothing": (post() + frame(DATA, END_STREAM | PADDED, 1),
                                              ends(PROTOCOL_ERROR, FRAME_SIZE_ERROR)),
    }


@h2_suite.table
class Headers(h2_suite.Case):
    CASES = {
        "6.2 PRIORITY behind HEADERS without their end": (frame(HEADERS, END_STREAM, 1, request()) +
                                                          frame(PRIORITY, 0, 1, FIRST), ends(PROTOCOL_ERROR)),
        "6.2 HEADERS of another stream behind HEADERS without their end": (
            frame(HEADERS, END_STREAM, 1, request()) + get(3), ends(PROTOCOL_ERROR)),
        "6.2 HEADERS on stream 0": (get(0), ends(PROTOCOL_ERROR)),
        "6.2 more padding than payload": (frame(HEADERS, WHOLE | PADDED, 1, b"\xff" + request()), ends(PROTOCOL_ERROR)),
        "6.2 padding in a frame of nothing": (frame(HEADERS, WHOLE | PADDED, 1),
                                              ends(PROTOCOL_ERROR, FRAME_SIZE_ERROR)),
        "6.2 a priority that is cut off": (frame(HEADERS, WHOLE | PRIORITIZED, 1, b"\0\0\0"),
                                           ends(PROTOCOL_ERROR, FRAME_SIZE_ERROR)),
    }


@h2_suite.table
class PriorityAndReset(h2_suite.Case):
    CASES = {
        "6.3 PRIORITY on stream 0": (frame(PRIORITY, 0, 0, FIRST), ends(PROTOCOL_ERROR)),
        "6.3 PRIORITY that is not 5 long": (HALF_CLOSED + frame(PRIORITY, 0, 1, FIRST[:4]),
                                            resets(1, FRAME_SIZE_ERROR)),
        "6.4 RST_STREAM on stream 0": (rst_stream(0, h2frames.CANCEL), ends(PROTOCOL_ERROR)),
        "6.4 RST_STREAM on an idle stream": (rst_stream(1, h2frames.CANCEL), ends(PROTOCOL_ERROR)),
        "6.4 RST_STREAM that is not 4 long": (HALF_CLOSED + frame(RST_STREAM, 0, 1, b"\0\0\0"),
                                              ends(FRAME_SIZE_ERROR)),
        "7 RST_STREAM with an unknown code": (get(path="/wait") + rst_stream(1, 0xff) + get(3), answers(3)),
        "7 GOAWAY with an unknown code": (goaway(0, 0xff), lambda test, client: test.assertIn(client.error(),
                                                                                            (None, NO_ERROR))),
    }


@h2_suite.table
class Settings(h2_suite.Case):
    CASES = {
        "6.5 an acknowledgement with a payload": (frame(SETTINGS, ACK, 0, b"\0\3\0\0\0\1"), ends(FRAME_SIZE_ERROR)),
        "6.5 SETTINGS on a stream": (frame(SETTINGS, 0, 1, b"\0\3\0\0\0\1"), ends(PROTOCOL_ERROR)),
        "6.5 SETTINGS that are no multiple of 6 long": (frame(SETTINGS, 0, 0, b"\0\3\0"), ends(FRAME_SIZE_ERROR)),
        "6.5.2 ENABLE_PUSH that is neither 0 nor 1": (settings((2, 2)), ends(PROTOCOL_ERROR)),
        "6.5.2 INITIAL_WINDOW_SIZE too large": (settings((4, 2 ** 31)), ends(FLOW_CONTROL_ERROR)),
        "6.5.2 MAX_FRAME_SIZE too small": (settings((5, 2 ** 14 - 1)), ends(PROTOCOL_ERROR)),
        "6.5.2 MAX_FRAME_SIZE too large": (settings((5, 2 ** 24)), ends(PROTOCOL_ERROR)),
        "6.5.2 an unknown setting is ignored": (settings((0xff, 1)), stays),
    }

    def test_6_5_3_the_last_of_equal_settings_counts(self):
        client = self.connect()
        client.send(settings((4, 100), (4, 1)) + get())
        self.assertEqual(len(client.wait_for(DATA, stream=1).payload), 1)

    def test_6_5_3_settings_are_acknowledged_each(self):
        client = self.connect(greet=False)
        client.send(PREFACE + settings() + settings((4, 1)) + settings())
        self.assertEqual(client.wait_for(SETTINGS).flags, 0)
        for _ in range(3):
            self.assertEqual(client.wait_for(SETTINGS).flags, ACK)


@h2_suite.table
class PingAndGoaway(h2_suite.Case):
    CASES = {
        "6.7 an acknowledgement is not answered": (
            frame(PING, ACK, 0, b"unasked!") + frame(PING, 0, 0, b"12345678"),
            lambda test, client: test.assertEqual(client.wait_for(PING).payload, b"12345678")),
        "6.7 PING on a stream": (frame(PING, 0, 1, b"12345678"), ends(PROTOCOL_ERROR)),
        "6.7 PING too short": (frame(PING, 0, 0, b"123456"), ends(FRAME_SIZE_ERROR)),
        "6.7 PING too long": (frame(PING, 0, 0, b"123456789"), ends(FRAME_SIZE_ERROR)),
        "6.8 GOAWAY on a stream": (goaway(0, NO_ERROR, stream=1), ends(PROTOCOL_ERROR)),
        "6.8 GOAWAY too short": (frame(GOAWAY, 0, 0, b"\0\0\0\0\0\0\0"), ends(FRAME_SIZE_ERROR)),
    }


@h2_suite.table
class WindowUpdate(h2_suite.Case):
    MOST = 2 ** 31 - 1
    CASES = {
        "6.9 an increment of 0": (window_update(0, 0), ends(PROTOCOL_ERROR)),
        "6.9 an increment of 0 on a stream": (HALF_CLOSED + window_update(1, 0), resets(1, PROTOCOL_ERROR)),
        "6.9 WINDOW_UPDATE that is not 4 long": (frame(WINDOW_UPDATE, 0, 0, b"\0\0\1"), ends(FRAME_SIZE_ERROR)),
        "6.9.1 a window too large": (window_update(0, MOST) * 2, ends(FLOW_CONTROL_ERROR)),
        "6.9.1 a window too large on a stream": (HALF_CLOSED + window_update(1, MOST) * 2, ends(FLOW_CONTROL_ERROR)),
        "6.9.2 a setting too large": (settings((4, 2 ** 31)), ends(FLOW_CONTROL_ERROR)),
        "6.9.2 a setting that makes a window too large": (
            HALF_CLOSED + window_update(1, MOST - 65535) + settings((4, 65536)), ends(FLOW_CONTROL_ERROR)),
    }

    def test_6_9_more_data_than_the_window(self):
        """The origin reads nothing, so that windows open no further once sockets are full."""
        stalled = FakeBackend(lambda _: lambda connection: self.server.release.wait(harness.PATIENCE),
                              read_requests=False)
        self.addCleanup(stalled.close)
        self.server.gateway.apply(harness.backend("stalled", stalled.port) + harness.route(
            "stalled", f"  - matches: [{{path: {{type: PathPrefix, value: /stalled}}}}]\n"
                       f"    backendRefs: [{harness.reference('stalled')}]\n"))
        client = self.connect()
        client.send(post(path="/stalled"))
        with contextlib.suppress(OSError):
            for _ in range(4000):
                client.send(frame(DATA, 0, 1, b"x" * 2 ** 14))
        got = client.wait_for(RST_STREAM, GOAWAY)
        self.assertEqual(got.code, FLOW_CONTROL_ERROR)

    def test_6_9_1_no_more_than_the_window(self):
        for over_tls in (False, True):
            client = self.connect(over_tls)
            client.send(settings((4, 1)) + get())
            self.assertEqual(client.wait_for(DATA, stream=1).payload, b"h")
            self.assertTrue(client.alive(), "nothing more comes")

    def test_6_9_2_a_larger_window_counts_for_open_streams(self):
        client = self.connect()
        client.send(settings((4, 0)) + get())
        self.assertEqual(client.wait_for(HEADERS, DATA, stream=1).kind, HEADERS)
        self.assertTrue(client.alive())
        client.send(settings((4, 1)))
        self.assertEqual(client.wait_for(DATA, stream=1).payload, b"h")

    def test_6_9_2_a_window_may_be_negative(self):
        client = self.connect()
        client.send(settings((4, 3)) + get())
        self.assertEqual(client.wait_for(DATA, stream=1).payload, b"hel")
        client.send(settings((4, 2)) + window_update(1, 1))  # -1 and 1.
        self.assertTrue(client.alive(), "nothing more comes")
        client.send(window_update(1, 1))
        self.assertEqual(client.wait_for(DATA, stream=1).payload, b"l")


@h2_suite.table
class Continuation(h2_suite.Case):
    ENDLESS = frame(HEADERS, END_STREAM, 1, request())
    LAST = frame(CONTINUATION, END_HEADERS, 1)
    CASES = {
        "6.10 several CONTINUATIONs": (ENDLESS + frame(CONTINUATION, 0, 1) + LAST, answers()),
        "6.10 DATA behind CONTINUATION without its end": (ENDLESS + frame(CONTINUATION, 0, 1) +
                                                          frame(DATA, END_STREAM, 1, b"body"), ends(PROTOCOL_ERROR)),
        "6.10 CONTINUATION on stream 0": (ENDLESS + frame(CONTINUATION, END_HEADERS, 0), ends(PROTOCOL_ERROR)),
        "6.10 CONTINUATION of another stream": (ENDLESS + frame(CONTINUATION, END_HEADERS, 3), ends(PROTOCOL_ERROR)),
        "6.10 CONTINUATION behind the end of HEADERS": (HALF_CLOSED + LAST, ends(PROTOCOL_ERROR)),
        "6.10 CONTINUATION behind the end of CONTINUATION": (ENDLESS + LAST + LAST, ends(PROTOCOL_ERROR)),
        "6.10 CONTINUATION behind DATA": (post() + frame(DATA, 0, 1, b"body") + frame(CONTINUATION, END_HEADERS, 1),
                                          ends(PROTOCOL_ERROR)),
    }


if __name__ == "__main__":
    unittest.main()
