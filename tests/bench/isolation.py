#!/usr/bin/env python3
"""What a mirror in each state costs its primary: throughput, latency at half load, memory, and an upload's first
byte and speed. The same agent, one pinned worker and its mirror thread on core 0, serves requests with and without
the mirror; the load (wrk, h2load) and the origin (origin.cc) run on core 1. Medians over rounds that alternate.

    tests/bench/isolation.py [--rounds 5] [--seconds 6] [--hole-seconds 600] [--output FILE]

Exits with 1 where a bound is not kept: no failed request; with a bad mirror 95 % of the throughput and the same p99
but for 5 % or 1 ms; memory within the mirrors' budget. tests/integration/isolation_test.py is the short form.
"""
import argparse
import contextlib
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
os.environ.setdefault("APK_BIN", str(ROOT / "build/release/bin"))
sys.path[:0] = [str(ROOT / "tests/integration"), str(ROOT / "tests/bench")]
import harness  # noqa: E402
import mirror_states  # noqa: E402
import proxy  # noqa: E402

CLIENTS = 32
MIRROR = "Backend default/mirror"
BUDGET = 64 << 20
PATHS = {"without": "/plain", "with": "/mirror"}


class Agent:
    """A gateway with one agent, pinned, and its routes: /plain, /mirror, and the same to a sink for uploads."""

    def __init__(self, origin, sink):
        self.port = harness.free_port()
        self.gateway = proxy.pinned_gateway()
        rules = "".join(f"""
  - matches: [{{path: {{type: PathPrefix, value: {path}}}}}]
    backendRefs: [{harness.reference(target)}]
""" + ("" if mirrored == "without" else f"""
    filters: [{{type: RequestMirror, requestMirror: {{backendRef: {harness.reference("mirror")}}}}}]
""") for mirrored, path in PATHS.items() for target, path in (("origin", path), ("sink", "/upload" + path)))
        self.gateway.apply(harness.plain_gateway(self.port) + harness.backend("origin", origin) +
                           harness.backend("sink", sink) + harness.backend("mirror", harness.free_port()) +
                           harness.route("isolation", rules))

    @property
    def pid(self):
        return self.gateway.agents[1].process.pid

    def memory(self):
        return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{self.pid}/status").read_text())[1]) << 10

    def files(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def rest(self):
        """Until no copy is under way."""
        def idle():
            samples = self.gateway.metrics()
            return all(samples.get(f'{gauge}{{mirror="{MIRROR}"}}', 0) == 0
                       for gauge in ("apk_mirror_in_flight", "apk_mirror_waiting"))
        harness.eventually(idle, "no copy is under way", 60)

    def check_books(self):
        counts = self.gateway.mirror_counts(MIRROR)
        if counts.get("matched", 0) != sum(v for k, v in counts.items() if k != "matched"):
            raise AssertionError(f"the books do not balance: {counts}")


def rate(agent, path, seconds, keep_alive=True):
    """Requests a second as fast as they go."""
    case = proxy.Case("", path, closing=not keep_alive, connections=CLIENTS)
    return proxy.wrk(case, case.url(agent), seconds)[1]


def p99(agent, path, seconds, requests_a_second):
    """Milliseconds, at a constant rate; every answer has to be whole."""
    each = max(1, round(requests_a_second / CLIENTS))
    total = each * CLIENTS * seconds
    with tempfile.TemporaryDirectory() as directory:
        log = pathlib.Path(directory) / "log"
        text = subprocess.run(["h2load", "--h1", f"-c{CLIENTS}", f"-n{total}", f"--rps={each}", f"--log-file={log}",
                               f"http://127.0.0.1:{agent.port}{path}"], check=True, capture_output=True,
                              text=True).stdout
        if f"{total} succeeded, 0 failed, 0 errored, 0 timeout" not in text or f"({total * 1024}) data" not in text:
            raise AssertionError(text)
        times = sorted(int(line.split()[2]) for line in log.read_text().splitlines())
    return times[len(times) * 99 // 100] / 1000


def measure(agent, arguments):
    """{(what, with or without): median} of the mirror that is there now."""
    found = {}
    for _ in range(arguments.rounds):
        for mirrored, path in PATHS.items():
            for what, keep_alive in (("kept", True), ("closed", False)):
                agent.rest()
                found.setdefault((what, mirrored), []).append(rate(agent, path, arguments.seconds, keep_alive))
    half = statistics.median(found["kept", "without"]) / 2
    for _ in range(arguments.rounds):
        for mirrored, path in PATHS.items():
            agent.rest()
            found.setdefault(("p99", mirrored), []).append(p99(agent, path, arguments.seconds, half))
    agent.rest()
    agent.check_books()
    return {key: statistics.median(values) for key, values in found.items()}


def upload(agent, path, size):
    """Seconds until a byte was in the primary's hands, bytes a second of an upload of `size`."""
    with harness.RawClient("127.0.0.1", agent.port) as client:
        Sink.first.clear()
        began = time.monotonic()
        client.send(f"POST /upload{path} HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\nx")
        if not Sink.first.wait(harness.PATIENCE):
            raise AssertionError("the first byte did not come")
        first = time.monotonic() - began
        piece = bytes(1 << 20)
        left = size - 1
        while left > 0:
            client.send(piece[:left])
            left -= min(left, len(piece))
        answer = client.read_response()
        if answer[0] != 200:
            raise AssertionError(f"an upload failed: {answer}")
        return first, size / (time.monotonic() - began)


class Sink:
    """A primary for uploads: says when the first byte is there, and reads on."""
    first = threading.Event()

    def __init__(self):
        self.server = harness.FakeBackend(lambda _: self.take, read_requests=False)

    @staticmethod
    def take(connection):
        data = b""
        while b"\r\n\r\n" not in data or data.endswith(b"\r\n\r\n"):
            data += connection.recv(65536)
        Sink.first.set()
        head, _, body = data.partition(b"\r\n\r\n")
        left = int(re.search(rb"(?i)content-length: (\d+)", head)[1]) - len(body)
        buffer = bytearray(1 << 20)
        while left > 0:
            count = connection.recv_into(buffer)
            if count == 0:
                return
            left -= count
        connection.sendall(harness.response(b"", fields=["Connection: close"]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--hole-seconds", type=int, default=600)
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "build/isolation.md")
    arguments = parser.parse_args()
    # The load's core is that of h2load and the mirrors, too. A mirror must not take it from the load: the agent is
    # what is looked at.
    os.sched_setaffinity(0, {proxy.LOAD_CORE})
    mirror_states.LoopMirror.prepare_thread = staticmethod(
        lambda: os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0)))
    broken = []

    def bound(name, kept):
        if not kept:
            broken.append(name)
        return "" if kept else " (!)"

    lines = ["| mirror | requests/s | closing | p99 at half load, ms | without |", "| --- | ---: | ---: | ---: | ---: |"]
    with contextlib.ExitStack() as stack:
        directory = pathlib.Path(tempfile.mkdtemp(prefix="apk-bench-"))
        origin = proxy.start_origin(directory)
        stack.callback(origin.stop)
        shadow = proxy.start_shadow(directory)
        stack.callback(shadow.stop)
        sink = Sink().server
        stack.callback(sink.close)
        agent = Agent(origin.port, sink.port)
        stack.callback(agent.gateway.close)
        files = agent.files()

        def healthy():
            return contextlib.nullcontext(harness.backend("mirror", shadow.port))

        for name, state in {"healthy": healthy, **mirror_states.BAD_STATES}.items():
            with state() as manifest:
                agent.gateway.apply(manifest)
                found = measure(agent, arguments)
            kept, closed = (found[what, "with"] / found[what, "without"] for what in ("kept", "closed"))
            least = 0.6 if name == "healthy" else 0.95
            late = found["p99", "with"] - found["p99", "without"]
            kept_text = f"{kept:.2f}" + bound(f"{name}: throughput", kept >= least)
            closed_text = f"{closed:.2f}" + bound(f"{name}: throughput, closing", closed >= least)
            late_text = f"{found['p99', 'with']:.2f}" + bound(
                f"{name}: p99", late <= max(1, 0.05 * found["p99", "without"]))
            lines.append(f"| {name} | {kept_text} | {closed_text} | {late_text} | {found['p99', 'without']:.2f} |")
            print(lines[-1], flush=True)

        with mirror_states.BAD_STATES["reads 1 kB/s"]() as manifest:
            agent.gateway.apply(manifest)
            tries = {mirrored: [upload(agent, path, 1 << 30) for _ in range(3)] for mirrored, path in PATHS.items()}
        first = {mirrored: statistics.median(first for first, _ in done) * 1000 for mirrored, done in tries.items()}
        speed = {mirrored: statistics.median(speed for _, speed in done) for mirrored, done in tries.items()}
        share = speed["with"] / speed["without"]
        lines.append(f"\nUploads of 1 GiB, mirror reads 1 kB/s: the first byte is at the primary after {first['with']:.1f} ms"
                     f"{bound('first byte', first['with'] <= first['without'] + 5)} (without: {first['without']:.1f}), "
                     f"at {share:.2f}{bound('upload', share >= 0.95)} of the speed.")

        with mirror_states.black_hole() as manifest:
            agent.gateway.apply(manifest)
            before = agent.memory()
            rate(agent, PATHS["with"], arguments.hole_seconds)
            grown = agent.memory() - before
            agent.rest()
        lines.append(f"\n{arguments.hole_seconds} s of full load with a black hole: {grown / (1 << 20):.1f} MiB more memory"
                     f"{bound('memory', grown <= BUDGET * 1.1)}; "
                     f"{agent.files() - files} more descriptors than at the start"
                     f"{bound('descriptors', agent.files() <= files + 128 + 2 * CLIENTS)}.")
        agent.check_books()
    lines.append(f"\nMedians of {arguments.rounds} rounds; shares of the throughput without a mirror. "
                 + ("All bounds were kept." if not broken else "Not kept: " + "; ".join(broken) + "."))
    text = "\n".join(lines) + "\n"
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(text)
    print(text, end="")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
