"""Clients that never rest and forgive nothing: whatever is not a whole answer with the right status is noted, a
connection that is refused or reset, or ends where an answer was due, included. They do what a server says: after
`Connection: close` and GOAWAY they come again on a new connection."""
import collections
import socket
import ssl
import struct
import threading
import time

import harness
from h2frames import (ACK, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, RST_STREAM, WINDOW_UPDATE, H2Client,
                      frame, request, status_of)

TIMEOUT = 20  # Seconds for any one answer.


class Failure:
    """What became of one request; times are of time.monotonic()."""

    def __init__(self, kind, begun, what):
        self.kind, self.begun, self.ended, self.what = kind, begun, time.monotonic(), what
        self.at = time.strftime("%X")

    def __repr__(self):
        return f"{self.at} {self.kind}: {self.what} after {self.ended - self.begun:.3f} s"


class Load:
    """Threads of clients; `answers` are counted by kind of client and status. With `body` requests are POSTs."""

    def __init__(self, address, port, tls_port=None, ca=None, host="load.example", path="/", body=b""):
        self.address, self.port, self.tls_port, self.host, self.path = address, port, tls_port, host, path
        self.body = body
        self.answers = collections.Counter()
        self.failures = []
        self.connections = 0
        self.resumed = 0
        self.slowest = 0.0
        self._lock = threading.Lock()
        self._begun = threading.local()
        self._stop = threading.Event()
        self._threads = []
        self._tls = None
        if ca is not None:
            self._tls = ssl.create_default_context(cafile=str(ca))

    def start(self, kind, count=1, pause=0.0):
        """`kind`: of the methods below; `pause`: seconds between requests of one client."""
        for _ in range(count):
            thread = threading.Thread(target=self._run, args=(getattr(self, kind), pause), daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join(TIMEOUT + 10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def total(self):
        return sum(self.answers.values())

    def wait_for_more(self, count=100):
        """Until so many more answers have come."""
        wanted = self.total + count
        harness.eventually(lambda: self.total >= wanted or self.failures, f"{count} more answers")

    def _run(self, client, pause):
        while not self._stop.is_set():
            self._begun.at = time.monotonic()
            try:
                client(pause)
            except (OSError, ValueError) as error:
                self._fail(client.__name__, repr(error))
                self._stop.wait(0.05)  # Not as fast as it can.

    def _fail(self, kind, what):
        with self._lock:
            self.failures.append(Failure(kind, self._begun.at, what))

    def _answered(self, kind, status):
        with self._lock:
            self.answers[kind, status] += 1
            self.slowest = max(self.slowest, time.monotonic() - self._begun.at)
        if status != 200:
            self._fail(kind, f"answered {status}")

    def _connect(self, tls, session=None):
        port = self.tls_port if tls else self.port
        connection = socket.create_connection((self.address, port), timeout=TIMEOUT)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            connection = self._tls.wrap_socket(connection, server_hostname=self.host, session=session)
        with self._lock:
            self.connections += 1
            self.resumed += bool(tls and connection.session_reused)
        return connection

    def _ask(self, kind, connection, stream, last=False):
        """One request; True where another may follow on the connection."""
        self._begun.at = time.monotonic()
        fields = f"Host: {self.host}\r\n" + ("Connection: close\r\n" if last else "")
        if self.body:
            fields += f"Content-Length: {len(self.body)}\r\n"
        method = "POST" if self.body else "GET"
        connection.sendall(f"{method} {self.path} HTTP/1.1\r\n{fields}\r\n".encode() + self.body)
        head = harness.read_head(stream)
        if head is None:
            raise ConnectionError("the connection ended where an answer was due")
        _, complete = harness.read_body(stream, head)
        if not complete:
            raise ConnectionError("the connection ended within an answer")
        self._answered(kind, int(head.split(b" ", 2)[1]))
        return b"\r\nconnection: close" not in head.lower()

    def _kept(self, kind, tls, pause):
        connection = self._connect(tls)
        with connection, connection.makefile("rb") as stream:
            while not self._stop.is_set() and self._ask(kind, connection, stream):
                if pause:
                    self._stop.wait(pause)

    def kept(self, pause):
        """HTTP/1.1 on one connection for as long as it goes."""
        self._kept("kept", False, pause)

    def kept_tls(self, pause):
        self._kept("kept_tls", True, pause)

    def fresh(self, pause):
        """A new connection for each request."""
        connection = self._connect(False)
        with connection, connection.makefile("rb") as stream:
            self._ask("fresh", connection, stream, last=True)
        self._stop.wait(pause)

    def fresh_tls(self, pause):
        """The same, with the session of the connection before."""
        session = getattr(self, "_session", None)
        connection = self._connect(True, session)
        with connection, connection.makefile("rb") as stream:
            self._ask("fresh_tls", connection, stream, last=True)
            self._session = connection.session
        self._stop.wait(pause)

    def http2(self, pause):
        """A stream at a time, by prior knowledge; streams that were opened after a goodbye would be failures, too."""
        client = H2Client(self.address, self.port)
        with self._lock:
            self.connections += 1
        with client:
            client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stream, goodbye = 1, False
            while not self._stop.is_set() and not goodbye:
                self._begun.at = time.monotonic()
                client.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, request(self.path, authority=self.host)))
                status, ended = 0, False
                while not ended:
                    got = client.read()
                    if got is None:
                        raise ConnectionError("the connection ended where an answer was due")
                    if got.kind == PING and not got.flags & ACK:
                        client.send(frame(PING, ACK, 0, got.payload))
                    elif got.kind == GOAWAY:
                        goodbye = True
                        if got.code != 0 or int.from_bytes(got.payload[:4], "big") < stream:
                            raise ConnectionError(f"GOAWAY {got.payload!r} while stream {stream} was open")
                    elif got.kind == RST_STREAM:
                        raise ConnectionError(f"stream {stream} reset: {got.code}")
                    elif got.stream == stream and got.kind == HEADERS and status == 0:
                        status = status_of(got.payload)
                    if got.kind == DATA and got.payload:
                        client.send(frame(WINDOW_UPDATE, 0, 0, struct.pack("!I", len(got.payload))))
                    if got.stream == stream and got.kind in (HEADERS, DATA) and got.flags & END_STREAM:
                        ended = True
                self._answered("http2", status)
                stream += 2
                if stream > 1000:
                    return
                if pause:
                    self._stop.wait(pause)
