#!/usr/bin/env python3
"""What a large configuration costs the control plane: one apply of many routes, which must be one revision, then
routes added one by one, in CPU time of its process and as the caller waits; then a start with all of them; then how
long a commit takes that has nothing to wait for but the store, with the embedded one and with three members of etcd.

    tests/bench/control_plane.py [--routes 10000] [--added 20] [--writes 500]

Needs the release build, or another one named by APK_BIN, and proof_clients beside it (target proof_clients). Absolute
figures belong to the machine. What a translation takes of this is what bench_translation measures.
"""
import argparse
import json
import os
import pathlib
import signal
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
os.environ.setdefault("APK_BIN", str(ROOT / "build/release/bin"))
os.environ.setdefault("APK_PATIENCE", "300")
sys.path[:0] = [str(ROOT / "tests/integration"), str(ROOT / "tests/proof")]
from control_planes import OneOnSqlite, ThreeOnEtcd  # noqa: E402
from harness import Gateway, backend, plain_gateway, reference  # noqa: E402
from linearizability import Clients  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")
HOSTS = 1000


def route(number):
    return (f"---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: r{number}}}\n"
            f"spec:\n  parentRefs: [{{name: plain}}]\n  hostnames: [h{number % HOSTS}.example.com]\n  rules:\n"
            f"  - matches: [{{path: {{type: PathPrefix, value: /p{number}}}}}]\n"
            f"    backendRefs: [{reference(f'b{number % 100}')}]\n")


class Cost:
    """CPU milliseconds of the control plane, in steps of a tick, and wall milliseconds of what is done
    inside."""

    def __init__(self, pid):
        self.pid = pid

    def cpu(self):
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) * 1000 / TICKS

    def __enter__(self):
        self.start = (self.cpu(), time.monotonic())
        return self

    def __exit__(self, *_):
        self.cpu_ms = self.cpu() - self.start[0]
        self.wall_ms = (time.monotonic() - self.start[1]) * 1000


def revision(gateway):
    return int(json.loads(gateway.apkctl("version", "-o", "json").stdout)["revision"])


def commits(control_planes, writes):
    """Of one client that waits for each answer."""
    try:
        clients = Clients(control_planes, seed=1, clients=1, watchers=0)
        clients.wait_for(2 * writes, 120)
        return clients.stop()["write_ms"]
    finally:
        control_planes.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--routes", type=int, default=10_000)
    parser.add_argument("--added", type=int, default=20)
    parser.add_argument("--writes", type=int, default=500)
    options = parser.parse_args()
    with Gateway(agents=0) as gateway:
        cost = Cost(gateway.control_plane.process.pid)
        base = plain_gateway(18080) + "".join(backend(f"b{n}", 80) for n in range(100))
        gateway.apply(base, settle=False)
        before = revision(gateway)
        with cost:
            gateway.apply("".join(route(n) for n in range(options.routes)), settle=False)
        if revision(gateway) != before + 1:
            sys.exit(f"one apply made {revision(gateway) - before} revisions")
        print(f"one apply of {options.routes} routes: {cost.cpu_ms:.0f} ms CPU, {cost.wall_ms:.0f} ms until "
              "apkctl returned")
        with cost:
            for number in range(options.routes, options.routes + options.added):
                gateway.apply(route(number), settle=False)
        print(f"one route more, mean of {options.added}: {cost.cpu_ms / options.added:.1f} ms CPU, "
              f"{cost.wall_ms / options.added:.0f} ms until apkctl returned")
        gateway.control_plane.stop(signal.SIGKILL)
        start = time.monotonic()
        gateway.start_control_plane()
        print(f"ready again after kill -9: {1000 * (time.monotonic() - start):.0f} ms")
    for store, control_planes in (("embedded", OneOnSqlite), ("etcd", ThreeOnEtcd)):
        took = commits(control_planes(), options.writes)
        print(f"a small apply, store {store}: p50 {took['p50']:.1f} ms, p99 {took['p99']:.1f} ms")


if __name__ == "__main__":
    main()
