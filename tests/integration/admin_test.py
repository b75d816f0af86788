"""The admin port: what it tells about an agent, what it must never tell, and the drain."""
import contextlib
import http.client
import json
import re
import struct
import threading

import harness
import prometheus


BINARY = "application/octet-stream"


def config(port, backend_port):
    return (harness.plain_gateway(port)
            + harness.backend("tea", backend_port)
            + harness.backend("coffee", backend_port)
            + harness.route("menu", f"""
  - name: tea
    matches: [{{path: {{type: PathPrefix, value: /tea}}}}]
    backendRefs: [{harness.reference("tea")}]
  - matches: [{{path: {{type: PathPrefix, value: /coffee}}}}]
    backendRefs: [{harness.reference("coffee")}]
"""))


class AdminCase(harness.ClientTest):
    def setUp(self):
        self.backend = harness.FakeBackend()
        self.addCleanup(self.backend.close)
        self.gateway = harness.Gateway()
        self.addCleanup(self.gateway.close)
        self.port = harness.free_port()
        self.gateway.apply(config(self.port, self.backend.port))

    def admin(self, path, method="GET", headers=()):
        host, port = self.gateway.agents[1].ready["admin"].rsplit(":", 1)
        connection = http.client.HTTPConnection(host, int(port), timeout=harness.PATIENCE)
        self.addCleanup(connection.close)
        connection.request(method, path, headers=dict(headers))
        answer = connection.getresponse()
        body = answer.read()
        return answer.status, answer.headers, body if answer.headers["Content-Type"] == BINARY else body.decode()

    def samples(self):
        status, headers, text = self.admin("/metrics")
        self.assertEqual(status, 200)
        self.assertEqual(headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
        return prometheus.parse(text)

    def get(self, path):
        return self.ask(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")[0]


class MetricsTest(AdminCase):
    def test_requests_are_counted_by_listener_route_and_backend(self):
        for path, expected in (("/tea", 200), ("/tea", 200), ("/coffee", 200), ("/water", 404)):
            self.assertEqual(self.get(path), expected)

        def counted():
            samples = self.samples()
            return samples if prometheus.total(samples, "apk_listener_requests_total") == 4 else None
        samples = harness.eventually(counted, "four requests are counted")
        self.assertEqual(prometheus.total(samples, "apk_listener_requests_total", code="2xx"), 3)
        self.assertEqual(prometheus.total(samples, "apk_listener_requests_total", code="4xx"), 1)
        by_rule = {rule: prometheus.total(samples, "apk_route_requests_total", route="default/menu", rule=rule,
                                          code="2xx") for rule in ("tea", "1")}
        self.assertEqual(by_rule, {"tea": 2, "1": 1})
        backends = {dict(labels)["backend"]: value
                    for labels, value in samples["apk_backend_requests_total"].items()}
        self.assertEqual(sorted(backends.values()), [1, 2])
        for name in ("apk_route_request_duration_seconds", "apk_route_upstream_duration_seconds"):
            self.assertEqual(prometheus.total(samples, f"{name}_count", route="default/menu"), 3)
            self.assertGreater(prometheus.total(samples, f"{name}_sum", route="default/menu"), 0)
        self.assertGreaterEqual(prometheus.total(samples, "apk_pool_idle"), 1)
        self.assertEqual(prometheus.total(samples, "apk_worker_responding"), 2)
        self.assertGreater(prometheus.total(samples, "process_resident_memory_bytes"), 1_000_000)
        self.assertGreater(prometheus.total(samples, "apk_snapshot_age_seconds"), 0)

    def test_the_series_of_a_route_go_with_it_and_begin_anew(self):
        self.assertEqual(self.get("/tea"), 200)
        harness.eventually(lambda: prometheus.total(self.samples(), "apk_route_requests_total"), "it is counted")
        self.gateway.apkctl("delete", "httproute", "menu")
        self.gateway.settle()
        harness.eventually(lambda: prometheus.total(self.samples(), "apk_route_requests_total") == 0,
                           "its series are gone")
        self.gateway.apply(config(self.port, self.backend.port))
        self.assertEqual(self.get("/tea"), 200)
        harness.eventually(lambda: prometheus.total(self.samples(), "apk_route_requests_total") == 1,
                           "it is counted anew")

    def test_a_route_that_changes_keeps_its_series(self):
        self.assertEqual(self.get("/tea"), 200)
        changed = config(self.port, self.backend.port).replace("value: /coffee", "value: /cocoa")
        self.gateway.apply(changed)
        self.assertEqual(self.get("/tea"), 200)
        harness.eventually(
            lambda: prometheus.total(self.samples(), "apk_route_requests_total", rule="tea") == 2, "both count")

    def test_handshakes_are_counted_by_version(self):
        self.gateway.apkctl("apply", "-f", harness.ROOT / "deploy/examples", "-n", "default")
        self.gateway.settle()
        self.gateway.curl("/", "--tls-max", "1.2")
        self.gateway.curl("/")
        samples = self.samples()
        for version in ("TLSv1.2", "TLSv1.3"):
            self.assertEqual(prometheus.total(samples, "apk_tls_handshakes_total", version=version), 1)


class PagesTest(AdminCase):
    def test_what_there_is_not_lists_what_there_is(self):
        status, _, body = self.admin("/")
        self.assertEqual(status, 404)
        for path in ("/healthz", "/readyz", "/metrics", "/config_dump", "/clusters", "/listeners", "/drain"):
            self.assertIn(path, body)

    def test_other_methods_are_told_what_is_allowed(self):
        for path, method, allowed in (("/metrics", "POST", "GET, HEAD"), ("/drain", "GET", "POST")):
            status, headers, _ = self.admin(path, method)
            self.assertEqual((status, headers["Allow"]), (405, allowed))
        self.assertEqual(self.admin("/healthz", "HEAD")[0], 200)

    def test_clusters_have_endpoints_and_requests(self):
        self.assertEqual(self.get("/tea"), 200)

        def counted():
            clusters = json.loads(self.admin("/clusters")[2])
            tea, = [cluster for cluster in clusters if "tea" in cluster["name"]]
            return tea if tea["requests"] == 1 and tea["endpoints"][0]["idle"] == 1 else None
        tea = harness.eventually(counted, "the request is counted and its connection kept")
        self.assertEqual(tea["endpoints"], [{"host": "127.0.0.1", "port": self.backend.port, "health": "up",
                                             "open": 1, "idle": 1, "pending": 0, "exchanges": 0}])

    def test_listeners_have_ports_and_connections(self):
        client = self.client()
        client.send("GET /tea HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertEqual(client.read_response()[0], 200)
        ports = json.loads(self.admin("/listeners")[2])
        port, = [port for port in ports if port["port"] == self.port]
        self.assertEqual((port["address"], port["connections"]), ("127.0.0.1", 1))
        listener, = port["listeners"]
        self.assertEqual((listener["protocol"], listener["hostname"]), ("HTTP", ""))

    def test_no_secret_is_in_the_dump(self):
        self.gateway.apkctl("apply", "-f", harness.ROOT / "deploy/examples", "-n", "default")
        self.gateway.apply(f"""
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: modifier}}
spec:
  parentRefs: [{{name: plain}}]
  rules:
  - matches: [{{path: {{type: PathPrefix, value: /modified}}}}]
    filters:
    - type: RequestHeaderModifier
      requestHeaderModifier: {{set: [{{name: X-Api-Key, value: do-not-tell-anybody}}]}}
    backendRefs: [{harness.reference("tea")}]
    sessionPersistence: {{sessionName: s, type: Cookie}}
""")
        status, headers, text = self.admin("/config_dump")
        self.assertEqual((status, headers["Content-Type"]), (200, "application/json"))
        dump = json.loads(text)
        self.assertEqual(dump["version"], self.gateway.fleet()["snapshotVersion"])
        kinds = {kind for resource in dump["resources"] for kind in resource if kind != "name"}
        self.assertLessEqual({"listener", "route", "backend", "certificate"}, kinds)
        self.assertIn("BEGIN CERTIFICATE", text)
        self.assertIn("X-Api-Key", text)
        for secret in ("PRIVATE KEY", "do-not-tell-anybody", "mirrorLoopKey", '"key"', '"hash"'):
            self.assertNotIn(secret, text)
        self.assertIn("[redacted]", text)


class DrainTest(AdminCase):
    def test_a_drain_finishes_what_is_open_and_leaves_the_process(self):
        self.assertEqual(self.admin("/readyz")[0], 200)
        drained = threading.Event()

        def respond(_):
            drained.wait(harness.PATIENCE)
            return harness.response(b"late")
        self.backend.respond = respond
        client = self.client()
        client.send("GET /tea HTTP/1.1\r\nHost: a\r\n\r\n")
        self.backend.wait_for(1)
        self.assertEqual(self.admin("/drain", "POST")[0], 200)
        status, _, body = self.admin("/readyz")
        self.assertEqual((status, body), (503, "draining\n"))
        drained.set()
        status, fields, body = client.read_response()
        self.assertEqual((status, body), (200, b"late"))

        def refused():
            try:
                self.client()
            except ConnectionRefusedError:
                return True
            return False
        harness.eventually(refused, "nothing is accepted any more")
        self.assertEqual(self.admin("/healthz")[0], 200)
        self.assertIsNone(self.gateway.agents[1].process.poll())

    def test_a_connection_whose_answer_began_before_the_drain_is_closed_after_it(self):
        drained = threading.Event()

        def respond(_):
            def send(connection):
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
                drained.wait(harness.PATIENCE)
                connection.sendall(b"more")
            return send
        self.backend.respond = respond
        client = self.client()
        client.send("GET /tea HTTP/1.1\r\nHost: a\r\n\r\n")
        seen = b""
        while b"half" not in seen:
            seen += client.socket.recv(4096)
        self.assertEqual(self.admin("/drain", "POST")[0], 200)
        drained.set()
        while True:  # Until it is closed, long before a connection is idle for too long.
            data = client.socket.recv(4096)
            if not data:
                break
            seen += data
        self.assertTrue(seen.endswith(b"\r\n\r\nhalfmore"), seen)

    def test_a_web_page_cannot_drain(self):
        status, _, _ = self.admin("/drain", "POST", [("Origin", "http://evil.example")])
        self.assertEqual(status, 403)
        self.assertEqual(self.admin("/readyz")[0], 200)


class ProfileTest(AdminCase):
    def test_a_cpu_profile_has_the_stacks_of_the_agent_at_work(self):
        answers, stop = [], threading.Event()

        def load():
            while not stop.is_set():
                with harness.RawClient("127.0.0.1", self.port) as client:
                    for _ in range(100):
                        client.send("GET /tea HTTP/1.1\r\nHost: a\r\n\r\n")
                        answers.append(client.read_response()[0])
        loads = [threading.Thread(target=load) for _ in range(4)]
        for thread in loads:
            thread.start()
        status, headers, profile = self.admin("/profile/cpu?seconds=2")
        stop.set()
        for thread in loads:
            thread.join()
        self.assertEqual((status, headers["Content-Type"]), (200, BINARY))
        self.assertEqual(set(answers), {200})
        self.assertEqual(struct.unpack("<5Q", profile[:40]), (0, 3, 0, 10_000, 0))
        stacks, at = [], 40
        while True:
            count, depth = struct.unpack_from("<2Q", profile, at)
            stack = struct.unpack_from(f"<{depth}Q", profile, at + 16)
            at += 16 + 8 * depth
            if count == 0:
                break
            stacks.append((count, stack))
        self.assertEqual(stack, (0,))  # The trailer's.
        mappings = [line.split() for line in profile[at:].decode().splitlines()]
        code = [[int(end, 16) for end in line[0].split("-")] for line in mappings
                if "x" in line[1] and line[-1].endswith("/apk-data-plane")]
        self.assertGreater(sum(count for count, _ in stacks), 10)
        own = sum(count for count, stack in stacks
                  if any(begin <= address < end for address in stack for begin, end in code))
        self.assertGreater(own, 10)

    def begin_profile(self, seconds):
        """Statuses of what was asked, the last one of a profile that is under way when this returns."""
        statuses = []
        close = [("Connection", "close")]

        def ask():
            while not statuses or statuses[-1] == 409:  # A probe may have been first.
                with contextlib.suppress(OSError, http.client.HTTPException):
                    statuses.append(self.admin(f"/profile/cpu?seconds={seconds}", headers=close)[0])
        thread = threading.Thread(target=ask)
        thread.start()
        self.addCleanup(thread.join)
        harness.eventually(lambda: self.admin("/profile/cpu?seconds=1", headers=close)[0] == 409, "it is refused")
        return statuses

    def test_one_cpu_profile_at_a_time_and_the_port_answers_meanwhile(self):
        statuses = self.begin_profile(4)
        self.assertEqual(self.admin("/healthz")[0], 200)
        self.assertNotIn(200, statuses)
        harness.eventually(lambda: 200 in statuses, "the first ends")
        self.assertEqual(self.admin("/profile/cpu?seconds=1")[0], 200)

    def test_an_agent_can_end_within_a_profile(self):
        statuses = self.begin_profile(60)
        statuses.append(0)  # Nothing is asked again.
        self.assertEqual(self.gateway.agents[1].stop(), 0)
        self.assertNotIn(200, statuses)

    def test_only_times_from_a_second_to_a_minute(self):
        for query in ("seconds=0", "seconds=61", "seconds=-1", "seconds=1x", "seconds=", "hz=1", "seconds=1&a=b",
                      "seconds=99999999999999999999"):
            status, _, text = self.admin("/profile/cpu?" + query)
            self.assertEqual((status, text), (400, "/profile/cpu?seconds=N, N from 1 to 60\n"), query)
            status, _, text = self.admin("/profile/heap?" + query)
            self.assertEqual((status, text), (400, "/profile/heap?seconds=N, N from 1 to 60\n"), query)
        self.assertEqual(self.admin("/profile/cpu", "POST")[0], 405)
        self.assertEqual(self.admin("/profile/cpu?seconds=1", headers=[("Origin", "http://evil.example")])[0], 403)

    def test_the_heap_is_told_as_text(self):
        status, headers, text = self.admin("/profile/heap")
        self.assertEqual((status, headers["Content-Type"]), (200, "text/plain; charset=utf-8"))
        self.assertRegex(text, "committed:|<malloc")  # mimalloc's, glibc's under sanitizers.

    def test_a_heap_profile_has_the_stacks_that_hold_memory(self):
        answers = []

        def profile():
            answers.append(self.admin("/profile/heap?seconds=3"))
        thread = threading.Thread(target=profile)
        thread.start()
        clients = []
        while thread.is_alive():
            clients.append(self.client() if len(clients) < 300 else clients[-300])
            client = clients[-1]
            client.send("GET /tea HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertEqual(client.read_response()[0], 200)
        thread.join()
        status, headers, text = answers[0]
        if status == 501:
            self.skipTest(text)
        self.assertEqual((status, headers["Content-Type"]), (200, BINARY))
        lines = text.decode().splitlines()
        line = r" *(\d+): +(\d+) \[ *(\d+): +(\d+)\] @"
        held = re.fullmatch("heap profile: " + line + r" heap_v2/16384", lines[0])
        stacks = [re.fullmatch(line + "((?: 0x[0-9a-f]+)+)", text).groups() for text in lines[1:lines.index("")]]
        for column in range(4):
            self.assertEqual(int(held[column + 1]), sum(int(stack[column]) for stack in stacks))
        self.assertGreater(int(held[2]), 300 * 1024)  # Sampled of what 300 connections have.
        self.assertGreater(int(held[4]), int(held[2]))
        code = [[int(end, 16) for end in line.split()[0].split("-")] for line in lines[lines.index(""):]
                if "r-xp" in line and line.endswith("/apk-data-plane")]
        self.assertTrue(any(begin <= int(address, 16) < end for stack in stacks for address in stack[4].split()
                            for begin, end in code))


if __name__ == "__main__":
    harness.main()
