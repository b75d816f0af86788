"""What a backend in trouble costs its clients: limits of a Backend, retries, endpoints that are left alone."""
import json
import pathlib
import tempfile
import threading
import time

import harness
from backends import BackendTest
from harness import FakeBackend, eventually, free_port, http_get, response


class Resilience(BackendTest):
    def metric(self, name, backend, **labels):
        wanted = "".join(f',{key}="{value}"' for key, value in labels.items())
        return self.gateway.metrics().get(f'{name}{{backend="backend/Backend/default/{backend}"{wanted}}}', 0)

    def endpoints(self, name):
        clusters = json.loads(http_get(self.gateway.agents[1].ready["admin"], "/clusters"))
        cluster = next(c for c in clusters if c["name"] == f"backend/Backend/default/{name}")
        return {endpoint["port"]: endpoint["health"] for endpoint in cluster["endpoints"]}

    def limited(self, backend, limit):
        return self.metric("apk_backend_limited_total", backend, limit=limit)


class Held(FakeBackend):
    """Answers when told to."""

    def __init__(self, **named):
        self.go = threading.Semaphore(0)
        super().__init__(self.answer, **named)

    def answer(self, _):
        self.go.acquire(timeout=harness.PATIENCE)
        return response(b"held")

    def release(self, count=1000):
        self.go.release(count)


class CircuitBreaking(Resilience):
    def held(self):
        made = Held()
        self.addCleanup(made.close)
        self.addCleanup(made.release)
        return made

    def expect_overflow(self, path):
        for _ in range(6):  # On both workers.
            status, _, body = self.get(path)
            self.assertEqual(status, 503)
            self.assertIn(b"102505", body)

    def test_requests_beyond_maxRequests_are_answered_at_once(self):
        origin = self.held()
        applied = self.serve("requests", [origin.port], circuitBreaker={"maxRequests": 2})
        self.assertNotIn("warning", (applied.stdout + applied.stderr).lower())
        clients = [self.send("/requests") for _ in range(2)]
        origin.wait_for(2)
        self.expect_overflow("/requests")
        self.assertEqual(self.limited("requests", "requests"), 6)
        self.assertGreaterEqual(self.gateway.metrics()['apk_request_failures_total{reason="overflow"}'], 6)
        origin.release()
        for client in clients:
            self.assertEqual(client.read_response()[::2], (200, b"held"))
        self.assertEqual(self.get("/requests")[0], 200)

    def test_requests_beyond_maxConnections_wait_for_one(self):
        origin = self.held()
        self.serve("connections", [origin.port], circuitBreaker={"maxConnections": 2})
        clients = [self.send("/connections") for _ in range(20)]
        origin.wait_for(2)
        eventually(lambda: self.metric("apk_pool_pending", "connections") == 18, "18 wait")
        self.assertEqual(len(origin.requests), 2)
        for answered in range(1, 21):
            origin.release(1)
            origin.wait_for(min(answered + 2, 20))
        for client in clients:
            self.assertEqual(client.read_response()[::2], (200, b"held"))
        self.assertEqual(self.limited("connections", "connections"), 18)
        self.assertEqual(self.limited("connections", "pending"), 0)
        self.assertLessEqual(origin.most_open, 2)

    def test_as_many_wait_as_maxPendingRequests_says(self):
        origin = self.held()
        self.serve("pending", [origin.port], circuitBreaker={"maxConnections": 1, "maxPendingRequests": 3})
        first = self.send("/pending")
        origin.wait_for(1)
        waiting = [self.send("/pending") for _ in range(3)]
        eventually(lambda: self.metric("apk_pool_pending", "pending") == 3, "three wait")
        self.expect_overflow("/pending")
        self.assertEqual(self.limited("pending", "pending"), 6)
        self.assertGreaterEqual(self.gateway.metrics()['apk_request_failures_total{reason="pending_overflow"}'], 6)
        origin.release()
        for client in [first, *waiting]:
            self.assertEqual(client.read_response()[::2], (200, b"held"))

    def test_who_waits_for_a_connection_too_long_is_told_so(self):
        origin = self.held()
        self.serve("patience", [origin.port], 'timeouts: {request: 500ms}', circuitBreaker={"maxConnections": 1})
        clients = [self.send("/patience") for _ in range(4)]
        for client in clients:
            self.assertEqual(client.read_response()[0], 504)
        origin.release()
        self.assertEqual(self.get("/patience")[0], 200)

    def test_a_connection_that_one_worker_keeps_is_no_loss_for_the_other(self):
        origin = self.origin()
        self.serve("kept", [origin.port], circuitBreaker={"maxConnections": 1})
        for _ in range(20):  # Each connection of a client may be with another worker.
            self.assertEqual(self.get("/kept")[::2], (200, b"ok"))
        self.assertEqual(origin.most_open, 1)

    def test_a_place_is_free_again_when_the_backend_refuses_or_dies(self):
        port = free_port()
        self.serve("dying", [port], circuitBreaker={"maxConnections": 1, "maxRequests": 4})
        for _ in range(6):
            self.assertEqual(self.get("/dying")[0], 503)
        mortal = self.origin(lambda request: None, port=port)
        for _ in range(6):
            self.assertEqual(self.get("/dying")[0], 503)
        self.assertGreaterEqual(len(mortal.requests), 6)
        mortal.close()
        alive = eventually(lambda: self.rebound(port), "the port is free")
        eventually(lambda: self.get("/dying")[0] == 200, "it serves")
        self.assertTrue(alive.requests)

    def rebound(self, port):
        try:
            return self.origin(port=port)
        except OSError:
            return None

    def test_limits_change_while_requests_are_under_way(self):
        origin = self.held()
        self.serve("changed", [origin.port], circuitBreaker={"maxConnections": 1})
        clients = [self.send("/changed") for _ in range(3)]
        origin.wait_for(1)
        self.serve("changed", [origin.port], circuitBreaker={"maxConnections": 3})
        clients.append(self.send("/changed"))
        origin.wait_for(3)
        self.serve("changed", [origin.port])
        clients.append(self.send("/changed"))
        origin.release()
        for client in clients:
            self.assertEqual(client.read_response()[0], 200)


def status(code):
    return lambda _: response(b"no", f"{code} No")


def cut_short(_):
    return b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nthe beginning"


class Flaky(FakeBackend):
    """Answers the first requests of each path with these, and 200 from then on."""

    def __init__(self, *answers):
        super().__init__(self.answer)
        self.answers = answers
        self.times = {}

    def answer(self, request):
        times = self.times.setdefault(request.target, [])
        times.append(time.monotonic())
        if len(times) > len(self.answers):
            return response(b"done " + request.body)
        return self.answers[len(times) - 1](request)


class Retries(Resilience):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        cls.log = pathlib.Path(directory.name) / "access.log"
        cls.agent_flags = ("--eject-after", 0, "--access-log", cls.log)
        super().setUpClass()

    def logged(self, path):
        """The failures that stand in the lines of these requests."""
        lines = map(json.loads, self.log.read_text().splitlines())
        return [line.get("failure") for line in lines if line["path"].startswith(path)]

    def flaky(self, *answers):
        made = Flaky(*answers)
        self.addCleanup(made.close)
        return made

    def test_codes_of_the_Backend_are_tried_again(self):
        origin = self.flaky(status(503), status(429))
        applied = self.serve("codes", [origin.port], retry={"count": 2, "statusCodes": [429, 503]})
        self.assertNotIn("warning", (applied.stdout + applied.stderr).lower())
        self.assertEqual(self.get("/codes")[::2], (200, b"done "))
        self.assertEqual(len(origin.requests), 3)
        self.assertEqual(self.metric("apk_backend_retries_total", "codes"), 2)

    def test_504_is_the_code_where_none_is_named(self):
        origin = self.flaky(status(504), status(503))
        self.serve("default-code", [origin.port], retry={"count": 5})
        self.assertEqual(self.get("/default-code")[0], 503)
        self.assertEqual(len(origin.requests), 2)

    def test_the_last_answer_counts_when_all_tries_are_used_up(self):
        origin = self.flaky(*[status(503)] * 9)
        self.serve("exhausted", [origin.port], retry={"count": 2, "statusCodes": [503]})
        self.assertEqual(self.get("/exhausted")[::2], (503, b"no"))
        self.assertEqual(len(origin.requests), 3)

    def test_intervals_grow_from_baseIntervalMillis(self):
        origin = self.flaky(status(504), status(504), status(504))
        self.serve("intervals", [origin.port], retry={"count": 3, "baseIntervalMillis": 100})
        self.assertEqual(self.get("/intervals")[0], 200)
        times = origin.times["/intervals"]
        for least, (before, after) in zip((0.1, 0.2, 0.4), zip(times, times[1:])):
            self.assertGreaterEqual(after - before, least)

    def test_a_request_that_may_have_acted_is_not_sent_again(self):
        origin = self.flaky(status(504))
        self.serve("acted", [origin.port], retry={"count": 3})
        self.assertEqual(self.get("/acted/post", method="POST", body=b"x")[0], 504)
        self.assertEqual(self.get("/acted/put", method="PUT", body=b"x")[::2], (200, b"done x"))
        self.assertEqual(len(origin.requests), 3)

    def test_a_reset_is_tried_again(self):
        origin = self.flaky(lambda _: None)
        self.serve("reset", [origin.port], retry={"count": 1})
        self.assertEqual(self.get("/reset")[0], 200)

    def test_another_endpoint_gets_the_second_try(self):
        sick, alive = self.origin(status(504)), self.origin()
        self.serve("other", [sick.port, alive.port], retry={"count": 1})
        for _ in range(20):
            self.assertEqual(self.get("/other")[0], 200)
        self.assertGreater(len(sick.requests), 3)

    def test_the_rule_s_own_retry_goes_before(self):
        origin = self.flaky(status(504), status(504))
        self.serve("rule", [origin.port], "retry: {codes: [503], attempts: 5}", retry={"count": 5})
        self.assertEqual(self.get("/rule")[0], 504)
        self.assertEqual(len(origin.requests), 1)

    def test_tries_end_with_the_time_of_the_Backend(self):
        origin = self.flaky(*[lambda _: lambda connection: connection.recv(1)] * 9)
        self.serve("silent", [origin.port], retry={"count": 5}, timeout={"upstreamResponseTimeout": 1})
        self.assertEqual(self.get("/silent")[0], 504)
        self.assertEqual(len(origin.requests), 1)

    def test_no_more_retries_at_a_time_than_maxRetries(self):
        origin = self.flaky(*[status(504)] * 9)
        self.serve("few", [origin.port], retry={"count": 1, "baseIntervalMillis": 60_000},
                   timeout={"upstreamResponseTimeout": 600}, circuitBreaker={"maxRetries": 2})
        for number in range(2):
            self.send(f"/few/{number}")  # These wait for their second try.
        eventually(lambda: self.metric("apk_backend_retries_total", "few") == 2, "two wait")
        for number in range(4):
            self.assertEqual(self.get(f"/few/more-{number}")[::2], (504, b"no"))
        self.assertEqual(self.limited("few", "retries"), 4)
        eventually(lambda: self.logged("/few/more") == ["retry_overflow"] * 4, "the log says why")
        self.assertEqual(self.metric("apk_backend_retries_total", "few"), 2)

    def test_few_retries_at_a_time_where_the_Backend_does_not_say(self):
        origin = self.flaky(*[status(504)] * 9)
        self.serve("budget", [origin.port], retry={"count": 1, "baseIntervalMillis": 60_000},
                   timeout={"upstreamResponseTimeout": 600})
        for number in range(40):
            self.send(f"/budget/{number}")
        origin.wait_for(40)
        eventually(lambda: self.limited("budget", "retries") + self.metric("apk_backend_retries_total", "budget") == 40,
                   "all have their answer, or wait")
        self.assertLessEqual(self.metric("apk_backend_retries_total", "budget"), 20)  # Far from all, on two workers.


class Ejection(Resilience):
    agent_flags = ("--eject-after", 3, "--eject-ms", 60_000)

    def ask_until_ejected(self, name, sick):
        """Every request of these fails only where the sick one gets it."""
        def ejected():
            self.get(f"/{name}")
            return self.metric("apk_backend_ejections_total", name) == 1
        eventually(ejected, "it is ejected")
        self.assertEqual(self.endpoints(name)[sick.port], "ejected")
        self.assertEqual(self.metric("apk_backend_endpoints_ejected", name), 1)

    def expect_healthy(self, name, sick):
        """From now on nothing fails and the sick one is left alone, by both workers."""
        before = len(sick.requests)
        for _ in range(20):
            self.assertEqual(self.get(f"/{name}")[::2], (200, b"ok"))
        self.assertEqual(len(sick.requests), before)

    def test_an_endpoint_that_answers_503_is_left_alone(self):
        sick, alive = self.origin(status(503)), self.origin()
        self.serve("gateway-errors", [sick.port, alive.port])
        self.ask_until_ejected("gateway-errors", sick)
        self.assertEqual(len(sick.requests), 3)
        self.expect_healthy("gateway-errors", sick)

    def test_so_is_one_that_resets_that_answers_no_http_or_cuts_its_answers_off(self):
        for name, behaviour in (("resets", lambda _: None), ("garbage", lambda _: b"no HTTP at all\r\n\r\n"),
                                ("cut-short", lambda _: lambda connection: connection.sendall(cut_short(_)))):
            with self.subTest(name):
                sick, alive = self.origin(behaviour), self.origin()
                self.serve(name, [sick.port, alive.port])
                self.ask_until_ejected(name, sick)
                self.expect_healthy(name, sick)

    def test_so_is_one_that_refuses_connections_which_costs_no_request(self):
        port, alive = free_port(), self.origin()
        self.serve("refusing", [port, alive.port])

        def ejected():
            self.assertEqual(self.get("/refusing")[0], 200)
            return self.endpoints("refusing")[port] == "ejected"
        eventually(ejected, "it is ejected")

    def test_errors_of_the_application_eject_nobody(self):
        rude, alive = self.origin(status(500)), self.origin()
        self.serve("rude", [rude.port, alive.port])
        for _ in range(30):
            self.get("/rude")
        self.assertGreater(len(rude.requests), 9)
        self.assertEqual(self.metric("apk_backend_ejections_total", "rude"), 0)

    def test_a_success_between_failures_counts(self):
        def moody(request):
            return response(b"ok") if len(sick.requests) % 3 == 0 else status(503)(request)
        sick, alive = self.origin(moody), self.origin()
        self.serve("moody", [sick.port, alive.port])
        for _ in range(60):
            self.get("/moody")
        self.assertGreater(len(sick.requests), 9)
        self.assertEqual(self.metric("apk_backend_ejections_total", "moody"), 0)

    def test_where_all_are_sick_all_but_one_are_used_on(self):
        origins = [self.origin(status(503)) for _ in range(3)]
        self.serve("all-sick", [origin.port for origin in origins])
        for _ in range(60):
            self.assertEqual(self.get("/all-sick")[0], 503)
        self.assertEqual(self.metric("apk_backend_endpoints_ejected", "all-sick"), 1)
        self.assertEqual(sorted(self.endpoints("all-sick").values()), ["ejected", "up", "up"])

    def test_the_only_endpoint_is_never_ejected(self):
        origin = self.origin(lambda request: status(503)(request) if len(origin.requests) < 10 else response(b"ok"))
        self.serve("only", [origin.port])
        eventually(lambda: self.get("/only")[0] == 200, "it is asked until it works")
        self.assertEqual(self.endpoints("only")[origin.port], "up")

    def test_a_client_that_goes_away_is_not_held_against_the_endpoint(self):
        origins = [self.origin(), self.origin()]
        self.serve("fickle", [origin.port for origin in origins])
        for _ in range(20):
            client = self.client()
            client.send(b"POST /fickle HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
            client.close()
        eventually(lambda: self.metric("apk_backend_requests_total", "fickle", code="4xx") == 20, "all are over")
        self.assertEqual(self.metric("apk_backend_ejections_total", "fickle"), 0)


class Return(Resilience):
    agent_flags = ("--eject-after", 2, "--eject-ms", 300, "--slow-start-ms", 0)

    def test_an_endpoint_comes_back(self):
        healed = threading.Event()
        sick = self.origin(lambda request: response(b"healed") if healed.is_set() else status(502)(request))
        alive = self.origin()
        self.serve("patient", [sick.port, alive.port])

        def ejections():
            self.get("/patient")
            return self.metric("apk_backend_ejections_total", "patient")
        eventually(lambda: ejections() >= 2, "it is tried again, and ejected again")
        healed.set()
        eventually(lambda: self.get("/patient")[2] == b"healed", "it is used again")
        before = len(sick.requests)
        for _ in range(40):
            self.assertEqual(self.get("/patient")[0], 200)
        self.assertGreaterEqual(len(sick.requests) - before, 15)


class SlowStart(Resilience):
    agent_flags = ("--eject-after", 2, "--eject-ms", 300, "--slow-start-ms", 3_600_000)

    def expect_little(self, name, returned):
        """Of 100 requests about 5 go to an endpoint of two that has a tenth of its share."""
        eventually(lambda: self.get(f"/{name}")[0] == 200 and returned.requests, "it is used")
        before = len(returned.requests)
        for _ in range(100):
            self.assertEqual(self.get(f"/{name}")[0], 200)
        self.assertLess(len(returned.requests) - before, 25)

    def test_an_endpoint_that_was_ejected_gets_few_requests_at_first(self):
        sick = self.origin(lambda request: status(502)(request) if len(sick.requests) <= 2 else response(b"healed"))
        alive = self.origin()
        self.serve("slow", [sick.port, alive.port])
        eventually(lambda: self.get("/slow")[2] == b"healed", "it comes back")
        self.expect_little("slow", sick)

    def test_so_does_one_that_was_not_there(self):
        port, alive = free_port(), self.origin()
        self.serve("absent", [port, alive.port])

        def refused():
            self.get("/absent")
            return self.endpoints("absent")[port] != "up"
        eventually(refused, "it is missed")
        self.expect_little("absent", self.origin(port=port))

    def test_who_is_alone_gets_everything(self):
        origin = self.origin(lambda request: status(502)(request) if len(origin.requests) <= 4 else response(b"ok"))
        self.serve("alone", [free_port(), origin.port])
        eventually(lambda: self.get("/alone")[0] == 200, "it works")
        for _ in range(20):
            self.assertEqual(self.get("/alone")[0], 200)


if __name__ == "__main__":
    harness.main()
