"""What the admin port tells about an agent."""
import http.client

import harness
import prometheus


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
        return answer.status, answer.headers, answer.read().decode()

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


if __name__ == "__main__":
    harness.main()
