"""What a backend in trouble costs its clients: limits of a Backend, retries, endpoints that are left alone."""
import threading

import harness
from harness import BackendTest, FakeBackend, eventually, free_port, response


class Resilience(BackendTest):
    def metric(self, name, backend, **labels):
        wanted = "".join(f',{key}="{value}"' for key, value in labels.items())
        return self.gateway.metrics().get(f'{name}{{backend="backend/Backend/default/{backend}"{wanted}}}', 0)

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


if __name__ == "__main__":
    harness.main()
