"""A new process of an agent takes over from the old one: nobody is refused, nothing is cut off, and where the new one
fails the old one serves on."""
import json
import os
import signal
import socket
import subprocess
import threading
import unittest

import harness
import steady_load
from certificates import Authority
from harness import FakeBackend, Gateway, RawClient, backend, eventually, free_port, reference, response, route

HOST = "load.example"


def gateways(port, tls_port):
    return f"""
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: both}}
spec:
  gatewayClassName: apk
  listeners:
  - {{name: http, port: {port}, protocol: HTTP}}
  - name: https
    port: {tls_port}
    protocol: HTTPS
    tls: {{certificateRefs: [{{name: certificate}}]}}
"""


class TakeoverCase(unittest.TestCase):
    FLAGS = ()

    def setUp(self):
        self.authority = Authority()
        self.gateway = Gateway(agent_flags=["--drain-seconds", "20", *self.FLAGS])
        self.addCleanup(self.gateway.close)
        self.release = threading.Event()
        self.backend = FakeBackend(lambda request: self.answer(request))
        self.addCleanup(self.backend.close)
        self.addCleanup(self.release.set)
        self.port, self.tls_port = free_port(), free_port()
        self.old = []
        self.addCleanup(self.stop_old)
        self.gateway.apply(json.dumps(self.authority.issue(HOST).secret("certificate")) + "\n---\n"
                           + gateways(self.port, self.tls_port) + backend("origin", self.backend.port)
                           + route("all", f"  - backendRefs: [{reference('origin')}]\n", parent="both"))

    def stop_old(self):
        for process in self.old:
            process.stop(signal.SIGKILL)

    def answer(self, request):
        if request.target == "/wait":
            self.release.wait(harness.PATIENCE)
        return response(b"ok")

    def upgrade(self, *flags):
        old = self.gateway.upgrade_agent(1, *flags)
        self.old.append(old)
        return old

    def load(self):
        load = steady_load.Load("127.0.0.1", self.port, self.tls_port, self.authority.certificate, HOST)
        self.addCleanup(load.stop)
        return load

    def drained(self, process):
        """Its exit status."""
        return eventually(lambda: process.process.poll() is not None, "the old process ends") and process.process.poll()

    def status(self, path="/"):
        return harness.status_of("127.0.0.1", self.port, path, HOST)

    def agent_log(self):
        return self.gateway.agents[1].tail()


class UnderLoad(TakeoverCase):
    def test_several_times_in_a_row_no_request_fails(self):
        with self.load() as load:
            for kind in ("kept", "kept_tls", "fresh", "fresh_tls", "http2"):
                load.start(kind, 2)
            load.start("kept", 1, pause=0.3)
            load.wait_for_more(200)
            admin = self.gateway.agents[1].ready["admin"]
            workers = (2, 3, 1, 2)
            for count in workers:
                old = self.upgrade("--workers", count)
                load.wait_for_more(200)
                self.assertEqual(self.drained(old), 0)
                self.assertEqual(self.gateway.agents[1].ready["admin"], admin)
                self.assertEqual(harness.http_get(admin, "/readyz"), "ok\n")
            load.wait_for_more(200)
        self.assertEqual(load.failures, [])
        self.assertEqual({kind for kind, _ in load.answers},
                         {"kept", "kept_tls", "fresh", "fresh_tls", "http2"})
        # Tickets of the process before are good in the next.
        self.assertGreater(load.resumed, load.answers["fresh_tls", 200] - len(workers) * 4)

    def test_the_control_plane_has_one_agent_all_the_time(self):
        for _ in range(2):
            self.drained(self.upgrade())
            self.gateway.settle()
            agent, = self.gateway.fleet()["agents"]
            self.assertTrue(agent["connected"])
        self.gateway.apply(backend("other", self.backend.port)
                           + route("other", f"""  - matches: [{{path: {{value: /other}}}}]
    backendRefs: [{reference('other')}]
""", parent="both"))
        self.assertEqual(self.status("/other"), 200)

    def test_a_change_within_a_takeover_is_in_force_after_it(self):
        for round_number in range(3):
            text = route(f"late-{round_number}", f"""  - matches: [{{path: {{type: Exact, value: /late-{round_number}}}}}]
    filters: [{{type: RequestRedirect, requestRedirect: {{statusCode: 302, hostname: x.example}}}}]
""", parent="both")
            applied = threading.Thread(target=self.gateway.apply, args=(text,), kwargs={"settle": False})
            applied.start()
            self.upgrade()
            applied.join()
            self.gateway.settle()
            self.assertEqual(self.status(f"/late-{round_number}"), 302)


class WhatIsOpen(TakeoverCase):
    def test_a_download_and_a_websocket_end_in_the_old_process(self):
        piece = b"x" * 65536

        def respond(request):
            if request.target == "/socket":
                def tunnel(connection):
                    connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                                       b"Upgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n")
                    while data := connection.recv(100):
                        connection.sendall(data.upper())
                return tunnel

            def send(connection):
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (64 * len(piece)) + piece)
                self.release.wait(harness.PATIENCE)
                for _ in range(63):
                    connection.sendall(piece)
            return send
        self.backend.respond = respond
        with RawClient("127.0.0.1", self.port) as download, RawClient("127.0.0.1", self.port) as websocket:
            download.send(f"GET /download HTTP/1.1\r\nHost: {HOST}\r\n\r\n")
            websocket.send(f"GET /socket HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                           "Sec-WebSocket-Key: eA==\r\nSec-WebSocket-Version: 13\r\n\r\n")
            self.assertIn(b" 101 ", websocket.stream.readline())
            while websocket.stream.readline() != b"\r\n":
                pass
            self.assertIn(b" 200 ", harness.read_head(download.stream))
            old = self.upgrade()
            self.assertIsNone(old.process.poll())
            websocket.send(b"still")
            self.assertEqual(websocket.stream.read(5), b"STILL")
            self.release.set()
            self.assertEqual(len(download.stream.read(64 * len(piece))), 64 * len(piece))
            websocket.socket.shutdown(socket.SHUT_WR)
            self.assertTrue(websocket.at_end())
        self.assertEqual(self.drained(old), 0)
        self.assertIn("connections_cut=0", old.tail())

    def test_old_and_older_drain_side_by_side(self):
        with RawClient("127.0.0.1", self.port) as first:
            first.send(f"GET /wait HTTP/1.1\r\nHost: {HOST}\r\n\r\n")
            self.backend.wait_for(1)
            oldest = self.upgrade()
            with RawClient("127.0.0.1", self.port) as second:
                second.send(f"GET /wait HTTP/1.1\r\nHost: {HOST}\r\n\r\n")
                self.backend.wait_for(2)
                older = self.upgrade()
                self.assertEqual(self.status(), 200)
                self.assertEqual((oldest.process.poll(), older.process.poll()), (None, None))
                self.release.set()
                for client in (first, second):
                    status, fields, _ = client.read_response()
                    self.assertEqual((status, fields.get("connection")), (200, "close"))
        self.assertEqual((self.drained(oldest), self.drained(older)), (0, 0))

    def test_the_drain_has_a_limit(self):
        self.gateway.agent_flags = ["--drain-seconds", "1"]
        self.drained(self.upgrade())  # The limit is the old process's own.
        with RawClient("127.0.0.1", self.port) as client:
            client.send(f"GET /wait HTTP/1.1\r\nHost: {HOST}\r\n\r\n")
            self.backend.wait_for(1)
            old = self.upgrade()
            self.assertIn(client.read_response()[0], (0, 504))  # Cut off, or told that it is.
            self.assertEqual(self.drained(old), 0)
            self.assertIn("connections_cut=1", old.tail())
            self.assertEqual(self.status(), 200)


class Failing(TakeoverCase):
    def try_to_take_over(self, *arguments, **options):
        """A process that is to fail: its exit status and what it said."""
        done = subprocess.run([*map(str, arguments)], capture_output=True, text=True, timeout=harness.PATIENCE, **options)
        return done.returncode, done.stderr

    def test_a_process_that_fails_leaves_the_old_one_serving(self):
        program = harness.BIN / "apk-data-plane"
        command = [program, *self.gateway.agent_command(), "--take-over"]
        other_id = [*command[:2], "somebody", *command[3:]]
        taken = free_port()
        blocker = socket.create_server(("127.0.0.1", taken))
        self.addCleanup(blocker.close)
        before = self.gateway.agents[1].process
        with self.load() as load:
            load.start("kept", 2)
            load.start("fresh", 2)
            load.wait_for_more()
            for arguments, said in (
                    ([*command, "--no-such-flag"], "no-such-flag"),
                    (other_id, "it is called agent-1, not somebody"),
                    ([*command, "--access-log", "/no/such/directory/log"], "--access-log"),
                    ([*command, "--detach", "--access-log", "/no/such/directory/log"], "--access-log"),
                    ([part if part != "127.0.0.1:0" else f"127.0.0.1:{taken}" for part in command], "--admin"),
                    ([part for part in command if part != "--take-over"], "in use by another agent")):
                status, error = self.try_to_take_over(*arguments)
                self.assertNotEqual(status, 0, arguments)
                self.assertIn(said, error)
                load.wait_for_more()
            self.assertIsNone(before.poll())
        self.assertEqual(load.failures, [])
        # It still takes what is new, and lets others take over.
        self.gateway.apply(route("new", """  - matches: [{path: {value: /new}}]
    filters: [{type: RequestRedirect, requestRedirect: {statusCode: 302, hostname: x.example}}]
""", parent="both"))
        self.assertEqual(self.status("/new"), 302)
        self.assertEqual(self.drained(self.upgrade()), 0)

    def test_a_process_that_is_killed_half_way_leaves_the_old_one_serving(self):
        # It asks for the sockets, and does not come further.
        path = self.gateway.directory / "agent-1/takeover.sock"
        held = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.addCleanup(held.close)
        held.settimeout(harness.PATIENCE)
        held.connect(str(path))
        held.sendall(b"\x0a\x0d\x08\x01\x12\x07agent-1\x1a\x00")
        offer = held.recv(65536)
        self.assertTrue(offer.startswith(b"\x12"))  # TakeOverMessage.offer
        _, descriptors, _, _ = socket.recv_fds(held, 65536, 250)
        for descriptor in descriptors:
            os.close(descriptor)
        applied = self.gateway.apply(route("new", """  - matches: [{path: {value: /new}}]
    filters: [{type: RequestRedirect, requestRedirect: {statusCode: 302, hostname: x.example}}]
""", parent="both"), settle=False)
        self.assertEqual(applied.returncode, 0)
        agent, = self.gateway.fleet()["agents"]
        self.assertTrue(agent["connected"])
        self.assertEqual(self.status(), 200)
        held.close()
        self.gateway.settle()
        self.assertEqual(self.status("/new"), 302)
        self.assertIn("the successor failed, serving on", self.agent_log())

    def test_a_snapshot_that_is_not_on_disk_is_not_given_up(self):
        for name in ("snapshot", "snapshot.previous"):
            (self.gateway.directory / "agent-1" / name).unlink(missing_ok=True)
        status, error = self.try_to_take_over(harness.BIN / "apk-data-plane", *self.gateway.agent_command(), "--take-over")
        self.assertEqual(status, 1)
        self.assertIn("no snapshot", error)
        self.assertEqual(self.status(), 200)

    def test_strangers_get_nothing(self):
        path = self.gateway.directory / "agent-1/takeover.sock"
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        if os.geteuid() != 0:
            self.skipTest("needs another user")
        path.chmod(0o666)
        for directory in (path.parent, path.parent.parent):
            directory.chmod(0o755)
        script = ("import socket,sys; s=socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.connect(sys.argv[1]);"
                  "s.sendall(b'\\x0a\\x0b\\x08\\x01\\x12\\x07agent-1'); print(s.recv(100))")
        done = subprocess.run(["python3", "-c", script, str(path)], user=65534, group=65534, capture_output=True,
                              text=True, timeout=harness.PATIENCE)
        self.assertIn(done.stdout.strip() or done.stderr.strip().splitlines()[-1].split(":")[0],
                      ("b''", "ConnectionResetError", "BrokenPipeError"))
        self.assertIn("successor refused", self.agent_log())


class Start(TakeoverCase):
    def test_detached_it_returns_when_it_serves(self):
        notified = self.gateway.directory / "notify"
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(manager.close)
        manager.bind(str(notified))
        manager.settimeout(harness.PATIENCE)
        # The process that is told of must be one that the manager has started.
        self.gateway.agents[1].stop()
        os.environ["NOTIFY_SOCKET"] = str(notified)
        self.addCleanup(os.environ.pop, "NOTIFY_SOCKET")
        self.gateway.start_agent()
        self.assertEqual(manager.recv(100), b"READY=1")
        old = self.gateway.agents[1]
        done = subprocess.run([str(part) for part in (harness.BIN / "apk-data-plane", *self.gateway.agent_command(),
                                                      "--take-over", "--detach")],
                              stdout=old.log, stderr=old.log, timeout=harness.PATIENCE)
        self.assertEqual((done.returncode, "has taken over" in old.tail()), (0, True), old.tail())
        name, _, number = manager.recv(100).decode().partition("=")
        self.assertEqual(name, "MAINPID")
        self.addCleanup(os.kill, int(number), signal.SIGKILL)
        self.assertEqual(self.drained(old), 0)
        self.assertEqual(self.status(), 200)
        os.kill(int(number), signal.SIGTERM)
        self.assertEqual(manager.recv(100), b"STOPPING=1")

    def test_without_an_agent_it_starts_as_usual(self):
        self.gateway.agents[1].stop()
        self.gateway.agents[1] = harness.Process("apk-data-plane", *self.gateway.agent_command(), "--take-over",
                                                 directory=self.gateway.directory)
        self.assertEqual(self.status(), 200)
        self.drained(self.upgrade())
        self.assertEqual(self.status(), 200)

    def test_after_a_crash_of_the_new_process_a_start_works_while_the_old_one_drains(self):
        with RawClient("127.0.0.1", self.port) as client:
            client.send(f"GET /wait HTTP/1.1\r\nHost: {HOST}\r\n\r\n")
            self.backend.wait_for(1)
            old = self.upgrade()
            self.gateway.agents[1].stop(signal.SIGKILL)
            self.gateway.start_agent()
            self.assertEqual(self.status(), 200)
            self.assertIsNone(old.process.poll())
            self.release.set()
            self.assertEqual(client.read_response()[0], 200)


class Ports(TakeoverCase):
    def listening(self):
        """(address, port) of all sockets that listen, of processes of this test."""
        lines = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True, check=True).stdout.splitlines()
        pids = [process.process.pid for process in (*self.gateway.agents.values(), *self.old)]
        return {line.split()[3] for line in lines if any(f"pid={pid}," in line for pid in pids)}

    def test_what_the_new_process_does_not_serve_is_closed(self):
        self.assertIn(f"127.0.0.1:{self.port}", self.listening())
        self.gateway.address_of_agent = lambda _: "127.0.0.9"
        old = self.upgrade()
        self.assertEqual(self.drained(old), 0)
        now = self.listening()
        self.assertIn(f"127.0.0.9:{self.port}", now)
        self.assertNotIn(f"127.0.0.1:{self.port}", now)

    def test_a_port_that_goes_afterwards_is_closed_by_the_new_process(self):
        self.drained(self.upgrade("--workers", 1))
        self.gateway.apkctl("delete", "gateway", "both")
        self.gateway.settle()
        eventually(lambda: f"127.0.0.1:{self.port}" not in self.listening(), "the port is closed")


class Logs(TakeoverCase):
    def test_both_processes_write_whole_lines_to_one_log(self):
        log = self.gateway.directory / "access.log"
        self.gateway.agent_flags = [*self.gateway.agent_flags, "--access-log", log]
        self.drained(self.upgrade())
        with self.load() as load:
            load.start("kept", 2)
            load.start("fresh", 2)
            load.wait_for_more()
            self.drained(self.upgrade())
            load.wait_for_more()
        self.assertEqual(load.failures, [])
        self.gateway.agents[1].stop()
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        self.assertEqual(len(lines), load.total)


if __name__ == "__main__":
    harness.main()
