"""The access log: a line a request whatever became of it, in a file that may be moved away, full or a pipe that
nobody reads."""
import json
import os
import socket
import struct
import subprocess
import threading
import unittest

import harness
from h2frames import CANCEL, END_HEADERS, END_STREAM, HEADERS, RST_STREAM, H2Client, frame, request


def config(gateway, port, backend_port, dead_port):
    return (harness.plain_gateway(port)
            + harness.backend("alive", backend_port)
            + harness.backend("dead", dead_port)
            + harness.route("api", f"""
  - name: tea
    matches: [{{path: {{type: PathPrefix, value: /tea}}}}]
    backendRefs: [{harness.reference("alive")}]
  - matches: [{{path: {{type: PathPrefix, value: /dead}}}}]
    backendRefs: [{harness.reference("dead")}]
"""))


class AccessLogTest(unittest.TestCase):
    def start(self, *flags, respond=None):
        self.backend = harness.FakeBackend(respond)
        self.addCleanup(self.backend.close)
        self.gateway = harness.Gateway(agent_flags=flags)
        self.addCleanup(self.gateway.close)
        self.port = harness.free_port()
        self.gateway.apply(config(self.gateway, self.port, self.backend.port, harness.free_port()))

    def ask(self, text):
        with harness.RawClient("127.0.0.1", self.port) as client:
            client.send(text)
            return client.read_response()

    def lines(self, path, count):
        def enough():
            if not path.exists():
                return None
            lines = path.read_text().splitlines()
            return lines if len(lines) >= count else None
        return harness.eventually(enough, f"{count} lines in {path.name}")

    def json_lines(self, path, count):
        """In the order of the requests: each worker writes its own lines."""
        return sorted((json.loads(line) for line in self.lines(path, count)), key=lambda line: line["time"])


class FileTest(AccessLogTest):
    def setUp(self):
        self.directory = harness.pathlib.Path(harness.tempfile.mkdtemp(prefix="apk-log-"))
        self.addCleanup(harness.shutil.rmtree, self.directory, True)
        self.log = self.directory / "access.log"

    def test_a_forwarded_request_is_described(self):
        self.start("--access-log", self.log)
        status, _, _ = self.ask("POST /tea/a%2db?q=1 HTTP/1.1\r\nHost: a.example:80\r\nUser-Agent: me\r\n"
                                "X-Request-Id: id-1\r\nContent-Length: 3\r\n"
                                "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\nabc")
        self.assertEqual(status, 200)
        line, = self.json_lines(self.log, 1)
        self.assertRegex(line["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
        expected = {"client": "127.0.0.1", "method": "POST", "host": "a.example:80", "path": "/tea/a%2db?q=1",
                    "protocol": "HTTP/1.1", "status": 200, "bytes_in": 3, "bytes_out": 2, "route": "default/api",
                    "rule": "tea", "endpoint": f"127.0.0.1:{self.backend.port}", "request_id": "id-1",
                    "trace_id": "0af7651916cd43dd8448eb211c80319c", "user_agent": "me"}
        self.assertEqual({name: line.get(name) for name in expected}, expected)
        self.assertIn("alive", line["backend"])
        self.assertIn("plain", line["listener"])
        self.assertGreaterEqual(line["duration_ms"], line["upstream_ms"])
        for absent in ("failure", "tls", "server_name"):
            self.assertNotIn(absent, line)

    def test_what_the_gateway_answers_itself_is_there_too(self):
        self.start("--access-log", self.log)
        self.assertEqual(self.ask("GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n")[0], 404)
        self.assertEqual(self.ask("GET /dead HTTP/1.1\r\nHost: a\r\n\r\n")[0], 503)
        self.assertEqual(self.ask("GET /bad%zz HTTP/1.1\r\nHost: a\r\n\r\n")[0], 400)
        self.assertEqual(self.ask("nonsense\r\n\r\n")[0], 400)
        none, dead, bad, nonsense = self.json_lines(self.log, 4)
        self.assertEqual((none["status"], none["failure"], none["path"]), (404, "no_route", "/nowhere"))
        self.assertNotIn("route", none)
        self.assertEqual((dead["status"], dead["failure"], dead["rule"]), (503, "connect", "1"))
        self.assertNotIn("upstream_ms", dead)
        self.assertEqual((bad["status"], bad["failure"], bad["method"], bad["path"]),
                         (400, "malformed_request", "GET", "/bad%zz"))
        self.assertEqual((nonsense["status"], nonsense["failure"]), (400, "malformed_request"))
        self.assertNotIn("method", nonsense)

    def test_requests_that_were_cut_off_are_there_too(self):
        def half(_):
            return b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"

        def respond(request):
            def send(connection):
                connection.sendall(half(request))
                connection.shutdown(socket.SHUT_RDWR)
            return send
        self.start("--access-log", self.log, respond=respond)
        self.ask("GET /tea HTTP/1.1\r\nHost: a\r\n\r\n")
        with harness.RawClient("127.0.0.1", self.port) as client:
            client.send("POST /tea HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nonly this")
            client.socket.shutdown(socket.SHUT_RDWR)
        cut, short = self.json_lines(self.log, 2)
        self.assertEqual((cut["status"], cut["failure"], cut["bytes_out"]), (200, "cut_off", 4))
        self.assertEqual((short["status"], short["failure"], short["bytes_in"]), (400, "malformed_request", 9))

    def test_http2_and_tls_are_described(self):
        self.start("--access-log", self.log)
        self.gateway.apkctl("apply", "-f", harness.ROOT / "deploy/examples", "-n", "default")
        self.gateway.settle()
        answer = self.gateway.curl("/sample-api/0.1.0/uuid", "--http2", "-A", 'h2"client')
        self.assertEqual(answer.status, 401)
        line = self.json_lines(self.log, 1)[-1]
        self.assertEqual((line["protocol"], line["tls"], line["server_name"], line["failure"]),
                         ("HTTP/2", "TLSv1.3", "default.gw.wso2.com", "unauthorized"))
        self.assertEqual((line["path"], line["user_agent"]), ("/sample-api/0.1.0/uuid", 'h2"client'))

    def test_a_request_that_is_taken_back_is_no_failure_of_the_backend(self):
        over = threading.Event()
        self.addCleanup(over.set)

        def respond(_):
            over.wait(harness.PATIENCE)
            return harness.response(b"nobody reads this")
        self.start("--access-log", self.log, respond=respond)
        with H2Client("127.0.0.1", self.port) as client:
            client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, request("/tea")))
            self.backend.wait_for(1)
            client.send(frame(RST_STREAM, 0, 1, struct.pack("!I", CANCEL)))
            line = self.json_lines(self.log, 1)[0]
        self.assertEqual((line["status"], line["failure"], line["backend"]),
                         (0, "client_gone", "backend/Backend/default/alive"))
        self.assertEqual(self.gateway.metrics()['apk_request_failures_total{reason="reset"}'], 0)
        self.assertEqual(len(self.backend.requests), 1)

    def test_a_client_cannot_write_lines(self):
        self.start("--access-log", self.log, "--access-log-format", '{status} "{user_agent}" {path}')
        self.ask(b"GET /tea HTTP/1.1\r\nHost: a\r\nUser-Agent: a\" 500 \xff\xc2\x9b\t\r\n\r\n".decode("latin-1"))
        self.assertEqual(self.lines(self.log, 1), ['200 "a\\x22 500 \\xFF\\xC2\\x9B" /tea'])

    def test_a_moved_file_is_made_anew_on_sighup(self):
        self.start("--access-log", self.log, "--access-log-format", "{path}")
        self.ask("GET /tea/1 HTTP/1.1\r\nHost: a\r\n\r\n")
        self.lines(self.log, 1)
        moved = self.directory / "access.log.1"
        self.log.rename(moved)
        self.ask("GET /tea/2 HTTP/1.1\r\nHost: a\r\n\r\n")
        self.lines(moved, 2)  # Until it is told.
        self.gateway.agents[1].process.send_signal(harness.signal.SIGHUP)
        harness.eventually(self.log.exists, "a new file")
        self.ask("GET /tea/3 HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertEqual(self.lines(self.log, 1), ["/tea/3"])
        self.assertEqual(self.lines(moved, 2), ["/tea/1", "/tea/2"])

    def test_a_full_disk_stops_nobody(self):
        self.start("--access-log", "/dev/full")
        self.assertEqual(self.ask("GET /tea HTTP/1.1\r\nHost: a\r\n\r\n")[0], 200)
        harness.eventually(lambda: self.gateway.metrics().get('apk_access_log_lines_total{outcome="lost"}'),
                           "the line is counted as lost")
        self.assertEqual(self.ask("GET /tea HTTP/1.1\r\nHost: a\r\n\r\n")[0], 200)

    def test_a_pipe_that_nobody_reads_stops_nobody(self):
        os.mkfifo(self.log)
        reader = os.open(self.log, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        self.start("--access-log", self.log, "--access-log-format", "{user_agent}" * 64)
        request = f"GET /tea HTTP/1.1\r\nHost: a\r\nUser-Agent: {'x' * 4000}\r\n\r\n"
        with harness.RawClient("127.0.0.1", self.port) as client:
            def dropped():
                client.send(request)
                self.assertEqual(client.read_response()[0], 200)
                return self.gateway.metrics()['apk_access_log_lines_total{outcome="dropped"}']
            harness.eventually(dropped, "lines are dropped")
            client.send(request)
            self.assertEqual(client.read_response()[0], 200)


class FlagsTest(unittest.TestCase):
    def refusal(self, *flags):
        result = subprocess.run([str(harness.BIN / "apk-data-plane"), *flags], capture_output=True, text=True,
                                timeout=harness.PATIENCE)
        self.assertNotEqual(result.returncode, 0)
        return result.stdout + result.stderr

    def test_a_bad_template_is_refused_with_the_field_and_its_place(self):
        self.assertIn("at character 8: there is no field {stats}",
                      self.refusal("--access-log", "-", "--access-log-format", "{time} {stats}"))

    def test_a_file_that_cannot_be_opened_is_an_error_at_start(self):
        with harness.tempfile.TemporaryDirectory() as directory:
            self.assertIn("can't open /nowhere/log",
                          self.refusal("--access-log", "/nowhere/log", "--data-dir", directory))


if __name__ == "__main__":
    harness.main()
