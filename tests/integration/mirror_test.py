"""What a mirror can do to the primary: nothing. And every copy is accounted for."""
import os
import selectors
import socket
import struct
import subprocess
import threading
import time

import harness
from harness import (ClientTest, FakeBackend, Gateway, backend, eventually, free_port, plain_gateway,
                     reference, response, route)


def reset(connection):
    """Closes with a RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class MirrorTest(ClientTest):
    def setUp(self):
        self.gateway = Gateway()
        self.addCleanup(self.gateway.close)
        self.port = free_port()
        self.primary = self.backend(lambda request: response(request.body or b"ok"))

    def backend(self, *arguments, **named):
        made = FakeBackend(*arguments, **named)
        self.addCleanup(made.close)
        return made

    def mirror_to(self, *ports, extra=""):
        mirrors = "".join(f"    - {{type: RequestMirror, requestMirror: {{backendRef: {reference(f'mirror-{i}')}{extra}}}}}\n"
                          for i in range(len(ports)))
        self.gateway.apply(plain_gateway(self.port) + backend("primary", self.primary.port) +
                           "".join(backend(f"mirror-{i}", port) for i, port in enumerate(ports)) +
                           route("mirrored", f"""
  - filters:
    - {{type: RequestHeaderModifier, requestHeaderModifier: {{set: [{{name: X-Set, value: by-filter}}]}}}}
{mirrors}    backendRefs: [{reference("primary")}]
"""))

    def get(self, client, count=1):
        for _ in range(count):
            client.send("GET /x?y=1 HTTP/1.1\r\nHost: a\r\nX-Mine: 1\r\n\r\n")
            self.assertEqual(client.read_response()[::2], (200, b"ok"))

    def restart_agent(self, *flags):
        self.gateway.agents[1].stop()
        self.gateway.agent_flags = flags
        self.gateway.start_agent()

    def gauge(self, name, mirror=0):
        return self.gateway.metrics()[f'{name}{{mirror="Backend default/mirror-{mirror}"}}']

    def counts(self, matched, mirror=0):
        return self.gateway.settled_mirror_counts(f"Backend default/mirror-{mirror}", matched)


class Mirroring(MirrorTest):
    def test_copies_are_the_request_after_the_filters(self):
        mirrors = [self.backend(), self.backend()]
        self.mirror_to(*(m.port for m in mirrors))
        client = self.client()
        body = os.urandom(300_000)
        cases = [("GET", b""), ("DELETE", b""), ("POST", b"x"), ("PUT", body), ("PATCH", b"")]
        for method, content in cases:
            client.send(f"{method} /a/b?c=d HTTP/1.1\r\nHost: a\r\nX-Mine: 1\r\n"
                        f"Content-Length: {len(content)}\r\n\r\n".encode() + content)
            self.assertEqual(client.read_response()[0], 200)
        client.send(b"POST /chunked HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                    b"186a0\r\n" + body[:100_000] + b"\r\n0\r\n\r\n")
        self.assertEqual(client.read_response()[2], body[:100_000])
        for mirror in mirrors:
            copies = {(c.method, c.target): c for c in mirror.wait_for(len(cases) + 1)}
            for method, content in cases:
                copy = copies[method, "/a/b?c=d"]
                self.assertEqual((copy.body, copy.complete), (content, True), method)
                self.assertEqual((copy.header("X-Set"), copy.header("X-Mine")), ("by-filter", "1"))
                self.assertEqual(copy.header("Host"), f"127.0.0.1:{mirror.port}")
            self.assertEqual(copies["POST", "/chunked"].body, body[:100_000])
        for index in range(2):
            self.assertEqual(self.counts(6, index), {"matched": 6, "sent": 6})

    def test_a_copy_has_the_trailers_that_the_primary_gets(self):
        mirror = self.backend()
        self.mirror_to(mirror.port)
        client = self.client()
        for body in b"3\r\nabc\r\n", b"186a0\r\n" + b"x" * 100_000 + b"\r\n", b"":
            client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + body +
                        b"0\r\nX-Sum: 6\r\nAuthorization: y\r\n\r\n")
            self.assertEqual(client.read_response()[0], 200)
        for received in self.primary.wait_for(3) + mirror.wait_for(3):
            self.assertEqual((received.trailers, received.complete), (["X-Sum: 6"], True))

    def test_uploads_as_fast_as_they_come_reach_a_mirror_that_reads(self):
        mirror = self.backend()
        self.mirror_to(mirror.port)
        client = self.client()
        body = os.urandom(8 << 20)
        for count in range(1, 6):
            client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            self.assertTrue(client.read_response()[2] == body)
            self.assertTrue(mirror.wait_for(count)[-1].body == body)
        self.assertEqual(self.counts(5), {"matched": 5, "sent": 5})

    def test_mirrors_that_read_nothing_take_no_more_than_the_budget(self):
        held = threading.Event()
        self.addCleanup(held.set)
        mirrors = [self.backend(lambda _: lambda c: held.wait(60), read_requests=False) for _ in range(6)]
        self.restart_agent("--mirror-total-bytes", 32 << 20, "--mirror-timeout-ms", 60000)
        self.mirror_to(*(m.port for m in mirrors))
        body = os.urandom(30_000_000)
        client = self.client()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body))
        most = 0
        for begin in range(0, len(body), 200_000):  # Small steps, so that the peak is seen.
            client.send(body[begin:begin + 200_000])
            most = max(most, self.gateway.metrics()["apk_mirror_held_bytes"])
        self.assertEqual(client.read_response()[2], body)
        self.assertGreater(most, 8 << 20)  # More than a share each.
        self.assertLessEqual(most, 32 << 20)
        for index in range(len(mirrors)):
            self.assertEqual(self.counts(1, index), {"matched": 1, "dropped/slow_reader": 1})
        eventually(lambda: self.gateway.metrics()["apk_mirror_held_bytes"] == 0, "all bytes are given back")

    def test_connections_to_the_mirror_are_kept(self):
        mirror = self.backend()
        self.mirror_to(mirror.port)
        client = self.client()
        self.get(client, 300)
        self.assertEqual(self.counts(300)["sent"], 300)
        self.assertLessEqual(mirror.connections, 128)

    def test_no_state_of_the_mirror_delays_or_changes_the_primary(self):
        held = threading.Event()
        self.addCleanup(held.set)
        states = {
            "stalled": dict(respond=lambda _: lambda c: held.wait(60)),
            "never reads": dict(respond=lambda _: lambda c: held.wait(60), read_requests=False),
            "closes": dict(respond=lambda _: None),
            "nonsense": dict(respond=lambda _: b"no http\r\n\r\n"),
            "endless": dict(respond=lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 3_000_000),
            "error": dict(respond=lambda _: response(b"", "500 No")),
        }
        for name, state in states.items():
            with self.subTest(name):
                mirror = self.backend(**state)
                self.mirror_to(mirror.port)
                before = self.gateway.mirror_counts("Backend default/mirror-0").get("matched", 0)
                client = self.client()
                began = time.monotonic()
                self.get(client, 100)
                # A mirror's timeout is 5 s: one request that waited for it would show.
                self.assertLess(time.monotonic() - began, 4)
                client.close()
                counts = self.counts(before + 100)
                self.assertEqual(counts["matched"], before + 100)

    def test_an_answer_that_is_no_http_is_counted_as_such(self):
        for answer in b"no http\r\n\r\n", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n":
            mirror = self.backend(lambda _: answer)
            self.mirror_to(mirror.port)
            before = self.gateway.mirror_counts("Backend default/mirror-0")
            matched = before.get("matched", 0) + 1
            self.get(self.client())
            self.assertEqual(self.counts(matched), {"matched": matched, "failed/protocol": matched})

    def test_a_refused_mirror_fails_then_is_left_alone_by_its_breaker(self):
        self.mirror_to(free_port())
        client = self.client()
        self.get(client, 5)
        self.assertEqual(self.counts(5), {"matched": 5, "failed/connect": 5})
        self.get(client, 50)
        counts = self.counts(55)
        # It may have been tried again, after its pauses.
        self.assertGreaterEqual(counts["dropped/breaker_open"], 40)
        self.assertEqual(counts["failed/connect"] + counts["dropped/breaker_open"], 55)

    def test_a_name_that_does_not_resolve_is_counted_as_such(self):
        self.mirror_to(1)
        self.gateway.apply("""
apiVersion: dp.wso2.com/v1alpha2
kind: Backend
metadata: {name: mirror-0}
spec: {services: [{host: no-such-host.invalid, port: 80}]}
""")
        self.get(self.client(), 1)
        self.assertEqual(self.counts(1), {"matched": 1, "failed/dns": 1})

    def test_a_slow_reader_is_dropped_and_the_upload_is_not(self):
        held = threading.Event()
        self.addCleanup(held.set)
        mirror = self.backend(lambda _: lambda c: held.wait(60), read_requests=False)
        self.mirror_to(mirror.port)
        body = os.urandom(30_000_000)
        client = self.client()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        self.assertEqual(client.read_response()[2], body)
        self.assertEqual(self.counts(1), {"matched": 1, "dropped/slow_reader": 1})
        eventually(lambda: self.gateway.metrics()["apk_mirror_held_bytes"] == 0, "all bytes are given back")

    def test_an_upload_that_the_client_aborts_is_never_completed_at_the_mirror(self):
        mirror = self.backend()
        self.mirror_to(mirror.port)
        for index in range(20):
            client = self.client()
            framing = "Content-Length: 100000" if index % 2 else "Transfer-Encoding: chunked"
            client.send(f"POST /aborted HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n" +
                        ("x" * 1000 if index % 2 else "3e8\r\n" + "x" * 1000 + "\r\n"))
            eventually(lambda: self.gateway.mirror_counts("Backend default/mirror-0").get("matched") == index + 1,
                       "the request is on its way")
            client.close()
        counts = self.counts(20)
        self.assertEqual(counts["aborted"], 20)
        self.assertFalse(any(copy.complete for copy in mirror.requests))

    def test_copies_complete_though_the_primary_answered_early(self):
        mirror = self.backend()
        answers = {"202": lambda c: c.sendall(response(b"", "202 Accepted")), "reset": lambda c: reset(c)}
        for name, answer in answers.items():
            with self.subTest(name):
                begun = threading.Event()

                def early(connection, answer=answer, begun=begun):
                    connection.recv(100)
                    answer(connection)
                    begun.set()
                self.primary = self.backend(lambda _, early=early: early, read_requests=False)
                self.mirror_to(mirror.port)
                before = self.gateway.mirror_counts("Backend default/mirror-0")
                body = os.urandom(200_000)
                client = self.client()
                client.send(b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n" + body[:1000])
                begun.wait(harness.PATIENCE)
                self.assertIn(client.read_response()[0], (202, 503))
                client.send(body[1000:])
                after = self.counts(before.get("matched", 0) + 1)
                self.assertEqual(after["sent"], before.get("sent", 0) + 1, after)
                self.assertEqual((mirror.requests[-1].body, mirror.requests[-1].complete), (body, True))

    def test_the_breaker_probes_after_a_second_and_closes(self):
        port = free_port()
        self.mirror_to(port)
        client = self.client()
        self.get(client, 200)
        self.assertGreater(self.counts(200)["dropped/breaker_open"], 0)
        self.assertEqual(self.gauge("apk_mirror_breakers_open"), 1)
        self.backend(port=port)
        sent = 200

        def recovered():
            nonlocal sent
            self.get(client)
            sent += 1
            return self.counts(sent).get("sent")
        # Doubled by each failure of the burst, the pause would last 30 s.
        eventually(recovered, "the mirror is tried again", 10)
        self.assertEqual(self.gauge("apk_mirror_breakers_open"), 0)

    def test_clients_that_send_slowly_hold_nothing_of_the_mirror_up(self):
        mirror = self.backend()
        self.restart_agent("--mirror-in-flight", "2", "--mirror-timeout-ms", "500")
        self.mirror_to(mirror.port)
        slow = [self.client() for _ in range(12)]
        for index, client in enumerate(slow):
            # Some stall at once, some when their copy is on its way already.
            part = b"x" * (1000 if index % 6 else 100_000)
            client.send(b"POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n" + part)
        eventually(lambda: self.gateway.mirror_counts("Backend default/mirror-0").get("matched") == 12, "all begun")
        client = self.client()
        self.get(client, 50)
        eventually(lambda: self.gateway.mirror_counts("Backend default/mirror-0").get("sent") == 50,
                   "copies of quick clients pass")
        threading.Event().wait(0.8)  # Longer than the mirror's timeout: it is not the mirror that is late.
        for index, client in enumerate(slow):
            client.send(b"x" * (199_000 if index % 6 else 100_000))
            self.assertEqual(client.read_response()[0], 200)
        self.assertEqual(self.counts(62), {"matched": 62, "sent": 62})
        self.assertEqual(self.gauge("apk_mirror_in_flight"), 0)

    def test_copies_are_spread_over_the_endpoints_of_a_mirror(self):
        mirrors = [self.backend(), self.backend()]
        self.mirror_to(1)
        self.gateway.apply(backend("mirror-0", 1, services=[{"host": "127.0.0.1", "port": m.port} for m in mirrors]))
        self.get(self.client(), 100)
        self.assertEqual(self.counts(100)["sent"], 100)
        for mirror in mirrors:
            self.assertGreater(len(mirror.requests), 20)
            self.assertEqual({r.header("Host") for r in mirror.requests}, {f"127.0.0.1:{mirror.port}"})

    def test_a_kept_connection_that_dies_as_it_is_used_costs_no_copy(self):
        answered = set()

        def only_once(request):
            if request.connection in answered:
                return None
            answered.add(request.connection)
            return response(b"ok")
        mirror = self.backend(only_once)
        self.mirror_to(mirror.port)
        client = self.client()
        for count in range(1, 51):
            self.get(client)
            self.assertEqual(self.counts(count), {"matched": count, "sent": count})

    def test_a_full_queue_drops_the_newest_copies(self):
        held = threading.Event()
        self.addCleanup(held.set)
        mirror = self.backend(lambda _: lambda c: held.wait(60))
        self.restart_agent("--mirror-in-flight", "3", "--mirror-queue", "5", "--mirror-timeout-ms", "60000")
        self.mirror_to(mirror.port)
        self.get(self.client(), 20)
        eventually(lambda: self.gateway.mirror_counts("Backend default/mirror-0").get("dropped/queue") == 12, "12 dropped")
        self.assertEqual((self.gauge("apk_mirror_in_flight"), self.gauge("apk_mirror_waiting")), (3, 5))
        held.set()
        self.assertEqual(self.counts(20)["dropped/queue"], 12)
        self.assertEqual((self.gauge("apk_mirror_in_flight"), self.gauge("apk_mirror_waiting")), (0, 0))

    def test_a_mirror_that_leads_back_makes_at_most_two_passes(self):
        self.mirror_to(self.port)
        self.get(self.client(), 10)
        counts = self.counts(20)
        self.assertEqual((counts["sent"], counts["skipped/loop"]), (10, 10))
        self.assertEqual(len(self.primary.requests), 20)

    def test_no_mark_that_a_client_can_make_up_keeps_its_request_from_the_mirror(self):
        mirror = self.backend()
        self.mirror_to(mirror.port)
        client = self.client()
        self.get(client)
        learnt = mirror.wait_for(1)[0].header("Via")
        self.assertRegex(learnt, r"^1\.1 apk \(mirror [0-9a-f]{32}\)$")
        self.assertNotIn("mirror", self.primary.requests[0].header("Via"))
        for via in "1.1 apk (mirror)", f"1.1 apk (mirror {'0' * 32})", learnt:
            client.send(f"GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: mine\r\nVia: {via}\r\n\r\n")
            self.assertEqual(client.read_response()[0], 200)
        self.assertEqual(self.counts(4), {"matched": 4, "sent": 4})

    def test_a_gateway_behind_a_mirror_mirrors_what_it_is_sent(self):
        mirror = self.backend()
        with Gateway() as second:
            port = free_port()
            second.apply(plain_gateway(port) + backend("primary", self.primary.port) + backend("mirror", mirror.port) +
                         route("mirrored", f"""
  - filters:
    - {{type: RequestMirror, requestMirror: {{backendRef: {reference("mirror")}}}}}
    backendRefs: [{reference("primary")}]
"""))
            self.mirror_to(port)
            self.get(self.client(), 5)
            self.assertEqual(self.counts(5), {"matched": 5, "sent": 5})
            counts = second.settled_mirror_counts("Backend default/mirror", 5)
            self.assertEqual(counts, {"matched": 5, "sent": 5})

    def test_a_mirror_that_leads_to_another_agent_is_seen_whatever_its_filters_change(self):
        self.gateway.start_agent(2)
        self.gateway.apply(plain_gateway(self.port) + backend("primary", self.primary.port) +
                           backend("mirror-0", 0, services=[{"host": "127.0.0.2", "port": self.port}]) +
                           route("mirrored", f"""
  - filters:
    - {{type: RequestHeaderModifier, requestHeaderModifier: {{add: [{{name: X-Request-Id, value: more}}],
        remove: [Via]}}}}
    - {{type: RequestMirror, requestMirror: {{backendRef: {reference("mirror-0")}}}}}
    backendRefs: [{reference("primary")}]
"""))
        self.get(self.client(), 5)
        self.assertEqual(self.counts(5), {"matched": 5, "sent": 5})
        counts = self.gateway.settled_mirror_counts("Backend default/mirror-0", 5, agent=2)
        self.assertEqual(counts, {"matched": 5, "skipped/loop": 5})

    def test_copies_under_way_at_the_end_are_given_a_grace_time(self):
        mirror = self.backend()
        self.mirror_to(mirror.port)
        self.get(self.client(), 50)
        self.gateway.agents[1].stop()
        self.assertEqual(len(mirror.requests), 50)
        self.gateway.start_agent()

    def test_percent_and_fraction(self):
        mirror = self.backend()
        for extra, low, high in ((", percent: 0", 0, 0), (", percent: 100", 1000, 1000),
                                 (", percent: 20", 140, 260), (", fraction: {numerator: 1, denominator: 2}", 420, 580)):
            with self.subTest(extra):
                self.mirror_to(mirror.port, extra=extra)
                name = "Backend default/mirror-0"
                before = self.gateway.mirror_counts(name)
                client = self.client()
                self.get(client, 1000)
                client.close()
                after = self.counts(before.get("matched", 0) + 1000)
                sent = after.get("sent", 0) - before.get("sent", 0)
                skipped = after.get("skipped/sampling", 0) - before.get("skipped/sampling", 0)
                self.assertTrue(low <= sent <= high, sent)
                self.assertEqual(sent + skipped, 1000)

    def test_a_mirror_that_does_not_exist_is_a_condition_and_the_route_serves(self):
        mirror = self.backend()
        self.mirror_to(mirror.port)
        self.gateway.apkctl("delete", "backend", "mirror-0")
        self.gateway.settle()
        conditions = {c["type"]: c for c in self.gateway.get("httproute", "mirrored")["status"]["parents"][0]["conditions"]}
        self.assertEqual((conditions["ResolvedRefs"]["status"], conditions["ResolvedRefs"]["reason"]),
                         ("False", "BackendNotFound"))
        self.assertIn("spec.rules[0].filters[1].requestMirror.backendRef", conditions["ResolvedRefs"]["message"])
        self.get(self.client(), 3)
        self.assertEqual(self.counts(3), {"matched": 3, "skipped/unresolved": 3})

    def test_a_primary_that_fails_is_not_mirrored_when_it_was_never_reached(self):
        mirror = self.backend()
        self.primary.close()
        self.mirror_to(mirror.port)
        client = self.client()
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertEqual(client.read_response()[0], 503)
        self.assertEqual(self.counts(1), {"matched": 1, "skipped/rejected": 1})
        self.assertEqual(mirror.requests, [])


class RowMirror:
    """A server of one thread, which is quick. `answer(heads, number)` gives the bytes for the requests that came at
    once, the connection's `number`th time, and whether it closes then. `rows` are the lengths of such rows, those of
    one left out, and `requests` how many came in all."""

    def __init__(self, answer):
        self.answer = answer
        self.rows = []
        self.requests = 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.listener.getsockname()[1]
        self.ready = selectors.DefaultSelector()
        self.ready.register(self.listener, selectors.EVENT_READ)
        self.stop, self.stopped = socket.socketpair()
        self.ready.register(self.stopped, selectors.EVENT_READ)
        self.numbers = {}
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def close(self):
        self.stop.close()
        self.thread.join()
        for open_one in self.listener, self.stopped, *self.numbers:
            open_one.close()

    def run(self):
        while True:
            for key, _ in self.ready.select():
                if key.fileobj is self.listener:
                    connection, _ = self.listener.accept()
                    self.ready.register(connection, selectors.EVENT_READ)
                    self.numbers[connection] = 0
                elif key.fileobj is self.stopped:
                    return
                elif not self.serve(key.fileobj):
                    self.ready.unregister(key.fileobj)
                    del self.numbers[key.fileobj]
                    key.fileobj.close()

    def serve(self, connection):
        try:
            # The sender's writes are small and come whole.
            heads = connection.recv(65536).decode().split("\r\n\r\n")[:-1]
            if not heads:
                return False
            self.requests += len(heads)
            if len(heads) > 1:
                self.rows.append(len(heads))
            self.numbers[connection] += 1
            answered, closes = self.answer(heads, self.numbers[connection])
            connection.sendall(answered)
        except OSError:
            return False
        return not closes


class Pipelining(MirrorTest):
    """Copies that come close together go to a mirror that answers quickly without waiting for each other."""

    def load(self, mirror, *flags, requests=2000):
        """Sends the requests, faster than the mirror answers; none of their copies may be lost."""
        self.restart_agent("--mirror-queue", 2 * requests, "--mirror-in-flight", 4, *flags)
        self.mirror_to(mirror.port)
        self.send(requests)
        self.assertEqual(self.counts(requests), {"matched": requests, "sent": requests})

    def send(self, requests, *flags, protocol="http/1.1"):
        done = subprocess.run(["h2load", "-p", protocol, f"-n{requests}", "-c32", *flags, f"http://127.0.0.1:{self.port}/x"],
                              check=True, capture_output=True, text=True, timeout=60).stdout
        self.assertIn(f" {requests} succeeded", done)

    def load_until_rows_come(self, mirror):
        # However busy the machine is with something else: whether they do is chance then.
        eventually(lambda: self.load(mirror, "--mirror-quick-ms", 1000) or mirror.rows, "copies come in rows",
                   3 * harness.PATIENCE)

    def row_mirror(self, answer):
        mirror = RowMirror(answer)
        self.addCleanup(mirror.close)
        return mirror

    def test_every_copy_of_a_row_is_answered_once(self):
        mirror = self.row_mirror(lambda heads, _: (response(b"ok") * len(heads), False))
        self.load_until_rows_come(mirror)
        self.assertLessEqual(max(mirror.rows), 4)  # In flight.
        self.assertLess(mirror.requests % 2000, 20)  # A row that was cut off late would be repeated.

    def test_answers_without_bodies_stand_where_they_belong(self):
        methods = set()

        def answer(heads, _):
            methods.update(head.split()[0] for head in heads)
            return b"".join(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + (b"" if head.startswith("HEAD") else b"ok")
                            for head in heads), False
        mirror = self.row_mirror(answer)
        self.load_until_rows_come(mirror)
        heads = threading.Thread(target=self.send, args=(1000, "-H", ":method: HEAD"),
                                 kwargs={"protocol": "h2c"})  # As HTTP/1.1 it would wait for a body.
        heads.start()
        self.send(1000)
        heads.join()
        self.assertEqual(self.counts(4000), {"matched": 4000, "sent": 4000})
        self.assertEqual(methods, {"GET", "HEAD"})

    def test_what_changes_something_is_sent_alone(self):
        methods = []

        def answer(heads, _):
            methods.extend(head.split()[0] for head in heads if len(heads) > 1)
            return response(b"ok") * len(heads), False
        mirror = self.row_mirror(answer)
        self.load_until_rows_come(mirror)
        self.send(1000, "-H", ":method: DELETE")
        self.assertEqual(self.counts(3000), {"matched": 3000, "sent": 3000})
        self.assertEqual(set(methods), {"GET"})

    def test_a_server_that_takes_only_the_first_of_a_row_loses_none_and_is_not_asked_again(self):
        mirror = self.row_mirror(lambda heads, _: (response(b"ok"), False))
        self.load_until_rows_come(mirror)
        self.assertLessEqual(len(mirror.rows), 4)  # In flight.

    def test_a_server_that_closes_on_a_row_loses_none_and_is_not_asked_again(self):
        mirror = self.row_mirror(lambda heads, _: (b"", True) if len(heads) > 1 else (response(b"ok"), False))
        self.load_until_rows_come(mirror)
        self.assertLessEqual(len(mirror.rows), 8)

    def test_a_server_that_closes_in_the_middle_of_a_row_loses_none(self):
        last = response(b"", fields=["Connection: close"])

        def answer(heads, number):
            closes = len(heads) > 1 or number == 100
            return response(b"ok") * (len(heads) // 2) + last if closes else response(b"ok"), closes
        self.load_until_rows_come(self.row_mirror(answer))

    def test_one_copy_that_is_never_answered_costs_no_other(self):
        def answer(heads, _):
            if any("/never" in head for head in heads):
                return b"", False
            return response(b"ok") * len(heads), False
        mirror = self.row_mirror(answer)
        self.load_until_rows_come(mirror)
        loading = threading.Thread(target=self.send, args=(2000,))
        loading.start()
        client = self.client()
        for _ in range(3):
            client.send("GET /never HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertEqual(client.read_response()[0], 200)
        loading.join()
        self.assertEqual(self.counts(4003), {"matched": 4003, "sent": 4000, "timeout": 3})

    def test_a_slow_mirror_gets_one_at_a_time(self):
        def answer(heads, _):
            time.sleep(0.003 * len(heads))
            return response(b"ok") * len(heads), False
        mirror = self.row_mirror(answer)
        self.load(mirror, requests=500)
        self.assertEqual(mirror.rows, [])

    def test_the_flag_turns_it_off(self):
        mirror = self.row_mirror(lambda heads, _: (response(b"ok") * len(heads), False))
        self.load(mirror, "--mirror-pipelining", 1)
        self.assertEqual(mirror.rows, [])


if __name__ == "__main__":
    harness.main()
