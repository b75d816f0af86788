"""A user who floods the admin API: a program of its own, so that what it costs is not the test's.

    admin_flood.py KIND PORT CA CERTIFICATE KEY SECONDS

It prints a line of JSON at the end: how many calls were answered, and by which status."""
import collections
import json
import socket
import ssl
import struct
import sys
import threading
import time

import h2frames

LIST = WATCH = b"\x12\x09ConfigMap"  # The field kind.
PIECE = 16 * 1024


def message(data):
    return b"\0" + struct.pack("!I", len(data)) + data


def head(method, stream, flags=h2frames.END_HEADERS):
    return h2frames.frame(h2frames.HEADERS, flags, stream, h2frames.request(
        f"/apk.v1.{method}", "POST", "localhost", (("te", "trailers"), ("content-type", "application/grpc")), "https"))


class Connection:
    """Over TLS, as the user."""

    def __init__(self, port, tls, window=None):
        raw = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket = tls.wrap_socket(raw, server_hostname="localhost")
        self.stream = self.socket.makefile("rb")
        self.socket.sendall(h2frames.PREFACE + h2frames.settings(*([(4, window)] if window is not None else [])))

    def frames(self):
        while True:
            begin = self.stream.read(9)
            if len(begin) < 9:
                return
            length = int.from_bytes(begin[:3], "big")
            yield h2frames.Frame(begin[3], begin[4], int.from_bytes(begin[5:9], "big") & 0x7fffffff,
                                 self.stream.read(length))


class Upload:
    """64 applies at a time on one connection."""

    def __init__(self, connection):
        self.connection = connection
        self.streams = range(1, 128, 2)
        self.first = 65535
        self.windows = dict.fromkeys(self.streams, self.first)
        self.window, self.sent, self.ended = 65535, 0, set()
        self.changed = threading.Condition()
        for stream in self.streams:
            connection.socket.sendall(head("AdminService/Apply", stream))
            self.send(stream, b"\0" + struct.pack("!I", 60 << 20))

    def send(self, stream, data):
        self.windows[stream] -= len(data)
        self.window -= len(data)
        self.sent += len(data)
        self.connection.socket.sendall(h2frames.frame(h2frames.DATA, 0, stream, data))

    def push(self):
        """False where the connection is at its end."""
        with self.changed:
            open_ones = [stream for stream in self.streams
                         if stream not in self.ended and self.windows[stream] >= PIECE]
            if not open_ones or self.window < PIECE:
                return self.changed.wait(1) or True
            for stream in open_ones:
                if self.window >= PIECE:
                    self.send(stream, bytes(PIECE))
        return True

    def read(self):
        for got in self.connection.frames():
            with self.changed:
                if got.kind == h2frames.WINDOW_UPDATE:
                    increment = struct.unpack("!I", got.payload)[0]
                    if got.stream:
                        self.windows[got.stream] += increment
                    else:
                        self.window += increment
                elif got.kind == h2frames.SETTINGS and not got.flags & h2frames.ACK:
                    for at in range(0, len(got.payload), 6):
                        key, value = struct.unpack("!HI", got.payload[at:at + 6])
                        if key == 4:
                            self.windows = {k: v + value - self.first for k, v in self.windows.items()}
                            self.first = value
                elif got.kind == h2frames.RST_STREAM or (got.kind == h2frames.HEADERS
                                                         and got.flags & h2frames.END_STREAM):
                    self.ended.add(got.stream)
                self.changed.notify_all()


class Flood:
    def __init__(self, port, tls, seconds):
        self.port, self.tls = port, tls
        self.end = time.monotonic() + seconds
        self.counts = collections.Counter()
        self._lock = threading.Lock()

    def over(self):
        return time.monotonic() > self.end

    def count(self, what, many=1):
        with self._lock:
            self.counts[what] += many

    def calls(self):
        """As fast as they are answered, 50 at a time on a connection; what is answered is not read but for its end."""
        while not self.over():
            try:
                connection, stream = Connection(self.port, self.tls, window=1 << 30), 1
                connection.socket.sendall(h2frames.frame(h2frames.WINDOW_UPDATE, 0, 0, struct.pack("!I", 1 << 30)))
                for _ in range(200):
                    sent = b""
                    for _ in range(50):
                        sent += head("AdminService/GetServerInfo", stream) + h2frames.frame(
                            h2frames.DATA, h2frames.END_STREAM, stream, message(b""))
                        stream += 2
                    connection.socket.sendall(sent)
                    left = 50
                    for got in connection.frames():
                        if got.kind == h2frames.RST_STREAM or (got.kind == h2frames.HEADERS
                                                               and got.flags & h2frames.END_STREAM):
                            left -= 1
                            self.count("calls")
                        if left == 0 or self.over():
                            break
                    if self.over():
                        return
            except OSError:
                self.count("broken")

    def lists(self):
        """Of all objects, whose answers are not read."""
        try:
            connection = Connection(self.port, self.tls, window=(1 << 31) - 1)
            for stream in range(1, 200, 2):
                connection.socket.sendall(head("AdminService/List", stream) + h2frames.frame(
                    h2frames.DATA, h2frames.END_STREAM, stream, message(LIST)))
            self.count("lists", 100)
            while not self.over():
                time.sleep(0.05)
        except OSError:
            self.count("broken")

    def uploads(self):
        """Applies of which much is sent, as the windows allow it, and never the end."""
        try:
            upload = Upload(Connection(self.port, self.tls))
            reader = threading.Thread(target=upload.read, daemon=True)
            reader.start()
            while not self.over() and upload.push():
                pass
            self.count("megabytes", upload.sent >> 20)
            self.count("ended", len(upload.ended))
        except OSError:
            self.count("broken")

    def watches(self):
        """Of which nothing is read."""
        try:
            connection = Connection(self.port, self.tls, window=0)
            for stream in range(1, 200, 2):
                connection.socket.sendall(head("AdminService/Watch", stream) + h2frames.frame(
                    h2frames.DATA, h2frames.END_STREAM, stream, message(WATCH)))
            self.count("watches", 100)
            while not self.over():
                time.sleep(0.05)
        except OSError:
            self.count("broken")

    def handshakes(self):
        """One after the other."""
        while not self.over():
            try:
                Connection(self.port, self.tls).socket.close()
                self.count("handshakes")
            except OSError:
                self.count("broken")

    def strangers(self):
        """Connections on which nothing is said."""
        held = []
        while not self.over():
            try:
                held.append(socket.create_connection(("127.0.0.1", self.port), timeout=1))
                self.count("connections")
            except OSError:
                self.count("broken")
                time.sleep(0.05)
            if len(held) >= 400:
                time.sleep(0.2)


def main():
    kind, port, authority, certificate, key, seconds = sys.argv[1:]
    tls = ssl.create_default_context(cafile=authority)
    tls.set_alpn_protocols(["h2"])
    tls.load_cert_chain(certificate, key)
    flood = Flood(int(port), tls, float(seconds))
    threads = [threading.Thread(target=getattr(flood, kind), daemon=True)
               for _ in range({"calls": 6, "lists": 8, "uploads": 4, "watches": 3, "handshakes": 6, "strangers": 4}[kind])]
    for thread in threads:
        thread.start()
    print("began", flush=True)
    for thread in threads:
        thread.join(max(0, flood.end - time.monotonic()) + 2)
    print(json.dumps(flood.counts), flush=True)


if __name__ == "__main__":
    main()
