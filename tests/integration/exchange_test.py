"""How an exchange ends: who keeps its connection, who is told what, and who waits for whom."""
import contextlib
import pathlib
import re
import socket
import ssl
import threading
import time

import harness
from harness import (ClientTest, FakeBackend, Gateway, backend, free_port, plain_gateway, read_body,
                     read_head, reference, response, route)

STALL = 2.5  # Of a fake backend or client, longer than the time-outs of the rules here.


def pause():
    threading.Event().wait(STALL)


class Exchanges(ClientTest):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway()
        cls.addClassCleanup(cls.gateway.close)
        cls.port = free_port()
        cls.gateway.apply(plain_gateway(cls.port))
        cls.routes = 0

    def serve(self, respond=None, timeouts="", filters="", certificate=None, read_requests=True, **spec):
        """A backend and the path that leads to it."""
        made = FakeBackend(respond, certificate=certificate, read_requests=read_requests)
        self.addCleanup(made.close)
        cls = type(self)
        cls.routes += 1
        name = f"r{cls.routes}"
        self.gateway.apply(backend(name, made.port, **spec) + route(name, f"""
  - matches: [{{path: {{type: PathPrefix, value: /{name}}}}}]
    backendRefs: [{reference(name)}]
{timeouts}{filters}"""))
        return made, f"/{name}"

    def raw(self, talk, **named):
        """The same with a backend that is a function of the connection."""
        return self.serve(lambda _: talk, read_requests=False, **named)

    # Keeping the connection.

    def test_an_answer_of_the_gateway_keeps_the_connection_only_where_the_body_can_be_read_away(self):
        _, path = self.serve()
        get = f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"
        small = "POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"
        for first, rest in ((small + "0123456789", ""), (small, "0123456789"), (small + "012", "3456789"),
                            ("POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n", "x" * 60_000),
                            ("POST /nowhere HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
                             "")):
            client = self.client()
            client.send(first)
            status, fields, _ = client.read_response()
            self.assertEqual((status, fields.get("connection")), (404, None), first)
            client.send(rest + get)
            self.assertEqual(client.read_response()[0], 200, first)
        for too_much in ("POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\nx",
                         "POST /nowhere HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"):
            client = self.client()
            client.send(too_much)
            status, fields, _ = client.read_response()
            self.assertEqual((status, fields.get("connection")), (404, "close"), too_much)
            self.assertTrue(client.at_end())

    def test_a_body_that_is_promised_and_does_not_come_does_not_hold_the_connection(self):
        client = self.client()
        client.send("POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n012")
        self.assertEqual(client.read_response()[0], 404)
        self.assertTrue(client.at_end())

    def test_answers_that_have_no_body_say_nothing_of_one(self):
        answers = {
            "/204": b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
            "/304": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\nETag: \"x\"\r\n\r\n",
            "/hints": b"HTTP/1.1 103 Early Hints\r\nContent-Length: 0\r\n\r\n" + response(b"x"),
            "/head": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            "/head-chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        }
        _, path = self.serve(lambda request: answers["/" + request.target.split("/")[-1]])
        client = self.client()

        def get(method, end):
            client.send(f"{method} {path}{end} HTTP/1.1\r\nHost: a\r\n\r\n")
            return client.read_response(method == "HEAD")
        status, fields, _ = get("GET", "/204")
        self.assertEqual(status, 204)
        self.assertFalse({"content-length", "transfer-encoding"} & set(fields))
        status, fields, _ = get("GET", "/304")
        self.assertEqual((status, fields["content-length"], fields["etag"]), (304, "7", '"x"'))
        status, fields, _ = get("GET", "/hints")
        self.assertEqual(status, 103)
        self.assertNotIn("content-length", fields)
        self.assertEqual(client.read_response()[2], b"x")
        self.assertEqual(get("HEAD", "/head")[1]["content-length"], "5")
        self.assertNotIn("content-length", get("HEAD", "/head-chunked")[1])
        # The gateway's own answer to HEAD has the length of what GET would get.
        length = self.ask("GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n")[1]["content-length"]
        client.send("HEAD /nowhere HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertEqual(client.read_response(True)[1]["content-length"], length)
        self.assertEqual(get("GET", "/304")[0], 304)  # Still in step.

    def test_an_answer_whose_head_is_too_large_is_a_502(self):
        heads = {"/many": "A: b\r\n" * 200, "/long": f"A: {'b' * 70_000}\r\n", "/fits": "A: b\r\n" * 100}
        _, path = self.serve(lambda request: (
            f"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{heads['/' + request.target.split('/')[-1]]}\r\n".encode()))
        for end, expected in (("/many", 502), ("/long", 502), ("/fits", 200)):
            self.assertEqual(self.ask(f"GET {path}{end} HTTP/1.1\r\nHost: a\r\n\r\n")[0], expected, end)

    # Uploads.

    def test_small_chunks_are_joined(self):
        chunks = []

        def count(connection):
            stream = connection.makefile("rb")
            read_head(stream)
            while not chunks or chunks[-1]:
                chunks.append(int(stream.readline(), 16))
                stream.read(chunks[-1] + 2)
            connection.sendall(response(b"%d" % sum(chunks)))
        _, path = self.raw(count)
        body = b"1\r\nx\r\n" * 5000
        status, _, counted = self.ask(
            f"POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + body + b"0\r\n\r\n")
        self.assertEqual((status, counted), (200, b"5000"))
        self.assertLess(len(chunks), 500)

    def test_a_body_that_breaks_off_is_a_400_and_never_completed_at_the_backend(self):
        origin, path = self.serve()
        chunked = f"POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        for broken in (chunked + "zz\r\n", chunked + "3\r\nabc\r\nzz\r\n", chunked + "3\r\nabcd\r\n",
                       chunked + "3\r\nabc\r\n0\r\nbad trailer\r\n\r\n"):
            client = self.client()
            client.send(broken)
            status, fields, _ = client.read_response()
            self.assertEqual((status, fields.get("connection")), (400, "close"), broken)
            self.assertTrue(client.at_end())
            # The same where the good part is on its way before the bad one comes.
            before = len(origin.requests)
            client = self.client()
            head, good, bad = re.fullmatch(r"(.*\r\n\r\n)((?:3\r\nabc\r\n)?)(.*)", broken, re.S).groups()
            client.send(head + good)
            client.send(bad)
            self.assertEqual(client.read_response()[0], 400, broken)
            self.assertFalse(any(r.complete for r in origin.requests[before:]), broken)
        self.assertFalse(any(r.complete for r in origin.requests))

    def test_a_long_upload_costs_the_answer_none_of_its_time(self):
        timeout = {"timeout": {"upstreamResponseTimeout": 1}}

        def slow_reader(connection):
            stream = connection.makefile("rb")
            head = read_head(stream)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
            body, _ = read_body(stream, head)
            pause()  # A body may take its time: only its head may not.
            connection.sendall(b"other")
        _, path = self.raw(slow_reader, **timeout)
        client = self.client()
        client.send(f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n" + "x" * 1_000_000)
        client.send("x" * 2_000_000)
        self.assertEqual(client.read_response()[::2], (200, b"firstother"))

        # A client that takes long to upload.
        client = self.client()
        _, path = self.serve(lambda request: response(request.body), **timeout)
        client.send(f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
        pause()
        client.send("def")
        self.assertEqual(client.read_response()[::2], (200, b"abcdef"))
        # And a backend that does not answer after it.
        _, path = self.serve(lambda _: lambda connection: pause(), **timeout)
        client.send(f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
        self.assertEqual(client.read_response()[0], 504)

    def test_a_backend_that_stops_reading_is_late_with_its_answer(self):
        over = threading.Event()
        self.addCleanup(over.set)
        _, path = self.raw(lambda connection: over.wait(harness.PATIENCE), timeout={"upstreamResponseTimeout": 1})
        began = time.monotonic()
        client = self.client()
        client.send(f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n")
        sending = threading.Thread(target=self.send_all_it_takes, args=(client,))
        sending.start()
        self.assertEqual(client.read_response()[0], 504)
        self.assertLess(time.monotonic() - began, 10)
        sending.join()  # The gateway closes.

    @staticmethod
    def send_all_it_takes(client):
        with contextlib.suppress(OSError):
            while True:
                client.send("x" * 100_000)

    def test_a_backend_that_answers_early_and_closes_is_heard(self):
        def refuse(connection):
            read_head(connection.makefile("rb"))
            connection.sendall(response(b"no", "413 Content Too Large", ["Connection: close"]))
        _, path = self.raw(refuse)
        for size in (1_000, 300_000, 3_000_000):
            client = self.client()
            client.send(f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n")
            with self.subTest(size=size):
                try:
                    client.send("x" * size)
                except OSError:
                    pass  # The answer is there all the same.
                self.assertEqual(client.read_response()[::2], (413, b"no"))

    def test_an_answer_whose_body_is_broken_from_the_start_is_a_bad_gateway(self):
        def break_chunk(connection):
            read_head(connection.makefile("rb"))
            connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n")
        _, path = self.raw(break_chunk)
        client = self.client()
        for _ in range(2):  # The client's own connection is none the worse for it.
            client.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertEqual(client.read_response()[0], 502)

    def test_a_backend_that_answers_early_and_reads_on_costs_the_client_nothing(self):
        def echo_length(connection):
            stream = connection.makefile("rb")
            while (head := read_head(stream)) is not None:
                connection.sendall(response(b"early"))
                read_body(stream, head)
        origin, path = self.raw(echo_length)
        client = self.client()
        for _ in range(5):
            client.send(f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n" + "x" * 50_000)
            status, fields, body = client.read_response()
            self.assertEqual((status, body, fields.get("connection")), (200, b"early", None))

    # Connections that die.

    def tls(self):
        """A certificate, and what makes a backend speak TLS by it."""
        cls = type(self)
        if not hasattr(cls, "certificate"):
            cls.certificate = harness.make_certificate(cls.gateway.directory / "backend-tls", "backend.test")
        pem = pathlib.Path(cls.certificate[0]).read_text()
        return {"certificate": cls.certificate, "protocol": "https",
                "tls": {"allowedSANs": ["backend.test"], "certificateInline": pem}}

    def test_a_kept_connection_that_died_is_replaced_unseen(self):
        for extra in ({}, self.tls()):
            count = [0]

            def close_every_other(_):
                count[0] += 1
                return (lambda c: c.sendall(response(b"last"))) if count[0] % 2 else response(b"ok")
            _, path = self.serve(close_every_other, **extra)
            client = self.client()
            for _ in range(20):
                client.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
                self.assertEqual(client.read_response()[0], 200)

    def test_a_kept_tls_connection_that_is_reset_as_it_is_used_is_replaced_unseen(self):
        # It is quiet until the second request arrives, and then reset without an answer.
        first = []

        def serve(request):
            if request.connection in first:
                return lambda c: c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            first.append(request.connection)
            return response(b"ok")
        for extra in ({}, self.tls()):
            first.clear()
            _, path = self.serve(serve, **extra)
            client = self.client()
            for _ in range(10):
                client.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
                self.assertEqual(client.read_response()[::2], (200, b"ok"))

    def test_an_answer_without_length_is_whole_only_if_it_ends_as_it_should(self):
        def say_goodbye(connection):
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nwhole")
            if isinstance(connection, ssl.SSLSocket):
                connection.unwrap()

        def break_off(connection):  # Without TLS's goodbye anybody could have cut it.
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nhalf")
        for extra in ({}, self.tls()):
            _, path = self.raw(say_goodbye, **extra)
            self.assertEqual(self.ask(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")[::2], (200, b"whole"))
        _, path = self.raw(break_off, **self.tls())
        client = self.client()
        client.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
        head = read_head(client.stream)
        self.assertIn(b"chunked", head)
        body, complete = read_body(client.stream, head)
        self.assertEqual((body, complete), (b"half", False))

    # Mirrors.

    def test_a_rule_without_a_backend_that_could_answer_still_feeds_its_mirror(self):
        mirror, _ = self.serve()
        mirror_name = f"r{self.routes}"
        filters = (f"    filters: [{{type: RequestMirror, requestMirror: {{backendRef: {reference(mirror_name)}}}}}]\n")
        cases = {"absent": (500, ""), "dangling": (500, f"[{reference('nobody')}]"),
                 "weightless": (500, f"[{reference(mirror_name)[:-1]}, weight: 0}}]"),
                 "empty": (503, "[{name: no-endpoints, port: 80}]")}
        self.gateway.apply("""
apiVersion: v1
kind: Service
metadata: {name: no-endpoints}
spec: {selector: {app: a}, ports: [{name: web, port: 80}]}
""" + route("without", "".join(f"""
  - matches: [{{path: {{type: PathPrefix, value: /without/{case}}}}}]
{filters}{f"    backendRefs: {references}" if references else ""}
""" for case, (_, references) in cases.items())))
        for number, (case, (expected, _)) in enumerate(cases.items(), 1):
            status, fields, _ = self.ask(f"POST /without/{case} HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody")
            self.assertEqual((status, fields.get("connection")), (expected, None), case)
            copy = mirror.wait_for(number)[-1]
            self.assertEqual((copy.target, copy.body), (f"/without/{case}", b"body"))


class Limits(ClientTest):
    """With short time-outs, so that a test need not wait for the real ones."""

    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway(agent_flags=("--head-timeout-ms", 800, "--body-timeout-ms", 800,
                                           "--write-timeout-ms", 800, "--connections-per-address", 4,
                                           "--max-body-bytes", 1000))
        cls.addClassCleanup(cls.gateway.close)
        cls.port = free_port()
        cls.origin = FakeBackend(lambda request: response(request.body or b"ok"))
        cls.addClassCleanup(cls.origin.close)
        cls.gateway.apply(plain_gateway(cls.port) + backend("origin", cls.origin.port) + route("all", f"""
  - backendRefs: [{reference("origin")}]
"""))

    def trickle(self, beginning):
        """The answer to a client that goes on with a byte now and then."""
        client = self.client()
        stop = threading.Event()

        def send():
            with contextlib.suppress(OSError):
                client.send(beginning)
                while not stop.wait(0.1):
                    client.send("x")
        thread = threading.Thread(target=send)
        thread.start()
        answer = client.read_response()
        stop.set()
        thread.join()
        return answer

    def test_a_head_that_does_not_end_is_a_408(self):
        client = self.client()
        client.send("GET / HTTP/1.1\r\nHost: a\r\n")
        status, fields, _ = client.read_response()
        self.assertEqual((status, fields.get("connection")), (408, "close"))
        self.assertTrue(client.at_end())
        # Nor does it help to send it bit by bit.
        self.assertEqual(self.trickle("GET / HTTP/1.1\r\nX: ")[0], 408)
        # Who has not begun is not told anything.
        self.assertTrue(self.client().at_end())

    def test_a_body_that_does_not_come_is_a_408_and_never_completed_at_the_backend(self):
        client = self.client()
        client.send("POST /stalls HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nsome")
        status, fields, _ = client.read_response()
        self.assertEqual((status, fields.get("connection")), (408, "close"))
        # A byte now and then is too little.
        answer = self.trickle("POST /trickles HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
        self.assertEqual(answer[0], 408)
        self.assertFalse(any(request.complete for request in self.origin.requests))

    def test_a_body_that_is_too_large_is_a_413_and_never_completed_at_the_backend(self):
        chunked = "Transfer-Encoding: chunked\r\n\r\n"
        whole = f"{chunked}3e8\r\n{'x' * 1000}\r\n"
        for framing, expected in (("Content-Length: 1000\r\n\r\n" + "x" * 1000, 200),
                                  ("Content-Length: 1001\r\n\r\n", 413), (whole + "0\r\n\r\n", 200),
                                  (whole + "1\r\nx\r\n0\r\n\r\n", 413)):
            client = self.client()
            client.send(f"POST /size HTTP/1.1\r\nHost: a\r\n{framing}")
            self.assertEqual(client.read_response()[0], expected, framing[:40])
            client.close()
        sizes = [len(request.body) for request in self.origin.requests
                 if request.target == "/size" and request.complete]
        self.assertEqual(sizes, [1000, 1000])

    def test_a_client_that_does_not_read_is_cut_off(self):
        big = FakeBackend(lambda _: response(b"x" * 50_000_000))
        self.addCleanup(big.close)
        self.gateway.apply(backend("big", big.port) + route("big", f"""
  - matches: [{{path: {{type: PathPrefix, value: /big}}}}]
    backendRefs: [{reference("big")}]
"""))
        client = self.client()
        client.send("GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
        harness.eventually(lambda: self.gateway.metrics().get("apk_requests_cut_off_total"), "the answer is cut off")

    def test_one_address_has_so_many_connections_and_no_more(self):
        def get(client):
            with contextlib.suppress(OSError):
                client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                return client.read_response()[0]
            return 0
        clients = [self.client() for _ in range(4)]
        harness.eventually(lambda: all(get(client) == 200 for client in clients), "four are served")
        self.assertEqual(get(self.client()), 0)
        clients[0].close()
        harness.eventually(lambda: get(self.client()) == 200, "another one takes its place")


if __name__ == "__main__":
    harness.main()
