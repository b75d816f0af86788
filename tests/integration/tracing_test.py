"""Spans over OTLP: one for each request, try and copy, with the parents that backends are told; and a collector in
trouble is nobody else's."""
import re
import signal
import threading

import harness
import prometheus
from harness import FakeBackend, Gateway, RawClient, backend, eventually, free_port, plain_gateway, reference, route
from otlp_collector import Collector

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"
SAMPLED = f"traceparent: 00-{TRACE}-{CALLER}-01\r\n"
UNSAMPLED = f"traceparent: 00-{TRACE}-{CALLER}-00\r\n"


def trace_parent(request):
    """(trace, parent, whether it is recorded) as a backend is told."""
    found = re.fullmatch("00-([0-9a-f]{32})-([0-9a-f]{16})-0([01])", request.header("traceparent") or "")
    return (found[1], found[2], found[3] == "1") if found else None


class TracingTest(harness.ClientTest):
    def start(self, *flags, collector=None):
        self.collector = collector or Collector()
        self.addCleanup(self.collector.close)
        self.primary = self.backend()
        self.gateway = Gateway(agent_flags=("--otlp-endpoint", self.collector.endpoint, *flags))
        self.addCleanup(self.gateway.close)
        self.port = free_port()
        self.apply()

    def backend(self, *arguments, **named):
        made = FakeBackend(*arguments, **named)
        self.addCleanup(made.close)
        return made

    def apply(self, rules="", backends=()):
        self.gateway.apply(plain_gateway(self.port) + backend("primary", self.primary.port) +
                           "".join(backend(name, port) for name, port in backends) +
                           route("api", f"""
  - name: tea
    matches: [{{path: {{type: PathPrefix, value: /tea}}}}]
    backendRefs: [{reference("primary")}]
{rules}"""))

    def request(self, path, fields="", method="GET"):
        with RawClient("127.0.0.1", self.port) as client:
            client.send(f"{method} {path} HTTP/1.1\r\nHost: Shop.test:81\r\nUser-Agent: me/1\r\n{fields}\r\n")
            return client.read_response()[0]

    def metrics_text(self):
        return harness.http_get(self.gateway.agents[1].ready["admin"], "/metrics")

    def figures(self):
        samples = prometheus.parse(self.metrics_text())
        return {dict(labels)["outcome"]: value for labels, value in samples["apk_trace_spans_total"].items()}

    def expect(self, span, **wanted):
        """Attributes, with _ for the dots; absent where None."""
        for key, value in wanted.items():
            self.assertEqual(span[key.replace("__", ".")], value, (key, span))

    def family(self, count):
        """Server span and its children of the only request, by what the collector got."""
        spans = self.collector.spans(count)
        self.assertEqual(len(spans), count, spans)
        servers = [span for span in spans if span.kind == "server"]
        self.assertEqual(len(servers), 1, spans)
        children = [span for span in spans if span.kind == "client"]
        for child in children:
            self.assertEqual((child.trace, child.parent), (servers[0].trace, servers[0].id), spans)
        self.assertEqual(len({span.id for span in spans}), count)
        return servers[0], children


class Spans(TracingTest):
    def test_parents_lead_from_the_caller_over_the_gateway_to_the_backend(self):
        self.start("--service-name", "shop")
        self.assertEqual(self.request("/tea/green?secret=1", SAMPLED + "tracestate: a=1\r\n"), 200)
        server, (client,) = self.family(2)
        self.assertEqual((server.trace, server.parent, server.state), (TRACE, CALLER, "a=1"))
        self.assertEqual(client.state, "a=1")
        received = self.primary.wait_for(1)[0]
        self.assertEqual(trace_parent(received), (TRACE, client.id, True))
        self.assertEqual(received.header("tracestate"), "a=1")
        self.assertEqual(server.resource, {"service.name": "shop", "service.instance.id": "agent-1",
                                           "service.version": server.resource["service.version"]})
        self.assertEqual((server.name, client.name), ("GET /tea/*", "GET"))
        self.expect(server, http__request__method="GET", url__scheme="http", url__path="/tea/green",
                    server__address="shop.test", server__port=self.port, client__address="127.0.0.1",
                    http__route="/tea/*", http__response__status_code=200, network__protocol__version="1.1",
                    user_agent__original="me/1", apk__route="default/api", apk__rule="tea",
                    apk__backend="backend/Backend/default/primary", error__type=None)
        self.expect(client, http__request__method="GET", server__address="127.0.0.1",
                    server__port=self.primary.port, http__response__status_code=200, error__type=None,
                    url__full=f"http://127.0.0.1:{self.primary.port}/tea/green", http__request__resend_count=None)
        self.assertEqual((server.flags, client.flags), (0x301, 0x101))
        self.assertLessEqual(server.begun, client.begun)
        self.assertLessEqual(client.ended, server.ended)
        self.assertNotIn("secret", repr(self.collector.taken))

    def test_a_trace_goes_on_over_http2(self):
        self.start()
        self.apply("""
  - matches: [{path: {type: PathPrefix, value: /outer}}]
    filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /tea}}}]
    backendRefs: [{name: itself, port: 80}]
""")
        self.gateway.apply(f"""
apiVersion: v1
kind: Service
metadata: {{name: itself}}
spec: {{ports: [{{name: h2, port: 80, appProtocol: kubernetes.io/h2c}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: itself-1, labels: {{kubernetes.io/service-name: itself}}}}
addressType: IPv4
ports: [{{name: h2, port: {self.port}}}]
endpoints: [{{addresses: [127.0.0.1]}}]
""")
        self.assertEqual(self.request("/outer", SAMPLED), 200)
        by_parent = {span.parent: span for span in self.collector.spans(4)}
        parent, chain = CALLER, []
        while parent in by_parent:
            chain.append(by_parent[parent])
            parent = chain[-1].id
        self.assertEqual([(span.kind, span["http.route"], span["network.protocol.version"]) for span in chain],
                         [("server", "/outer/*", "1.1"), ("client", None, None), ("server", "/tea/*", "2"),
                          ("client", None, None)])
        self.assertEqual(trace_parent(self.primary.wait_for(1)[0]), (TRACE, parent, True))

    def test_each_try_is_a_span_of_its_own(self):
        self.start()
        answers = iter(["503 Service Unavailable", "200 OK"])
        flaky = self.backend(lambda request: harness.response(b"", next(answers)))
        self.apply(f"""
  - matches: [{{path: {{type: Exact, value: /flaky}}}}]
    retry: {{codes: [503], attempts: 2, backoff: 1ms}}
    backendRefs: [{reference("flaky")}]
""", [("flaky", flaky.port)])
        self.assertEqual(self.request("/flaky", SAMPLED), 200)
        server, tries = self.family(3)
        self.expect(server, http__route="/flaky", http__response__status_code=200, error__type=None)
        self.assertEqual([(span["http.response.status_code"], span["http.request.resend_count"], span.failed)
                          for span in tries], [(503, None, True), (200, 1, False)])
        self.assertEqual([trace_parent(request) for request in flaky.requests],
                         [(TRACE, span.id, True) for span in tries])
        self.assertLessEqual(tries[0].ended, tries[1].begun)

    def test_a_backend_that_is_not_there_is_the_error_of_both(self):
        self.start()
        self.apply(f"""
  - matches: [{{path: {{type: PathPrefix, value: /dead}}}}]
    backendRefs: [{reference("dead")}]
""", [("dead", free_port())])
        self.assertEqual(self.request("/dead", SAMPLED), 503)
        server, (client,) = self.family(2)
        self.assertTrue(server.failed and client.failed)
        self.expect(server, error__type="connect", http__response__status_code=503)
        self.expect(client, error__type="connect", http__response__status_code=None)

    def test_an_endpoint_that_can_not_be_reached_is_a_try(self):
        self.start()
        alive, dead = self.backend(), free_port()
        self.gateway.apply(plain_gateway(self.port) + backend("two", 0, services=[
            {"host": "127.0.0.1", "port": port} for port in (dead, alive.port)]) +
            route("api", f"  - backendRefs: [{reference('two')}]\n"))

        def reached_late():
            self.assertEqual(self.request("/", SAMPLED), 200)
            return [span for span in self.collector.taken if span["error.type"] == "connect"]
        failed = eventually(reached_late, "a request is sent to the dead endpoint first")[0]
        again = eventually(lambda: [span for span in self.collector.taken if span["http.request.resend_count"] == 1 and
                                    span.parent == failed.parent], "and then to the other one")[0]
        self.assertEqual((failed["server.port"], again["server.port"]), (dead, alive.port))
        self.assertLessEqual(failed.ended, again.begun)
        self.assertFalse(again.failed)

    def test_what_no_rule_takes_has_a_span_without_route(self):
        self.start("--trace-sample", 1)
        self.assertEqual(self.request("/coffee", method="BREW"), 404)
        server, _ = self.family(1)
        self.assertEqual((server.name, server.failed), ("HTTP", False))
        self.expect(server, http__request__method="_OTHER", http__request__method_original="BREW",
                    http__route=None, http__response__status_code=404, apk__failure="no_route", error__type=None)

    def test_each_copy_is_a_child_that_its_mirror_is_told(self):
        self.start()
        self.apply(f"""
  - matches: [{{path: {{type: PathPrefix, value: /mirrored}}}}]
    filters:
    - {{type: RequestMirror, requestMirror: {{backendRef: {reference("mirror")}}}}}
    - {{type: RequestMirror, requestMirror: {{backendRef: {reference("gone")}}}}}
    backendRefs: [{reference("primary")}]
""", [("mirror", (mirror := self.backend()).port), ("gone", free_port())])
        self.assertEqual(self.request("/mirrored", SAMPLED), 200)
        server, children = self.family(4)
        by_mirror = {span["apk.mirror.name"]: span for span in children}
        copy, gone = by_mirror["Backend default/mirror"], by_mirror["Backend default/gone"]
        self.assertEqual(trace_parent(mirror.wait_for(1)[0]), (TRACE, copy.id, True))
        self.assertEqual(trace_parent(self.primary.wait_for(1)[0]), (TRACE, by_mirror[None].id, True))
        self.assertEqual((copy.name, copy.failed), ("GET mirror", False))
        self.expect(copy, apk__mirror=True, apk__mirror__outcome="sent", http__response__status_code=200,
                    server__port=mirror.port)
        self.expect(gone, apk__mirror=True, apk__mirror__outcome="failed", apk__mirror__reason="connect",
                    error__type="connect")
        self.expect(by_mirror[None], apk__mirror=None)
        self.assertIsNone(server["apk.mirror"])

    def test_mirrors_may_be_left_out_of_traces(self):
        self.start("--trace-mirrors", "never")
        self.apply(f"""
  - matches: [{{path: {{type: PathPrefix, value: /mirrored}}}}]
    filters: [{{type: RequestMirror, requestMirror: {{backendRef: {reference("mirror")}}}}}]
    backendRefs: [{reference("primary")}]
""", [("mirror", (mirror := self.backend()).port)])
        self.assertEqual(self.request("/mirrored", SAMPLED), 200)
        server, (client,) = self.family(2)
        self.assertIsNone(client["apk.mirror"])
        self.assertEqual(trace_parent(mirror.wait_for(1)[0]), (TRACE, server.id, False))

    def test_bytes_that_are_no_text_do_not_spoil_a_batch(self):
        self.start()
        with RawClient("127.0.0.1", self.port) as client:
            client.send(b"GET /tea/%C3%A9 HTTP/1.1\r\nHost: a\r\nUser-Agent: \xff\r\n" + SAMPLED.encode() + b"\r\n")
            self.assertEqual(client.read_response()[0], 200)
        server, _ = self.family(2)
        self.assertEqual(server["user_agent.original"], "\ufffd")


class Sampling(TracingTest):
    def ask_all(self):
        """Each kind of request, and what the backend is told of its trace."""
        for fields in ("", SAMPLED, UNSAMPLED):
            self.assertEqual(self.request("/tea", fields), 200)
        return [trace_parent(request) for request in self.primary.wait_for(3)]

    def test_at_ratio_0_only_callers_begin_traces(self):
        self.start()
        none, sampled, unsampled = self.ask_all()
        self.assertIsNone(none)
        self.assertEqual(unsampled, (TRACE, CALLER, False))
        _, (client,) = self.family(2)
        self.assertEqual(sampled, (TRACE, client.id, True))

    def test_at_ratio_1_each_request_without_a_trace_begins_one(self):
        self.start("--trace-sample", 1)
        none, sampled, unsampled = self.ask_all()
        self.assertEqual(unsampled, (TRACE, CALLER, False))
        spans = self.collector.spans(4)
        self.assertEqual(len(spans), 4)
        roots = [span for span in spans if not span.parent]
        self.assertEqual(len(roots), 1)
        client, = [span for span in spans if span.parent == roots[0].id]
        self.assertEqual(none, (roots[0].trace, client.id, True))
        self.assertNotEqual(roots[0].trace, TRACE)
        self.assertEqual((sampled[0], sampled[2]), (TRACE, True))

    def test_what_is_not_drawn_is_told_to_the_backend(self):
        self.start("--trace-sample", 0.000001)
        none, _, _ = self.ask_all()
        self.assertFalse(none[2])

    def test_the_access_log_has_the_trace_that_begins_here(self):
        log = self.enterContext(harness.tempfile.TemporaryDirectory()) + "/access.log"
        self.start("--trace-sample", 1, "--access-log", log)
        self.assertEqual(self.request("/tea"), 200)
        server, _ = self.family(2)
        line = eventually(harness.pathlib.Path(log).read_text, "a line")
        self.assertIn(f'"{server.trace}"', line)

    def test_without_a_collector_nothing_is_recorded(self):
        self.start()
        self.gateway.agents[1].stop()
        self.gateway.agent_flags = ("--trace-sample", 1)
        self.gateway.start_agent()
        self.assertEqual(self.ask_all(), [None, (TRACE, CALLER, True), (TRACE, CALLER, False)])
        self.assertNotIn("apk_trace_", self.metrics_text())


class Export(TracingTest):
    def ask_traced(self, count=1):
        for _ in range(count):
            self.assertEqual(self.request("/tea", SAMPLED), 200)

    def test_what_the_collector_can_not_take_now_is_sent_again(self):
        refusals = [harness.response(b"", "503 Service Unavailable", ["Retry-After: 1"]),
                    harness.response(b"", "429 Too Many Requests"),
                    harness.response(b"", "502 Bad Gateway")]
        self.start(collector=Collector(lambda number: refusals[number - 1] if number <= 3 else None))
        self.ask_traced()
        self.family(2)
        self.assertEqual(self.collector.posts, 4)
        eventually(lambda: self.figures() == {"exported": 2, "dropped": 0, "failed": 0, "rejected": 0}, "figures")
        samples = prometheus.parse(self.metrics_text())
        self.assertEqual(prometheus.total(samples, "apk_trace_export_retries_total"), 3)

    def test_what_the_collector_refuses_is_not_sent_again(self):
        self.start(collector=Collector(
            lambda number: harness.response(b"", "400 Bad Request") if number == 1 else None))
        self.ask_traced()
        eventually(lambda: self.figures()["failed"] == 2, "two spans failed")
        self.ask_traced()
        self.family(2)
        self.assertEqual(self.collector.posts, 2)

    def test_an_answer_without_end_is_still_one(self):
        self.start(collector=Collector(lambda number: b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(1_000_000)))
        self.ask_traced()
        eventually(lambda: self.figures()["failed"] == 2, "two spans failed")
        self.assertEqual(self.collector.posts, 1)

    def test_what_the_collector_rejects_of_a_batch_is_counted(self):
        partial = b"\x0a\x07\x08\x01\x12\x03old"  # rejected_spans: 1, error_message: "old"
        self.start(collector=Collector(lambda number: harness.response(partial)))
        self.ask_traced()
        eventually(lambda: self.figures() == {"exported": 1, "dropped": 0, "failed": 0, "rejected": 1}, "figures")

    def test_a_collector_that_is_down_costs_spans_and_no_request(self):
        self.collector_port = free_port()
        self.start(collector=Gone(self.collector_port))
        spans_max = 4096  # Of one worker's buffer.
        with RawClient("127.0.0.1", self.port) as client:
            for _ in range(spans_max // 2 + 400):
                client.send(f"GET /tea HTTP/1.1\r\nHost: a\r\n{SAMPLED}\r\n")
                self.assertEqual(client.read_response()[0], 200)
        figures = self.figures()
        self.assertGreater(figures["dropped"], 0)
        self.assertEqual(figures["exported"], 0)
        back = Collector(port=self.collector_port)
        self.addCleanup(back.close)
        eventually(lambda: self.figures()["exported"] > 0, "spans arrive once it is back")
        eventually(lambda: len(back.taken) == self.figures()["exported"], "as many as are counted")

    def test_the_end_of_an_agent_is_not_that_of_its_spans(self):
        self.start()
        self.ask_traced(3)
        self.assertEqual(self.gateway.agents[1].stop(signal.SIGTERM), 0)
        self.assertEqual(len(self.collector.taken), 6)

    def test_a_collector_that_hangs_does_not_keep_an_agent(self):
        hang = threading.Event()
        self.addCleanup(hang.set)
        self.start(collector=Collector(lambda number: lambda connection: hang.wait(harness.PATIENCE * 2)))
        self.ask_traced()
        eventually(lambda: self.collector.posts == 1, "a post that hangs")
        self.assertEqual(self.gateway.agents[1].stop(signal.SIGTERM), 0)  # Within PATIENCE.


class Gone:
    """Where a collector might be."""

    def __init__(self, port):
        self.endpoint = f"http://127.0.0.1:{port}"

    def close(self):
        pass


if __name__ == "__main__":
    harness.main()
