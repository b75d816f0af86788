#!/usr/bin/env python3
"""An agent under steady traffic while all goes wrong that may: origins are killed, mirrors stall and are killed, routes
change ten times a second, listeners come and go, the control plane is killed, and a new process takes over from the
agent. Prints what came of it, and exits with 1 where

- a request failed that no origin failed itself: one that ended while its origin was there, or began after it came back;
- memory or descriptors grew over the longest time that one process served;
- a copy is not accounted for (matched = sent + failed + timeout + aborted + dropped + skipped), in any process;
- the agent does not run the newest revision in the end.

    tests/bench/soak.py [--seconds 600] [--rate 10] [--output FILE]

Any two cores do; the programs are those of $APK_BIN (build/release/bin). tests/integration/soak_test.py is the short
form.
"""
import argparse
import contextlib
import http.client
import json
import os
import pathlib
import re
import signal
import ssl
import statistics
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
os.environ.setdefault("APK_BIN", str(ROOT / "build/release/bin"))
sys.path[:0] = [str(ROOT / "tests/integration")]
import harness  # noqa: E402
from certificates import Authority  # noqa: E402
from steady_load import Load  # noqa: E402

HOST = "load.example"
MIRRORS = ("mirror-1", "mirror-2")
# Of memory, beyond what 5 % are: what an allocator keeps moves by as much.
MEMORY_SLACK = 6 << 20
FILES_SLACK = 40
# Between the kill and the moment that this program notes, requests may fail already, and after the
# program listens again the last of those that it failed may end.
WINDOW_SLACK = 0.05


class Origin:
    """A backend at a port of its own; notes when it was not there."""

    def __init__(self, name, directory):
        self.name, self.directory = name, directory
        self.port = harness.free_port()
        self.away = []  # [from, until]
        self.kills = 0
        self._start()

    def _start(self):
        self.process = harness.Process(f"apk-sample-backend.{self.name}", "--name", self.name, "--listen",
                                       f"127.0.0.1:{self.port}", directory=self.directory)

    def kill(self, seconds, stop):
        """Gone for so long."""
        self.kills += 1
        self.away.append([time.monotonic(), float("inf")])
        self.process.stop(signal.SIGKILL)
        stop.wait(seconds)
        self._start()
        self.away[-1][1] = time.monotonic()

    def stall(self, seconds, stop):
        self.kills += 1
        self.process.process.send_signal(signal.SIGSTOP)
        stop.wait(seconds)
        self.process.process.send_signal(signal.SIGCONT)

    def failed(self, failure):
        """The request was under way while it was not there."""
        return any(failure.begun < until + WINDOW_SLACK and failure.ended > since - WINDOW_SLACK
                   for since, until in self.away)

    def close(self):
        self.process.stop(signal.SIGKILL)


class Writer:
    """Changes routes through the API that kubectl uses, on one connection while that goes."""

    def __init__(self, gateway):
        self.gateway = gateway
        self.changes = 0
        self.refused = 0
        self._connection = None

    def _connect(self):
        pki = self.gateway.data / "pki"
        context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        context.load_cert_chain(str(pki / "admin.crt"), str(pki / "admin.key"))
        return http.client.HTTPSConnection("127.0.0.1", self.gateway.kubernetes_port, context=context, timeout=10)

    def patch(self, name, value):
        path = f"/apis/gateway.networking.k8s.io/v1/namespaces/default/httproutes/{name}"
        body = json.dumps({"spec": {"rules": [rule(name, value)]}})
        try:
            self._connection = self._connection or self._connect()
            self._connection.request("PATCH", path, body, {"Content-Type": "application/merge-patch+json",
                                                           "User-Agent": "soak/1"})
            answer = self._connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):  # It is not there now.
            self.close()
            return
        if answer.status == 200:
            self.changes += 1
        else:
            self.refused += 1

    def close(self):
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def rule(name, value):
    """The one rule of a route, which says by a header how often it was changed."""
    def reference(backend):
        return {"group": "dp.wso2.com", "kind": "Backend", "name": backend}
    filters = [{"type": "ResponseHeaderModifier",
                "responseHeaderModifier": {"set": [{"name": "X-Changes", "value": str(value)}]}}]
    filters += [{"type": "RequestMirror", "requestMirror": {"backendRef": reference(mirror)}} for mirror in MIRRORS]
    return {"matches": [{"path": {"type": "PathPrefix", "value": f"/{name}"}}], "filters": filters,
            "backendRefs": [reference(name)]}


def gateways(port, tls_port):
    listeners = [{"name": "http", "port": port, "protocol": "HTTP"},
                 {"name": "https", "port": tls_port, "protocol": "HTTPS",
                  "tls": {"certificateRefs": [{"name": "certificate"}]}}]
    return {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "soak"},
            "spec": {"gatewayClassName": "apk", "listeners": listeners}}


def backend(name, *ports, **spec):
    services = [{"host": "127.0.0.1", "port": port} for port in ports]
    return {"apiVersion": "dp.wso2.com/v1alpha2", "kind": "Backend", "metadata": {"name": name},
            "spec": {"services": services, **spec}}


def http_route(name):
    return {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": name},
            "spec": {"parentRefs": [{"name": "soak"}], "rules": [rule(name, 0)]}}


class Usage:
    """Memory and descriptors of the process that serves, once a second."""

    def __init__(self):
        self.samples = {}  # By process: [(when, bytes, descriptors)]

    def sample(self, pid):
        with contextlib.suppress(OSError, TypeError):
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
            memory = int(re.search(r"VmRSS:\s+(\d+)", status)[1]) << 10
            files = len(os.listdir(f"/proc/{pid}/fd"))
            self.samples.setdefault(pid, []).append((time.monotonic(), memory, files))

    def longest(self):
        """Of the process that served longest, without its first fifth: (minutes, then and now) of both."""
        samples = max(self.samples.values(), key=lambda one: one[-1][0] - one[0][0])
        samples = samples[len(samples) // 5:]
        quarter = max(len(samples) // 4, 1)
        first, last = samples[:quarter], samples[-quarter:]
        minutes = (samples[-1][0] - samples[0][0]) / 60
        return minutes, *(tuple(statistics.median(sample[i] for sample in part) for part in (first, last))
                          for i in (1, 2))


class Soak:
    def __init__(self, seconds, rate, agent_flags=()):
        self.seconds, self.rate = seconds, rate
        self.cleanup = contextlib.ExitStack()
        self.gateway = self.cleanup.enter_context(harness.Gateway(
            agent_flags=["--drain-seconds", "15", "--mirror-timeout-ms", "1000", *agent_flags]))
        self.authority = Authority()
        self.stop = threading.Event()
        self.usage = Usage()
        self.writer = Writer(self.gateway)
        self.cleanup.callback(self.writer.close)
        self.control_plane_kills = self.upgrades = self.listener_changes = 0
        self.old = []
        self.errors = []
        self.turn = threading.Lock()  # Of faults that may not meet: a process can't be started while it is killed.
        self.port, self.tls_port, self.extra_port = (harness.free_port() for _ in range(3))
        directory = self.gateway.directory
        self.origins = {name: self.cleanup.enter_context(contextlib.closing(Origin(name, directory)))
                        for name in ("stable", "single", "pair-1", "pair-2", *MIRRORS)}
        self.configure()
        self.loads = {"stable": self.load("stable"), "upload": self.load("stable", body=b"x" * 8000),
                      "single": self.load("single"), "pair": self.load("pair")}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop.set()
        for load in self.loads.values():
            load.stop()
        for process in self.old:
            process.stop(signal.SIGKILL)
        self.cleanup.close()

    def load(self, name, **options):
        return Load("127.0.0.1", self.port, self.tls_port, self.authority.certificate, HOST, f"/{name}", **options)

    def configure(self):
        ports = {name: origin.port for name, origin in self.origins.items()}
        # A pair of endpoints is there for requests to be tried again at the other one.
        objects = [self.authority.issue(HOST).secret("certificate"), gateways(self.port, self.tls_port),
                   backend("stable", ports["stable"]), backend("single", ports["single"]),
                   backend("pair", ports["pair-1"], ports["pair-2"],
                           retry={"count": 2, "baseIntervalMillis": 20, "statusCodes": [504]}),
                   *(backend(mirror, ports[mirror]) for mirror in MIRRORS),
                   *(http_route(name) for name in ("stable", "single", "pair"))]
        self.gateway.apply("\n---\n".join(json.dumps(one) for one in objects))

    # Faults, each in a thread of its own.

    def every(self, seconds, fault, begin=None):
        def run():
            self.stop.wait(seconds if begin is None else begin)
            while not self.stop.is_set():
                try:
                    fault()
                except (AssertionError, OSError) as error:
                    self.errors.append(f"{fault.__name__}: {error}")
                self.stop.wait(seconds)
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def change_routes(self):
        """A change after the other, for as long as the soak goes."""
        names, begun, number = ("stable", "single", "pair"), time.monotonic(), 0
        while not self.stop.wait(max(begun + number / self.rate - time.monotonic(), 0.01)):
            number += 1
            self.writer.patch(names[number % len(names)], number)

    def change_listeners(self):
        self.listener_changes += 1
        gateway = harness.plain_gateway(self.extra_port, "extra")
        with self.turn:
            if self.listener_changes % 2 == 1:
                self.gateway.apply(gateway, check=False)
            else:
                self.gateway.apkctl("delete", "gateway", "extra", check=False)

    def kill_control_plane(self):
        with self.turn:
            self.gateway.control_plane.stop(signal.SIGKILL)
            self.control_plane_kills += 1
            self.stop.wait(0.5)
            self.gateway.start_control_plane()

    def upgrade(self):
        with self.turn:
            self.old.append(self.gateway.upgrade_agent())
            self.upgrades += 1

    def run(self):
        step = max(self.seconds / 100, 1.0)  # Of seconds, between faults of a kind.
        origins, stop = self.origins, self.stop
        threads = [
            self.every(2 * step, lambda: origins["single"].kill(0.3, stop)),
            self.every(3 * step, lambda: origins["pair-1"].kill(0.5, stop)),
            self.every(2.5 * step, lambda: origins["mirror-1"].stall(step, stop)),
            self.every(4 * step, lambda: origins["mirror-2"].kill(0.5, stop)),
            self.every(2 * step, self.change_listeners),
            self.every(5 * step, self.kill_control_plane),
            self.every(0, self.change_routes),
            self.every(1, lambda: self.usage.sample(self.gateway.agents[1].process.pid)),
        ]
        for name, kinds in (("stable", ("kept", "kept_tls", "fresh", "fresh_tls", "http2")), ("upload", ("kept",)),
                            ("single", ("kept", "fresh")), ("pair", ("kept", "http2"))):
            for kind in kinds:
                self.loads[name].start(kind, 1, pause=0.002)
        begun = time.monotonic()
        # Early, and in the end: in between one process serves for long.
        for part in (0.1, 0.15, 0.2, 0.95):
            self.stop.wait(max(begun + part * self.seconds - time.monotonic(), 0))
            self.upgrade()
        self.stop.wait(max(begun + self.seconds - time.monotonic(), 0))
        self.stop.set()
        for thread in threads:
            thread.join(harness.PATIENCE)
        for load in self.loads.values():
            load.stop()

    # What came of it.

    def own_failures(self, name):
        """Failures that its origins did not fail themselves: those of a pair never do."""
        failures = self.loads[name].failures
        origin = self.origins.get(name)
        return [failure for failure in failures if origin is None or not origin.failed(failure)]

    def copies(self):
        """[(matched, accounted for)] of all processes, the last one's once it has nothing under way."""
        books = []
        for process in self.old:
            harness.eventually(lambda process=process: process.process.poll() is not None, "an old process ends")
            found = re.search(r"copies_matched=(\d+) copies_accounted=(\d+)",
                              self.log_of(process.process.pid))
            books.append((int(found[1]), int(found[2])))

        def settled():
            counts = {"matched": 0}
            for mirror in MIRRORS:
                for key, value in self.gateway.mirror_counts(f"Backend default/{mirror}").items():
                    counts[key] = counts.get(key, 0) + value
            return counts if sum(v for k, v in counts.items() if k != "matched") == counts["matched"] else None
        self.outcomes = harness.eventually(settled, "all copies are accounted for")
        books.append((self.outcomes["matched"], sum(v for k, v in self.outcomes.items() if k != "matched")))
        return books

    def log_of(self, pid):
        """What the process has said in the end: agents share a file, and end in the order of their starts or not."""
        text = (self.gateway.directory / "apk-data-plane.log").read_text(errors="replace")
        return next(line for line in text.splitlines() if f"ended process={pid} " in line)

    def verdicts(self):
        """[(what, how it was, whether that is right)]"""
        rows = []
        total = failed = own = 0
        for name, load in self.loads.items():
            mine = self.own_failures(name)
            total, failed, own = total + load.total, failed + len(load.failures), own + len(mine)
            rows.append((f"requests, {name}", f"{load.total}, {len(load.failures)} failed, of these {len(mine)} not by "
                         f"their origin; slowest {load.slowest:.2f} s", not mine and load.total > 0))
            rows += [("", repr(failure), None) for failure in mine[:10]]
        rows.append(("requests", f"{total} ({total / self.seconds:.0f}/s), {failed} failed by their origin's end or "
                     f"after it, {own} otherwise", own == 0))
        minutes, memory, files = self.usage.longest()
        growth = memory[1] - memory[0]
        rows.append(("memory", f"{memory[0] / 2**20:.1f} MiB, after {minutes:.1f} min {memory[1] / 2**20:.1f} MiB "
                     f"({growth / 2**20 / max(minutes, 1e-3):+.2f} MiB/min)",
                     growth <= memory[0] * 0.05 + MEMORY_SLACK))
        rows.append(("descriptors", f"{files[0]:.0f}, after {minutes:.1f} min {files[1]:.0f}",
                     files[1] - files[0] <= FILES_SLACK))
        books = self.copies()
        matched = sum(book[0] for book in books)
        rows.append(("copies", f"{matched} matched, {sum(book[1] for book in books)} accounted for, in "
                     f"{len(books)} processes", all(a == b for a, b in books) and matched > 0))
        rows.append(("", "of the last process: " + ", ".join(f"{k} {v}" for k, v in sorted(self.outcomes.items())), None))
        # Each is copied to each mirror; where a connection broke the client can't know whether it was.
        expected = len(MIRRORS) * total
        rows.append(("copies and requests", f"{matched} of {expected}, ± {len(MIRRORS) * failed} of those that failed",
                     abs(matched - expected) <= len(MIRRORS) * failed))
        rows.append(("faults", f"{self.writer.changes} changes of routes ({self.writer.changes / self.seconds:.1f}/s; "
                     f"{self.writer.refused} refused), {self.listener_changes} of listeners, "
                     f"{self.control_plane_kills} kills of the control plane, {self.upgrades} takeovers, "
                     + ", ".join(f"{name} {origin.kills}" for name, origin in self.origins.items() if origin.kills),
                     not self.errors and self.writer.refused == 0 and self.upgrades == 4))
        rows += [("", error, None) for error in self.errors[:10]]
        self.gateway.settle()
        agent, = self.gateway.fleet()["agents"]
        rows.append(("configuration", f"the agent runs the newest revision, {agent['snapshotRevision']}", True))
        return rows


def table(rows):
    lines = [f"{'':2}{what:22}{how}" if right is None else f"{'ok' if right else 'NO':4}{what:20}{how}"
             for what, how, right in rows]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--rate", type=float, default=10, help="changes of routes a second")
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    with Soak(arguments.seconds, arguments.rate) as soak:
        soak.run()
        rows = soak.verdicts()
    text = table(rows)
    print(text, end="")
    if arguments.output:
        arguments.output.write_text(text)
    return 0 if all(right is not False for _, _, right in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
