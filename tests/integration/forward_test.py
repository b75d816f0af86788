"""HTTP/1.1 through an agent: what reaches the backend, what comes back, and what is refused."""
import os
import socket
import threading

import harness
from harness import (ClientTest, FakeBackend, Gateway, backend, eventually, free_port, plain_gateway,
                     reference, response, route)


class Forwarding(ClientTest):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway()
        cls.addClassCleanup(cls.gateway.close)
        cls.port = free_port()
        cls.origin = FakeBackend(lambda request: cls.answer(request))
        cls.addClassCleanup(cls.origin.close)
        cls.gateway.apply(plain_gateway(cls.port) + backend("origin", cls.origin.port) +
                          backend("gone", free_port()) + f"""
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: all}}
spec:
  parentRefs: [{{name: plain}}]
  rules:
  - backendRefs: [{reference("origin")}]
  - matches: [{{path: {{type: PathPrefix, value: /gone}}}}]
    backendRefs: [{reference("gone")}]
  - matches: [{{path: {{type: PathPrefix, value: /missing}}}}]
    backendRefs: [{reference("nobody")}]
  - matches: [{{path: {{type: PathPrefix, value: /old}}}}]
    filters:
    - {{type: URLRewrite, urlRewrite: {{hostname: new.example, path: {{type: ReplacePrefixMatch, replacePrefixMatch: /new}}}}}}
    - {{type: RequestHeaderModifier, requestHeaderModifier: {{set: [{{name: X-Set, value: s}}], add: [{{name: X-Add, value: a}}], remove: [X-Gone]}}}}
    - {{type: ResponseHeaderModifier, responseHeaderModifier: {{set: [{{name: X-Answer, value: b}}], remove: [X-Secret]}}}}
    backendRefs: [{reference("origin")}]
  - matches: [{{path: {{type: PathPrefix, value: /redirect}}}}]
    filters:
    - {{type: RequestRedirect, requestRedirect: {{scheme: https, hostname: other.example, statusCode: 301, path: {{type: ReplacePrefixMatch, replacePrefixMatch: /there}}}}}}
  - matches: [{{path: {{type: PathPrefix, value: /slow}}}}]
    timeouts: {{request: 300ms}}
    backendRefs: [{reference("origin")}]
""")
        cls.respond = None

    @classmethod
    def answer(cls, request):
        if cls.respond:
            return cls.respond(request)
        return response(request.body or b"ok", fields=["X-Secret: 1", "X-Answer: a"])

    def setUp(self):
        type(self).respond = None
        self.origin.requests.clear()

    def test_the_backend_sees_the_request_and_who_forwarded_it(self):
        status, _, body = self.ask("GET /a%7Eb/../c?x=%2F&y HTTP/1.1\r\nHost: Example.com:1\r\n"
                                   "X-Mine: 1\r\nX-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: https\r\n"
                                   "Connection: close, X-Hop\r\nX-Hop: 1\r\nTE: trailers\r\n\r\n")
        self.assertEqual((status, body), (200, b"ok"))
        seen = self.origin.wait_for(1)[0]
        self.assertEqual((seen.method, seen.target), ("GET", "/c?x=%2F&y"))
        self.assertEqual(seen.header("Host"), f"127.0.0.1:{self.origin.port}")
        self.assertEqual(seen.header("X-Mine"), "1")
        self.assertEqual(seen.header("X-Forwarded-For"), "9.9.9.9, 127.0.0.1")
        self.assertEqual(seen.header("X-Forwarded-Proto"), "http")
        self.assertEqual(seen.header("X-Forwarded-Host"), "Example.com:1")
        self.assertEqual(seen.header("X-Forwarded-Port"), str(self.port))
        self.assertEqual(seen.header("Via"), "1.1 apk")
        for name in ("Connection", "X-Hop", "TE"):
            self.assertIsNone(seen.header(name), name)

    def test_filters_change_the_request_and_the_response(self):
        status, fields, _ = self.ask("GET /old/x HTTP/1.1\r\nHost: a\r\nX-Gone: 1\r\nX-Add: 0\r\n\r\n")
        seen = self.origin.wait_for(1)[0]
        self.assertEqual((seen.target, seen.header("Host")), ("/new/x", "new.example"))
        self.assertEqual((seen.header("X-Set"), seen.header("X-Add")), ("s", "0,a"))
        self.assertIsNone(seen.header("X-Gone"))
        self.assertEqual((status, fields["x-answer"]), (200, "b"))
        self.assertNotIn("x-secret", fields)

    def test_redirects(self):
        status, fields, _ = self.ask("GET /redirect/a?b HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertEqual((status, fields["location"]), (301, "https://other.example/there/a?b"))
        self.assertEqual(self.origin.requests, [])

    def test_one_connection_serves_pipelined_requests_in_order(self):
        client = self.client()
        client.send("".join(f"POST /{i} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{i:02}"
                            for i in range(20)))
        for i in range(20):
            self.assertEqual(client.read_response()[2], b"%02d" % i)

    def test_connections_to_the_backend_are_kept(self):
        before = self.origin.connections
        client = self.client()
        for _ in range(50):
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertEqual(client.read_response()[0], 200)
        self.assertLessEqual(self.origin.connections - before, 1)

    def test_a_kept_connection_that_died_is_replaced_unseen(self):
        count = [0]

        def close_every_other(request):
            count[0] += 1
            return (lambda c: c.sendall(response(b"last"))) if count[0] % 2 else response(b"ok")
        type(self).respond = close_every_other
        client = self.client()
        for _ in range(20):
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertEqual(client.read_response()[0], 200)

    def test_bodies_of_any_framing_arrive_whole(self):
        big = os.urandom(3_000_000)
        client = self.client()
        client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(big) + big)
        self.assertEqual(client.read_response()[2], big)
        chunks = b"".join(b"%x;ext=1\r\n%s\r\n" % (len(part), part)
                          for part in (big[i:i + 70_000] for i in range(0, len(big), 70_000)))
        client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks +
                    b"0\r\nTrailer: 1\r\n\r\n")
        self.assertEqual(client.read_response()[2], big)
        self.assertTrue(all(request.complete for request in self.origin.requests))

    def test_trailers_pass_both_ways_but_for_those_that_could_mislead(self):
        type(self).respond = lambda request: (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"
            b"X-Sum: 6\r\nContent-Length: 9\r\nSet-Cookie: a=b\r\n\r\n")
        client = self.client()
        client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "1\r\nx\r\n0\r\nX-Up: 1\r\nHost: evil\r\nAuthorization: y\r\n\r\n")
        head = harness.read_head(client.stream)
        trailers = []
        self.assertEqual(harness.read_body(client.stream, head, trailers), (b"abc", True))
        self.assertEqual(trailers, ["X-Sum: 6"])
        self.assertEqual(self.origin.wait_for(1)[0].trailers, ["X-Up: 1"])
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")  # The connection is still in step.
        self.assertEqual(client.read_response()[0], 200)

    def test_a_chunked_answer_and_one_without_length_arrive_whole(self):
        type(self).respond = lambda request: (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
            if request.target == "/chunked" else
            lambda c: c.sendall(b"HTTP/1.1 200 OK\r\n\r\nuntil the end"))
        self.assertEqual(self.ask("GET /chunked HTTP/1.1\r\nHost: a\r\n\r\n")[2], b"abcde")
        self.assertEqual(self.ask("GET /close HTTP/1.1\r\nHost: a\r\n\r\n")[2], b"until the end")
        # HTTP/1.0 knows no chunks.
        status, fields, body = self.ask("GET /chunked HTTP/1.0\r\nHost: a\r\n\r\n")
        self.assertEqual((status, body), (200, b"abcde"))
        self.assertNotIn("transfer-encoding", fields)

    def test_an_answer_that_is_cut_off_is_seen_to_be(self):
        type(self).respond = lambda _: lambda c: c.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        client = self.client()
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertEqual(client.read_response()[2], b"half")
        self.assertTrue(client.at_end())

    def test_head_has_no_body_and_keeps_the_connection(self):
        type(self).respond = lambda request: (
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" if request.method == "HEAD"
            else response(b"after"))
        client = self.client()
        client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertEqual(client.read_response(head_request=True)[1]["content-length"], "5")
        self.assertEqual(client.read_response()[2], b"after")

    def test_expect_100_continue_is_answered_before_the_body(self):
        client = self.client()
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        self.assertEqual(client.read_response()[0], 100)
        client.send("body")
        self.assertEqual(client.read_response()[2], b"body")
        # Where the gateway itself answers, the body is not asked for.
        client = self.client()
        client.send("POST /missing HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        status, fields, _ = client.read_response()
        self.assertEqual((status, fields["connection"]), (500, "close"))

    def test_interim_responses_pass(self):
        type(self).respond = lambda _: (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + response(b"x"))
        client = self.client()
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        status, fields, _ = client.read_response()
        self.assertEqual((status, fields["link"]), (103, "</a>"))
        self.assertEqual(client.read_response()[2], b"x")

    def test_an_early_answer_is_not_held_up_by_the_upload(self):
        def refuse(connection):
            stream = connection.makefile("rb")
            harness.read_head(stream)
            connection.sendall(response(b"too much", "413 Content Too Large", ["Connection: close"]))
            while connection.recv(65536):
                pass
        early = FakeBackend(lambda _: refuse, read_requests=False)
        self.addCleanup(early.close)
        self.gateway.apply(backend("early", early.port) + route("early", f"""
  - matches: [{{path: {{type: PathPrefix, value: /early}}}}]
    backendRefs: [{reference("early")}]
"""))
        client = self.client()
        client.send("POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n" + "x" * 100_000)
        status, _, body = client.read_response()
        self.assertEqual((status, body), (413, b"too much"))

    def test_uploads_flow_while_they_are_sent(self):
        arrived = threading.Event()

        def stream(connection):
            reader = connection.makefile("rb")
            harness.read_head(reader)
            self.assertEqual(reader.read(5), b"first")
            arrived.set()
            self.assertEqual(reader.read(6), b"second")
            connection.sendall(response(b"done"))
        streaming = FakeBackend(lambda _: stream, read_requests=False)
        self.addCleanup(streaming.close)
        self.gateway.apply(backend("streaming", streaming.port) + route("streaming", f"""
  - matches: [{{path: {{type: PathPrefix, value: /streaming}}}}]
    backendRefs: [{reference("streaming")}]
"""))
        client = self.client()
        client.send("POST /streaming HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nfirst")
        self.assertTrue(arrived.wait(harness.PATIENCE))
        client.send("second")
        self.assertEqual(client.read_response()[2], b"done")

    def test_failures_of_the_backend_have_their_codes(self):
        for path, status, code in (("/gone", 503, "102503"), ("/missing", 500, "102507"),
                                   ("/nothing-here-but-matched", 200, None)):
            answer = self.ask(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertEqual(answer[0], status, path)
            if code:
                self.assertIn(code.encode(), answer[2])

    def test_a_malformed_answer_is_a_502_and_its_connection_is_not_used_again(self):
        for bad in (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
                    b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
                    b"HTTP/1.1 099 No\r\n\r\n", b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
                    b"nonsense\r\n\r\n", b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
                    b"HTTP/1.1 200 OK\r\nBad Name: 1\r\n\r\n", b"HTTP/1.1 102 P\r\n\r\n" * 20):
            type(self).respond = lambda _: bad
            client = self.client()
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            status, _, body = client.read_response()
            while 100 < status < 200:  # Some interim responses pass, but not without end.
                status, _, body = client.read_response()
            self.assertEqual(status, 502, bad)
            self.assertNotIn(b"nonsense", body)
            type(self).respond = None
            self.assertEqual(self.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n")[2], b"ok")
            spoiled, next_one = self.origin.requests[-2:]
            self.assertNotEqual(next_one.connection, spoiled.connection)

    def test_a_request_timeout_is_a_504(self):
        done = threading.Event()
        self.addCleanup(done.set)
        type(self).respond = lambda request: (lambda _: done.wait(harness.PATIENCE))
        status, _, body = self.ask("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertEqual(status, 504)
        self.assertIn(b"102504", body)

    def test_what_two_parsers_could_read_in_two_ways_is_refused_and_never_forwarded(self):
        for bad in ("GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
                    "GET / HTTP/1.1\nHost: a\n\n", "GET / HTTP/1.1\r\nHost: a\r\n X: folded\r\n\r\n",
                    "GET / HTTP/1.1\r\nHost : a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
                    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
                    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx",
                    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
                    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
                    "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                    "GET /%2e%2e%2fetc HTTP/1.1\r\nHost: a\r\n\r\n", "GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n",
                    "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
                    "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", "G\x01T / HTTP/1.1\r\nHost: a\r\n\r\n"):
            client = self.client()
            client.send(bad)
            status, fields, _ = client.read_response()
            self.assertEqual((status, fields.get("connection")), (400, "close"), bad)
            self.assertTrue(client.at_end(), bad)
        self.assertEqual(self.origin.requests, [])
        for text, status in (("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
                             (f"GET /{'a' * 20_000} HTTP/1.1\r\nHost: a\r\n\r\n", 414),
                             ("GET / HTTP/1.1\r\nHost: a\r\n" + "A: b\r\n" * 200 + "\r\n", 431),
                             ("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 400)):
            self.assertEqual(self.ask(text)[0], status, text[:40])

    def test_a_broken_chunk_ends_the_exchange_and_is_never_completed(self):
        client = self.client()
        client.send("POST /broken HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n")
        client.socket.shutdown(socket.SHUT_WR)
        self.assertEqual(client.read_response()[0], 400)
        self.assertTrue(client.at_end())
        self.assertFalse(any(r.complete for r in self.origin.requests if r.target == "/broken"))

    def test_services_and_endpoint_slices_keep_the_clients_host(self):
        self.gateway.apply(f"""
apiVersion: v1
kind: Service
metadata: {{name: svc}}
spec: {{selector: {{app: a}}, ports: [{{name: web, port: 80, targetPort: 8080}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: svc-1, labels: {{kubernetes.io/service-name: svc}}}}
addressType: IPv4
ports: [{{name: web, port: {self.origin.port}}}]
endpoints:
- {{addresses: [127.0.0.1], conditions: {{ready: true}}}}
- {{addresses: [127.0.0.99], conditions: {{ready: false}}}}
""" + route("svc", """
  - matches: [{path: {type: PathPrefix, value: /svc}}]
    backendRefs: [{name: svc, port: 80}]
"""))
        self.assertEqual(self.ask("GET /svc HTTP/1.1\r\nHost: kept.example\r\n\r\n")[0], 200)
        self.assertEqual(self.origin.wait_for(1)[0].header("Host"), "kept.example")
        # No endpoint is left: 503, without a restart.
        self.gateway.apply("""
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: svc-1, labels: {kubernetes.io/service-name: svc}}
addressType: IPv4
ports: [{name: web, port: 1}]
endpoints: []
""")
        self.assertEqual(self.ask("GET /svc HTTP/1.1\r\nHost: a\r\n\r\n")[0], 503)

    def test_matching_follows_the_precedence_of_the_gateway_api(self):
        answers = {}
        for name in ("exact", "long", "method", "header", "query"):
            made = FakeBackend(lambda _, text=name.encode(): response(text))
            self.addCleanup(made.close)
            answers[name] = backend(name, made.port)
        self.gateway.apply("".join(answers.values()) + route("precedence", f"""
  - matches: [{{path: {{type: PathPrefix, value: /p/long}}}}]
    backendRefs: [{reference("long")}]
  - matches: [{{path: {{type: Exact, value: /p/long/exact}}}}]
    backendRefs: [{reference("exact")}]
  - matches: [{{path: {{type: PathPrefix, value: /p/long}}, queryParams: [{{name: q, value: "1"}}]}}]
    backendRefs: [{reference("query")}]
  - matches: [{{path: {{type: PathPrefix, value: /p/long}}, headers: [{{name: x-a, value: "1"}}]}}]
    backendRefs: [{reference("header")}]
  - matches: [{{path: {{type: PathPrefix, value: /p/long}}, method: POST}}]
    backendRefs: [{reference("method")}]
"""))
        for line, field, expected in (("GET /p/long/exact", "", b"exact"), ("GET /p/long/x", "", b"long"),
                                      ("GET /p/longer", "", b"ok"), ("GET /p/long?q=1", "", b"query"),
                                      ("GET /p/long?q=1", "X-A: 1\r\n", b"header"),
                                      ("POST /p/long?q=1", "X-A: 1\r\n", b"method")):
            answer = self.ask(f"{line} HTTP/1.1\r\nHost: a\r\n{field}\r\n")
            self.assertEqual(answer[2], expected, (line, field))


if __name__ == "__main__":
    harness.main()
