"""HTTPRoute, retry: which failures are tried again, how often, how soon, and within which time-outs."""
import socket
import struct
import threading
import time
import unittest

import suite
from harness import FakeBackend, response
from suite import documents, endpoint_slice, http_route, path, service, to


class Flaky(FakeBackend):
    """Fails the first `failures` requests of each path, in the way that `how` does; notes when each came."""

    def __init__(self, how, failures):
        super().__init__(self.answer)
        self.how = how
        self.failures = failures
        self.times = {}
        self._guard = threading.Lock()

    def answer(self, request):
        with self._guard:
            times = self.times.setdefault(request.target, [])
            times.append(time.monotonic())
            number = len(times)
        if number <= self.failures:
            return self.how(request)
        return response(b"done " + request.body)

    def tries(self, target):
        return len(self.times.get(target, []))


def status(code):
    return lambda _: response(b"no", f"{code} No")


def reset(_):
    def now(connection):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    return now


def silent(_):
    # Until the gateway gives the try up.
    return lambda connection: connection.recv(1)


def reset_but_warm(request):
    return response(b"warm") if request.target.endswith("/warm") else reset(request)


class Retry(suite.SuiteTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.backends = {
            "once-500": Flaky(status(500), 1), "twice-503": Flaky(status(503), 2), "always-503": Flaky(status(503), 99),
            "once-404": Flaky(status(404), 1), "once-reset": Flaky(reset, 1), "always-reset": Flaky(reset, 99),
            "once-silent": Flaky(silent, 1), "always-silent": Flaky(silent, 99), "late-503": Flaky(status(503), 99),
            "kept-reset": Flaky(reset_but_warm, 99),
        }
        rules = {
            "once-500": ({"codes": [500, 502, 503, 504], "attempts": 1}, {}),
            "twice-503": ({"codes": [503], "attempts": 2, "backoff": "200ms"}, {}),
            "always-503": ({"codes": [503], "attempts": 2, "backoff": "1ms"}, {"request": "5s"}),
            "once-404": ({"codes": [404], "attempts": 1}, {}),
            "once-reset": ({"attempts": 2}, {}),
            "always-reset": ({"attempts": 2, "backoff": "1ms"}, {}),
            "once-silent": ({"codes": [504], "attempts": 1}, {"backendRequest": "500ms", "request": "10s"}),
            "always-silent": ({"codes": [504], "attempts": 9, "backoff": "1ms"},
                              {"backendRequest": "300ms", "request": "1s"}),
            "late-503": ({"codes": [503], "attempts": 9, "backoff": "400ms"}, {"request": "1s"}),
            "kept-reset": ({"attempts": 2, "backoff": "100ms"}, {}),
        }
        parts = []
        for name, flaky in cls.backends.items():
            cls.addClassCleanup(flaky.close)
            parts += [service(name), endpoint_slice(name, ["127.0.0.1"], flaky.port)]
        refused = suite.endpoint_slice("refused", ["127.0.0.1"], 1)
        cls.suite.apply(documents(
            *parts, service("refused"), refused,
            http_route("retry", ["same"], [
                {"matches": [path("/" + name)], "retry": retry, "timeouts": timeouts, "backendRefs": [to(name)]}
                for name, (retry, timeouts) in rules.items()]),
            http_route("more", ["same"], [
                {"matches": [path("/refused")], "retry": {"attempts": 2, "backoff": "1ms"},
                 "backendRefs": [to("refused")]},
                {"matches": [path("/plain")], "backendRefs": [to("once-500")]},
                {"matches": [path("/other-code")], "retry": {"codes": [502], "attempts": 3},
                 "backendRefs": [to("once-500")]}])))

    def ask(self, name, target="", **request):
        """(status, tries)"""
        target = f"/{name}/{target}"
        reply = self.send("same", target, **request)
        return reply.status, self.backends[name].tries(target) if name in self.backends else None

    def test_a_code_is_tried_again(self):
        self.assertEqual((200, 2), self.ask("once-500", "get"))
        self.assertEqual((200, 2), self.ask("once-404", "get"))

    def test_backoff_is_the_least_time_between_tries(self):
        self.assertEqual((200, 3), self.ask("twice-503", "get"))
        first, second, third = self.backends["twice-503"].times["/twice-503/get"]
        self.assertGreaterEqual(second - first, 0.19)
        self.assertGreaterEqual(third - second, 0.19)

    def test_attempts_are_retries_and_the_last_answer_counts(self):
        self.assertEqual((503, 3), self.ask("always-503", "get"))

    def test_other_codes_and_other_rules_are_not_retried(self):
        self.assertEqual(500, self.send("same", "/plain/1").status)
        self.assertEqual(500, self.send("same", "/other-code/1").status)
        self.assertEqual(1, self.backends["once-500"].tries("/other-code/1"))

    def test_connection_errors(self):
        self.assertEqual((200, 2), self.ask("once-reset", "get"))
        self.assertEqual((503, 3), self.ask("always-reset", "get"))
        self.assertEqual(503, self.send("same", "/refused").status)

    def test_a_kept_connection_that_dies_costs_a_try_too(self):
        for _ in range(20):  # Every worker has one then.
            self.assertEqual(200, self.ask("kept-reset", "warm")[0])
        for number in range(5):
            self.assertEqual((503, 3), self.ask("kept-reset", str(number)))
            first, second, _ = self.backends["kept-reset"].times[f"/kept-reset/{number}"]
            self.assertGreaterEqual(second - first, 0.09)

    def test_a_request_that_may_have_acted_is_not_sent_again_after_a_reset(self):
        self.assertEqual((503, 1), self.ask("once-reset", "post", method="POST", body=b"x"))

    def test_the_time_out_of_a_try(self):
        self.assertEqual((200, 2), self.ask("once-silent", "get"))

    def test_the_time_out_of_the_request_covers_all_tries(self):
        begun = time.monotonic()
        code, tries = self.ask("always-silent", "get")
        self.assertEqual(504, code)
        self.assertLess(time.monotonic() - begun, 5)
        self.assertTrue(2 <= tries <= 4, tries)

    def test_what_the_time_out_keeps_from_another_try_has_timed_out(self):
        code, tries = self.ask("late-503", "get")
        self.assertEqual(504, code)
        self.assertIn(tries, (1, 2))

    def test_bodies_are_sent_again(self):
        for method, body in (("POST", b"a body"), ("PUT", b"b" * 50_000)):
            target = f"/once-500/{method}"
            reply = self.send("same", target, method=method, body=body)
            self.assertEqual((200, b"done " + body), (reply.status, reply.body))
            bodies = [r.body for r in self.backends["once-500"].requests if r.target == target]
            self.assertEqual([body, body], bodies)

    def test_a_body_too_large_to_keep_is_sent_once(self):
        code, tries = self.ask("once-500", "large", method="POST", body=b"c" * 2_000_000)
        self.assertEqual((500, 1), (code, tries))

    def test_statuses(self):
        self.expect_parent("retry", suite.ACCEPTED)


if __name__ == "__main__":
    unittest.main(verbosity=2)
