"""No state of a mirror fails, changes or noticeably delays a request: the short form of tests/bench/isolation.py,
which measures."""
import os
import pathlib
import re
import subprocess
import threading
import time
import unittest

import harness
from harness import FakeBackend, Gateway, backend, eventually, free_port, plain_gateway, reference, response, route
from mirror_states import BAD_STATES, LoopMirror, after

REQUESTS = 2000


def load(port, path, requests=REQUESTS, clients=32):
    """(seconds, bytes of bodies) of so many requests on kept connections, none of which may fail."""
    began = time.monotonic()
    text = subprocess.run(["h2load", "--h1", f"-n{requests}", f"-c{clients}", f"http://127.0.0.1:{port}{path}"],
                          check=True, capture_output=True, text=True, timeout=harness.PATIENCE * 2).stdout
    seconds = time.monotonic() - began
    if f"{requests} done, {requests} succeeded, 0 failed, 0 errored, 0 timeout" not in text:
        raise AssertionError(text)
    return seconds, int(re.search(r"\((\d+)\) data", text)[1])


def open_files(process):
    return len(os.listdir(pathlib.Path(f"/proc/{process.process.pid}/fd")))


class Isolation(unittest.TestCase):
    def setUp(self):
        self.gateway = Gateway(agent_flags=("--mirror-timeout-ms", "1000", "--mirror-connect-timeout-ms", "300"))
        self.addCleanup(self.gateway.close)
        self.port = free_port()
        self.primary = harness.Process("apk-sample-backend", "--listen", "127.0.0.1:0",
                                       directory=self.gateway.directory)
        self.addCleanup(self.primary.stop)
        primary = backend("primary", int(self.primary.ready["http"].rpartition(":")[2]))
        self.gateway.apply(plain_gateway(self.port) + primary + backend("mirror", free_port()) + route("both", f"""
  - backendRefs: [{reference("primary")}]
  - matches: [{{queryParams: [{{name: mirror, value: "1"}}]}}]
    filters: [{{type: RequestMirror, requestMirror: {{backendRef: {reference("mirror")}}}}}]
    backendRefs: [{reference("primary")}]
"""))

    def counts(self):
        return self.gateway.mirror_counts("Backend default/mirror")

    def test_no_state_of_the_mirror_costs_the_primary_a_request(self):
        agent = self.gateway.agents[1]
        plain_seconds, plain_bytes = load(self.port, "/uuid")
        files = open_files(agent)
        for name, state in BAD_STATES.items():
            with self.subTest(name), state() as manifest:
                self.gateway.apply(manifest)
                before = self.counts().get("matched", 0)
                seconds, received = load(self.port, "/uuid?mirror=1")
                self.assertEqual(received, plain_bytes)  # A UUID has always the same length.
                # A request that waited for a mirror would show: there are 60 in a row on each connection.
                self.assertLess(seconds, 3 * plain_seconds + 3)
                counts = self.gateway.settled_mirror_counts("Backend default/mirror", before + REQUESTS)
                self.assertEqual(counts["matched"], before + REQUESTS)
                self.assertLessEqual(open_files(agent), files + 128 + 16)
                eventually(lambda: self.gateway.metrics()["apk_mirror_held_bytes"] == 0, "all bytes are given back")

    def test_the_first_byte_of_an_upload_reaches_the_primary_before_the_second_is_sent(self):
        arrived = threading.Event()

        def take(connection):
            data = b""
            while not data.endswith(b"\r\n\r\na"):
                data += connection.recv(65536)
            arrived.set()
            connection.recv(1)
            connection.sendall(response(b"done"))
        primary = FakeBackend(lambda _: take, read_requests=False)
        self.addCleanup(primary.close)
        for name in "black hole", "answers after 60 s", "reads 1 kB/s":
            with self.subTest(name), BAD_STATES[name]() as manifest:
                self.gateway.apply(manifest + backend("primary", primary.port))
                arrived.clear()
                with harness.RawClient("127.0.0.1", self.port) as client:
                    client.send("POST /?mirror=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na")
                    self.assertTrue(arrived.wait(harness.PATIENCE))
                    client.send("b")
                    self.assertEqual(client.read_response()[2], b"done")

    def test_a_mirror_that_answers_gets_no_more_connections_than_copies_in_flight(self):
        with LoopMirror(after(0.001)) as mirror:
            self.gateway.apply(backend("mirror", mirror.port))
            for _ in range(4):
                load(self.port, "/uuid?mirror=1")
            counts = self.gateway.settled_mirror_counts("Backend default/mirror", 4 * REQUESTS)
            self.assertGreaterEqual(mirror.requests, counts["sent"])
            self.assertLessEqual(mirror.connections, 128 + 10)

    def test_a_mirror_that_goes_and_comes_under_load_costs_no_request(self):
        failed = []

        def ask():
            try:
                while not stop.is_set():
                    load(self.port, "/uuid?mirror=1", 500)
            except (AssertionError, subprocess.SubprocessError) as error:
                failed.append(error)
        stop = threading.Event()
        asking = threading.Thread(target=ask)
        with LoopMirror(after(0)) as mirror:
            manifest = backend("mirror", mirror.port)
            asking.start()
            for _ in range(5):
                self.gateway.apply(manifest)
                sent = mirror.requests
                eventually(lambda: mirror.requests > sent, "copies come")
                self.gateway.apkctl("delete", "backend", "mirror")
                self.gateway.settle()
                skipped = self.counts().get("skipped/unresolved", 0)
                eventually(lambda: self.counts().get("skipped/unresolved", 0) > skipped, "copies are skipped")
            stop.set()
            asking.join()
        self.assertEqual(failed, [])


if __name__ == "__main__":
    harness.main()
