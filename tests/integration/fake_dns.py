"""A name server for tests, on loopback over UDP."""
import contextlib
import ipaddress
import socket
import struct
import threading

from harness import PATIENCE

NO_SUCH_NAME = "no such name"
HELD = "held"  # Not answered until it is changed.
TYPES = {1: 4, 28: 6}  # A and AAAA: of which IP version.


class FakeDns:
    """`set(name, addresses, ttl)` decides what is answered; a name that was never set does not exist."""

    def __init__(self):
        self.queries = []  # (name, version of IP), in the order they came.
        self._answers = {}
        self._changed = threading.Condition()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._held = []
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def set(self, name, addresses, ttl=300):
        with self._changed:
            self._answers[name] = (addresses, ttl)
            held, self._held = self._held, []
        for query, client in held:
            self._answer(query, client)

    def count(self, name, version=4):
        with self._changed:
            return self.queries.count((name, version))

    def wait_for(self, name, count=1, version=4):
        with self._changed:
            arrived = self._changed.wait_for(lambda: self.queries.count((name, version)) >= count, PATIENCE)
        if not arrived:
            raise AssertionError(f"{self.count(name, version)} of {count} queries for {name} arrived")

    def _serve(self):
        while True:
            try:
                query, client = self._socket.recvfrom(512)
            except OSError:
                return
            if not query:
                return
            name, _, kind = read_question(query)
            with self._changed:
                self.queries.append((name, TYPES.get(kind)))
                self._changed.notify_all()
            self._answer(query, client)

    def _answer(self, query, client):
        name, end, kind = read_question(query)
        with self._changed:
            addresses, ttl = self._answers.get(name, (NO_SUCH_NAME, 0))
            if addresses == HELD:
                self._held.append((query, client))
                return
        missing = addresses == NO_SUCH_NAME
        records = [] if missing else [a for a in map(ipaddress.ip_address, addresses)
                                      if a.version == TYPES.get(kind)]
        head = query[:2] + struct.pack("!HHHHH", 0x8580 | (3 if missing else 0), 1, len(records), 0, 0)
        body = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, ttl, len(a.packed)) + a.packed
                        for a in records)
        with contextlib.suppress(OSError):
            self._socket.sendto(head + query[12:end] + body, client)


def read_question(query):
    """(name in lower case, where the question ends, type)"""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode("latin-1").lower())
        at += 1 + query[at]
    return ".".join(labels), at + 5, struct.unpack("!H", query[at + 1:at + 3])[0]
