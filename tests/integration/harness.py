"""Starts the real programs on loopback, and fake backends on raw sockets (not on our own HTTP code).

Nothing here sleeps to synchronise: what must happen is waited for with a deadline.
"""
import contextlib
import fcntl
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("APK_BIN", ROOT / "build/dev/bin"))
CLIENT = "45f1c5c8-a92e-11ed-afa1-0242ac120002:4fbd62ec-a92e-11ed-afa1-0242ac120002"
# Sanitizer builds are slower; deadlines are for failures only.
PATIENCE = float(os.environ.get("APK_PATIENCE", "30"))


def free_port(address="127.0.0.1"):
    """A port that nobody listens on. It lies below those that the kernel gives to connections, and other tests that
    run at the same time get others: nobody takes it before it is bound."""
    end = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    begin = max(end - 16000, 2000)
    with open(pathlib.Path(tempfile.gettempdir()) / f"apk-test-ports-{os.getuid()}", "a+") as last:
        fcntl.flock(last, fcntl.LOCK_EX)
        last.seek(0)
        port = int(last.read() or begin)
        while True:
            port = begin + (port + 1 - begin) % (end - begin)
            with socket.socket() as probe, contextlib.suppress(OSError):
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((address, port))
                break
        last.truncate(0)
        last.write(str(port))
    return port


def eventually(condition, what, seconds=PATIENCE):
    """Waits until condition() is true and returns its value."""
    end = time.monotonic() + seconds
    pause = threading.Event()
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"did not happen in {seconds:.0f} s: {what}")
        pause.wait(0.02)


class Process:
    """A program of ours; `ready` is the rest of the line that it prints when it is. `prefix`: a command that
    replaces itself by it."""

    def __init__(self, name, *arguments, wait=True, directory, prefix=()):
        self.log = open(directory / f"{name}.log", "ab")
        self.name = name
        self.process = subprocess.Popen([*prefix, str(BIN / name.split(".")[0]), *map(str, arguments)],
                                        stdout=subprocess.PIPE, stderr=self.log)
        self.ready = None
        self._printed = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if wait:
            self.wait_ready()

    def _read(self):
        for line in self.process.stdout:
            text = line.decode().strip()
            if text.startswith("ready"):
                self.ready = dict(part.split("=", 1) for part in text.split()[1:])
                self._printed.set()
        self._printed.set()

    def wait_ready(self):
        self._printed.wait(PATIENCE)
        if self.ready is None:
            raise AssertionError(f"{self.name} did not get ready:\n{self.tail()}")

    def tail(self):
        self.log.flush()
        return pathlib.Path(self.log.name).read_text(errors="replace")[-3000:]

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"{self.name} did not stop")
        finally:
            self._reader.join(5)
            self.process.stdout.close()
            self.log.close()
        return self.process.returncode


class Gateway:
    """A control plane and agents in a directory of their own."""

    def __init__(self, agents=1, agent_flags=(), control_plane_flags=()):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="apk-test-"))
        self.port = free_port()
        self.grpc_port = free_port()
        self.token_port = free_port()
        self.kubernetes_port = free_port()
        self.control_plane_flags = control_plane_flags
        self.agent_flags = agent_flags
        self.agents = {}
        self.control_plane = None
        try:
            self.start_control_plane()
            for number in range(1, agents + 1):
                self.start_agent(number)
        except AssertionError:
            self.close()
            raise

    def address_of_agent(self, number):
        """Where it binds what names no address."""
        return f"127.0.0.{number}"

    @property
    def data(self):
        return self.directory / "control-plane"

    def start_control_plane(self):
        self.control_plane = Process(
            "apk-control-plane", "--data-dir", self.data, "--listen", f"127.0.0.1:{self.grpc_port}",
            "--token-issuer-listen", f"127.0.0.1:{self.token_port}", "--kubernetes-listen",
            f"127.0.0.1:{self.kubernetes_port}", "--gateway-port", self.port, *self.control_plane_flags,
            directory=self.directory)

    def start_agent(self, number=1, wait=True):
        self.agents[number] = Process("apk-data-plane", *self.agent_command(number), wait=wait,
                                      directory=self.directory)

    def agent_command(self, number=1, *flags):
        """Its arguments."""
        flags = [*self.agent_flags, *flags]
        defaults = [part for flag, value in (("--workers", 2), ("--drain-seconds", 1)) if flag not in flags
                    for part in (flag, value)]
        pki = self.data / "pki"
        return ["--id", f"agent-{number}", "--control-plane", f"127.0.0.1:{self.grpc_port}", "--ca", pki / "ca.crt",
                "--cert", pki / "agent.crt", "--key", pki / "agent.key", "--address",
                self.address_of_agent(number), "--data-dir", self.directory / f"agent-{number}", "--admin",
                "127.0.0.1:0", *defaults, *flags]

    def upgrade_agent(self, number=1, *flags):
        """Starts another process in the place of the agent; returns the old one, which drains."""
        old = self.agents[number]
        self.agents[number] = Process("apk-data-plane", *self.agent_command(number, *flags), "--take-over",
                                      directory=self.directory)
        return old

    def close(self):
        try:
            for agent in self.agents.values():
                agent.stop()
            if self.control_plane:
                self.control_plane.stop()
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # The command line.

    def apkctl(self, *arguments, stdin=None, check=True):
        result = subprocess.run(
            [str(BIN / "apkctl"), "--config", str(self.data / "apkctl.yaml"), *map(str, arguments)],
            input=stdin, capture_output=True, text=True, timeout=PATIENCE)
        if check and result.returncode != 0:
            raise AssertionError(f"apkctl {arguments}: {result.stdout}{result.stderr}")
        return result

    def apply(self, text, *arguments, check=True, settle=True):
        result = self.apkctl("apply", "-f", "-", *arguments, stdin=text, check=check)
        if check and settle:
            self.settle()
        return result

    def get(self, *arguments):
        return json.loads(self.apkctl("get", *arguments, "-o", "json").stdout)

    def fleet(self):
        return json.loads(self.apkctl("agents", "-o", "json").stdout)

    def settle(self):
        """Until every agent runs the newest snapshot."""
        def settled():
            fleet = self.fleet()
            connected = [a for a in fleet["agents"] if a["connected"]]
            return len(connected) >= len(self.agents) and all(a["upToDate"] for a in connected)
        eventually(settled, "all agents up to date")

    # Requests.

    def curl(self, path, *arguments, host="default.gw.wso2.com", agent=1, scheme="https", port=None):
        port = port or self.port
        command = ["curl", "-sS", "--max-time", "20", "--noproxy", "*", "--cacert",
                   str(self.data / "pki/ca.crt"), "--resolve", f"{host}:{port}:127.0.0.{agent}",
                   "-w", "\n%{http_code}", f"{scheme}://{host}:{port}{path}", *map(str, arguments)]
        result = subprocess.run(command, capture_output=True, timeout=PATIENCE)
        body, _, status = result.stdout.rpartition(b"\n")
        return Answer(int(status or 0), body, result.stderr.decode())

    def token(self):
        return self.apkctl("token").stdout.strip()

    def metrics(self, agent=1):
        address = self.agents[agent].ready["admin"]
        text = http_get(address, "/metrics")
        samples = {}
        for line in text.splitlines():
            if not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                samples[name] = float(value) if "." in value else int(value)
        return samples

    def mirror_counts(self, mirror, agent=1):
        """{"matched": n, "sent": n, "dropped/queue": n, …} of one mirror, zeroes left out."""
        counts = {}
        for name, value in self.metrics(agent).items():
            if f'mirror="{mirror}"' not in name or value == 0:
                continue
            if name.startswith("apk_mirror_matched_total"):
                counts["matched"] = counts.get("matched", 0) + value
            elif name.startswith("apk_mirror_requests_total"):
                outcome = re.search('outcome="([^"]*)"', name)[1]
                reason = re.search('reason="([^"]*)"', name)[1]
                key = f"{outcome}/{reason}" if reason else outcome
                counts[key] = counts.get(key, 0) + value
        return counts

    def settled_mirror_counts(self, mirror, matched, agent=1):
        """Waits until every copy of `matched` requests is accounted for."""
        def accounted():
            counts = self.mirror_counts(mirror, agent)
            done = sum(v for k, v in counts.items() if k != "matched")
            return counts if counts.get("matched") == matched and done == matched else None
        return eventually(accounted, f"{matched} copies to {mirror} accounted for")


class Answer:
    def __init__(self, status, body, error=""):
        self.status = status
        self.body = body
        self.error = error

    def json(self):
        return json.loads(self.body)


def http_get(address, path):
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        data = b""
        while chunk := connection.recv(65536):
            data += chunk
    return data.split(b"\r\n\r\n", 1)[1].decode()


def http_client(port, tls):
    """An HTTPS connection to a port of this machine."""
    return http.client.HTTPSConnection("127.0.0.1", port, context=tls, timeout=PATIENCE)


def status_of(address, port, path="/", host="a.example"):
    """The status of an answer over plain HTTP; OSError where there is none."""
    with RawClient(address, port) as client:
        client.send(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
        return client.read_response()[0]


class Received:
    """A request as it arrived at a fake backend."""

    def __init__(self, head, body, complete, connection, trailers=()):
        lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, self.version = lines[0].split(" ")
        self.fields = [tuple(line.split(": ", 1)) if ": " in line else (line.rstrip(":"), "")
                       for line in lines[1:] if line]
        self.body = body
        self.complete = complete  # The framing ended as it should.
        self.connection = connection
        self.trailers = list(trailers)  # Lines.

    def header(self, name):
        values = [v for k, v in self.fields if k.lower() == name.lower()]
        return ", ".join(values) if values else None


class FakeBackend:
    """Takes any request. `respond(request)` gives the bytes to answer, None to close at once, or a
    callable that gets the socket. With `certificate` (cert, key files) it speaks TLS."""

    def __init__(self, respond=None, certificate=None, read_requests=True, port=0):
        self.respond = respond or (lambda request: response(b"ok"))
        self.requests = []
        self.connections = 0
        self.most_open = 0  # Of them, at one time.
        self.server_names = []
        self._read_requests = read_requests
        self._changed = threading.Condition()
        self._open = set()
        self._context = None
        if certificate:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(*certificate)
            self._context.sni_callback = lambda _, name, __: self.server_names.append(name)
        self._listener = socket.create_server(("127.0.0.1", port), backlog=512)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        # shutdown wakes the thread that is in accept().
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def wait_for(self, count, seconds=PATIENCE):
        with self._changed:
            arrived = self._changed.wait_for(lambda: len(self.requests) >= count, seconds)
        if not arrived:
            raise AssertionError(f"{len(self.requests)} of {count} requests arrived")
        return self.requests

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._changed:
                self.connections += 1
                number = self.connections
            self.most_open = max(self.most_open, 1 + sum(map(is_open, list(self._open))))
            self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection, number), daemon=True).start()

    def _serve(self, connection, number):
        accepted = connection
        with contextlib.suppress(OSError, ValueError):
            if self._context:
                connection = self._context.wrap_socket(connection, server_side=True)
            self._serve_requests(connection, number)
        with contextlib.suppress(OSError):
            connection.close()
        self._open.discard(accepted)

    def _serve_requests(self, connection, number):
        if not self._read_requests:
            self.respond(None)(connection)
            return
        stream = connection.makefile("rb")
        while True:
            head = read_head(stream)
            if head is None:
                return
            trailers = []
            body, complete = read_body(stream, head, trailers)
            request = Received(head, body, complete, number, trailers)
            with self._changed:
                self.requests.append(request)
                self._changed.notify_all()
            answer = self.respond(request)
            if answer is None or not complete:
                return
            if callable(answer):
                answer(connection)
                return
            connection.sendall(answer)


def is_open(connection):
    """The peer has not closed it, by what has arrived so far."""
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def read_head(stream):
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = stream.readline()
        if not line:
            return None
        head += line
    return head[:-4]


def read_body(stream, head, trailers=None):
    """(body, whether its framing ended as it should); appends the lines of trailers."""
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    if length:
        wanted = int(length[1])
        body = stream.read(wanted)
        return body, len(body) == wanted
    if not re.search(rb"(?i)\r\ntransfer-encoding: chunked", head):
        return b"", True
    body = b""
    while True:
        line = stream.readline()
        if not line.endswith(b"\r\n"):
            return body, False
        size = int(line, 16)
        if size == 0:
            while (line := stream.readline()).endswith(b"\r\n") and line != b"\r\n":
                if trailers is not None:
                    trailers.append(line[:-2].decode("latin-1"))
            return body, line == b"\r\n"
        chunk = stream.read(size + 2)
        if len(chunk) != size + 2:
            return body, False
        body += chunk[:-2]


def response(body, status="200 OK", fields=()):
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def make_certificate(directory, name):
    """A self-signed certificate in a new directory: (certificate file, key file)."""
    directory.mkdir()
    files = (str(directory / "tls.crt"), str(directory / "tls.key"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext",
                    f"subjectAltName=DNS:{name}", "-out", files[0], "-keyout", files[1]],
                   check=True, capture_output=True)
    return files


class Connection:
    def __init__(self, connected):
        self.socket = connected
        self.stream = connected.makefile("rb")

    def close(self):
        self.stream.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class RawClient(Connection):
    """A client that sends exactly what it is told."""

    def __init__(self, address, port):
        super().__init__(socket.create_connection((address, port), timeout=PATIENCE))

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))

    def read_response(self, head_request=False):
        """(status, fields in lower case, body); (0, …) where the connection ended."""
        head = read_head(self.stream)
        if head is None:
            return 0, {}, b""
        lines = head.decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ")[1])
        fields = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:] if ": " in line)}
        if head_request or status < 200 or status in (204, 304):
            return status, fields, b""
        if "content-length" not in fields and "transfer-encoding" not in fields:
            return status, fields, self.stream.read()
        body, _ = read_body(self.stream, head)
        return status, fields, body

    def at_end(self):
        """True once the peer has closed and nothing is left to read."""
        try:
            return self.stream.read(1) == b""
        except OSError:
            return True


class ClientTest(unittest.TestCase):
    """Its tests talk to `self.port` as raw clients."""

    def client(self):
        made = RawClient("127.0.0.1", self.port)
        self.addCleanup(made.close)
        return made

    def ask(self, text, head_request=False):
        client = self.client()
        client.send(text)
        return client.read_response(head_request)


def plain_gateway(port, name="plain"):
    """A Gateway with one HTTP listener for any host."""
    return f"""
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: {name}}}
spec:
  gatewayClassName: apk
  listeners: [{{name: http, port: {port}, protocol: HTTP}}]
"""


def secured_gateway(port, secret, name="secured"):
    """A Gateway with one HTTPS listener for any host, and the certificate of that Secret."""
    return f"""
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: {name}}}
spec:
  gatewayClassName: apk
  listeners: [{{name: https, port: {port}, protocol: HTTPS, tls: {{certificateRefs: [{{name: {secret}}}]}}}}]
"""


def backend(name, port, **extra):
    spec = {"services": [{"host": "127.0.0.1", "port": port}], **extra}
    return (f"---\napiVersion: dp.wso2.com/v1alpha2\nkind: Backend\nmetadata: {{name: {name}}}\n"
            f"spec: {json.dumps(spec)}\n")


def reference(name):
    return f"{{group: dp.wso2.com, kind: Backend, name: {name}}}"


def route(name, rules, parent="plain", hostnames=()):
    spec = json.dumps({"hostnames": list(hostnames)}) if hostnames else ""
    return (f"---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: {name}}}\n"
            f"spec:\n  parentRefs: [{{name: {parent}}}]\n"
            + (f"  hostnames: {json.dumps(list(hostnames))}\n" if spec else "") + f"  rules:\n{rules}")


def main():
    unittest.main(verbosity=2)
