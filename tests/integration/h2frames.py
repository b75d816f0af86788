"""HTTP/2 by hand: frames as bytes, for tests that must send what no library would."""
import contextlib
import socket
import struct
import threading

import harness

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITIZED = 1, 1, 4, 8, 32
# Identifiers of settings.
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_STREAMS, WINDOW_SIZE, FRAME_SIZE, HEADER_LIST_SIZE = range(1, 7)
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR = 0, 1, 2, 3
STREAM_CLOSED, FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR = 5, 6, 7, 8, 9
ENHANCE_YOUR_CALM = 11

# RFC 7541 appendix A: :status has the indexes 8 to 14.
_STATUS = {8: 200, 9: 204, 10: 206, 11: 304, 12: 400, 13: 404, 14: 500}
# RFC 7541 appendix B, the digits.
_DIGITS = {"00000": "0", "00001": "1", "00010": "2", "011001": "3", "011010": "4", "011011": "5",
           "011100": "6", "011101": "7", "011110": "8", "011111": "9"}


def frame(kind, flags, stream, payload=b""):
    return struct.pack("!I", len(payload))[1:] + bytes([kind, flags]) + struct.pack("!I", stream) + payload


def settings(*pairs):
    return frame(SETTINGS, 0, 0, b"".join(struct.pack("!HI", k, v) for k, v in pairs))


def integer(value, bits, pattern=0):
    """RFC 7541 5.1: in the low `bits` of the first byte, whose rest is `pattern`."""
    most = 2 ** bits - 1
    if value < most:
        return bytes([pattern | value])
    rest, out = value - most, bytearray([pattern | most])
    while rest >= 128:
        out.append(rest % 128 + 128)
        rest //= 128
    out.append(rest)
    return bytes(out)


def string(data):
    """RFC 7541 5.2, without Huffman coding."""
    data = data if isinstance(data, bytes) else data.encode("latin-1")
    return integer(len(data), 7) + data


def literal(name, value):
    """A field without indexing or Huffman coding."""
    return b"\x00" + string(name) + string(value)


def rst_stream(stream, code):
    return frame(RST_STREAM, 0, stream, struct.pack("!I", code))


def goaway(last, code, stream=0, debug=b""):
    return frame(GOAWAY, 0, stream, struct.pack("!II", last, code) + debug)


def window_update(stream, increment):
    return frame(WINDOW_UPDATE, 0, stream, struct.pack("!I", increment))


def block(*fields):
    return b"".join(literal(name, value) for name, value in fields)


def request(path="/", method="GET", authority="a", extra=(), scheme="http"):
    return block((":method", method), (":scheme", scheme), (":path", path), (":authority", authority), *extra)


def status_of(payload):
    """The status of a response's header block, which nghttp2 puts first."""
    while payload[0] & 0xe0 == 0x20:  # Changes of the table's size.
        more = payload[0] & 0x1f == 0x1f
        payload = payload[1:]
        while more:
            more = payload[0] & 0x80
            payload = payload[1:]
    first = payload[0]
    if first & 0x80:
        return _STATUS[first & 0x7f]
    length = payload[1] & 0x7f
    data = payload[2:2 + length]
    if not payload[1] & 0x80:
        return int(data)
    bits, digits = "".join(f"{byte:08b}" for byte in data), ""
    while bits and "0" in bits:
        size = next(size for size in (5, 6) if bits[:size] in _DIGITS)
        digits += _DIGITS[bits[:size]]
        bits = bits[size:]
    return int(digits)


class Frame:
    def __init__(self, kind, flags, stream, payload):
        self.kind, self.flags, self.stream, self.payload = kind, flags, stream, payload

    @property
    def code(self):
        """Of RST_STREAM and GOAWAY."""
        return struct.unpack("!I", self.payload[4 if self.kind == GOAWAY else 0:][:4])[0]


def read_frame(stream):
    """The next frame of a binary stream; None at its end."""
    head = stream.read(9)
    if len(head) < 9:
        return None
    payload = stream.read(int.from_bytes(head[:3], "big"))
    return Frame(head[3], head[4], int.from_bytes(head[5:9], "big") & 0x7fffffff, payload)


class Peer(harness.Connection):
    """One connection; nothing is sent but what the test sends."""

    def send(self, data):
        self.socket.sendall(data)

    def read(self):
        """The next frame; None at the end of the connection."""
        try:
            return read_frame(self.stream)
        except TimeoutError:
            raise
        except OSError:  # Reset, or cut off within TLS.
            return None

    def wait_for(self, *kinds, stream=None):
        """The next frame of these kinds (of that stream); None where the connection ends before."""
        while (got := self.read()) is not None:
            if got.kind in kinds and stream in (None, got.stream):
                return got
        return None


class H2Client(Peer):
    """With `tls`, an SSLContext, over TLS to `server_name`. `greet`: with the preface, and that `window`."""

    def __init__(self, address, port, greet=True, window=None, tls=None, server_name=None):
        connection = socket.create_connection((address, port), timeout=harness.PATIENCE)
        if tls:
            connection = tls.wrap_socket(connection, server_hostname=server_name)
        super().__init__(connection)
        if greet:
            self.send(PREFACE + settings(*([(4, window)] if window is not None else [])))

    def error(self):
        """How the connection ended: the code of GOAWAY, or None where there was only an end."""
        goaway = self.wait_for(GOAWAY)
        return goaway.code if goaway else None

    def response(self, stream):
        """(status, body); the status is negative where the stream was reset: minus the code."""
        status, body = 0, b""
        while True:
            got = self.wait_for(HEADERS, DATA, RST_STREAM, stream=stream)
            if got is None:
                return 0, body
            if got.kind == RST_STREAM:
                return -got.code, body
            if got.kind == HEADERS and status == 0:
                status = status_of(got.payload)
            elif got.kind == DATA:
                body += got.payload
                if got.payload:
                    self.send(b"".join(frame(WINDOW_UPDATE, 0, where, struct.pack("!I", len(got.payload)))
                                       for where in (0, stream)))
            if got.flags & END_STREAM:
                return status, body

    def alive(self):
        """True where a ping is answered."""
        self.send(frame(PING, 0, 0, b"12345678"))
        got = self.wait_for(PING, GOAWAY)
        return got is not None and got.kind == PING


class H2Backend:
    """A backend in clear text. `serve(peer, number)` is called for each connection, counted from 1, behind the client's
    preface; with `greet` its own SETTINGS are sent before. The connection is closed when it returns."""

    def __init__(self, serve, greet=True):
        self.connections = 0
        self._serve_peer = serve
        self._greet = greet
        self._peers = set()
        self._changed = threading.Condition()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection, self.connections), daemon=True).start()

    def _serve(self, connection, number):
        with self._changed:
            self._peers.add(connection)
        with contextlib.suppress(OSError, ValueError), Peer(connection) as peer:
            if self._greet:
                peer.send(settings())
            if peer.stream.read(len(PREFACE)) == PREFACE:
                self._serve_peer(peer, number)
        with self._changed:
            self._peers.discard(connection)
            self._changed.notify_all()

    def hang_up(self):
        """Ends all connections; returns when the other side has ended them, too. Whoever serves reads to the end."""
        with self._changed:
            for peer in self._peers:
                with contextlib.suppress(OSError):
                    peer.shutdown(socket.SHUT_WR)
            if not self._changed.wait_for(lambda: not self._peers, harness.PATIENCE):
                raise AssertionError("the other side keeps its connection")

    def close(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()
