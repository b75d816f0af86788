"""A backend of several endpoints."""
import socket
import time

import harness
from backends import BackendTest
from harness import eventually, free_port


class Balancing(BackendTest):
    def test_endpoints_share_the_requests(self):
        origins = [self.origin() for _ in range(3)]
        self.serve("shared", [origin.port for origin in origins])
        for _ in range(60):
            self.assertEqual(self.get("/shared")[0], 200)
        for origin in origins:
            self.assertGreaterEqual(len(origin.requests), 15)

    def test_an_endpoint_that_refuses_costs_no_request(self):
        alive = [self.origin(), self.origin()]
        self.serve("holes", [free_port(), alive[0].port, free_port(), alive[1].port])
        for _ in range(40):
            self.assertEqual(self.get("/holes")[::2], (200, b"ok"))
        for origin in alive:
            self.assertGreaterEqual(len(origin.requests), 5)

    def test_where_none_accepts_the_answer_is_503(self):
        self.serve("ruins", [free_port() for _ in range(5)])
        for _ in range(5):
            status, _, body = self.get("/ruins")
            self.assertEqual(status, 503)
            self.assertIn(b"102503", body)

    def test_an_endpoint_that_comes_back_is_used_again(self):
        alive = self.origin()
        later = free_port()
        self.serve("returning", [later, alive.port])
        for _ in range(10):
            self.assertEqual(self.get("/returning")[0], 200)
        returned = self.origin(port=later)
        eventually(lambda: self.get("/returning")[0] == 200 and returned.requests, "it is used")

    def test_an_endpoint_that_fails_its_health_check_gets_no_request(self):
        def down():
            return self.gateway.metrics()["apk_upstream_endpoints_down"]
        alive = self.origin()
        silent = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.addCleanup(silent.close)
        port = silent.getsockname()[1]
        for _ in range(2):  # The queue is full: a connection is neither accepted nor refused.
            filler = socket.socket()
            self.addCleanup(filler.close)
            filler.setblocking(False)
            filler.connect_ex(silent.getsockname())
        check = {"interval": 1, "timeout": 1, "unhealthyThreshold": 1, "healthyThreshold": 1}
        self.serve("checked", [alive.port, port], healthCheck=check)
        eventually(lambda: down() == 1, "the silent one is noticed")
        begun = time.monotonic()
        for _ in range(20):
            self.assertEqual(self.get("/checked")[0], 200)
        self.assertLess(time.monotonic() - begun, 4)  # One attempt to connect takes 5 s.
        silent.close()
        healed = self.origin(port=port)
        eventually(lambda: down() == 0, "it is noticed that it works")
        eventually(lambda: self.get("/checked")[0] == 200 and healed.requests, "it is used")
        self.gateway.apkctl("delete", "httproute", "checked")


if __name__ == "__main__":
    harness.main()
