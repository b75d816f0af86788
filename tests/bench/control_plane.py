#!/usr/bin/env python3
"""What a large configuration costs the control plane: one apply of many routes, then routes added one by
one, in CPU time of its process and as the caller waits.

    tests/bench/control_plane.py [--routes 10000] [--added 20]

Needs the release build, or another one named by APK_BIN. Absolute figures belong to the machine.
"""
import argparse
import os
import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
os.environ.setdefault("APK_BIN", str(ROOT / "build/release/bin"))
os.environ.setdefault("APK_PATIENCE", "300")
sys.path.insert(0, str(ROOT / "tests/integration"))
from harness import Gateway, backend, plain_gateway, reference  # noqa: E402

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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--routes", type=int, default=10_000)
    parser.add_argument("--added", type=int, default=20)
    options = parser.parse_args()
    with Gateway(agents=0) as gateway:
        cost = Cost(gateway.control_plane.process.pid)
        base = plain_gateway(18080) + "".join(backend(f"b{n}", 80) for n in range(100))
        gateway.apply(base, settle=False)
        with cost:
            gateway.apply("".join(route(n) for n in range(options.routes)), settle=False)
        print(f"one apply of {options.routes} routes: {cost.cpu_ms:.0f} ms CPU, {cost.wall_ms:.0f} ms until "
              "apkctl returned")
        with cost:
            for number in range(options.routes, options.routes + options.added):
                gateway.apply(route(number), settle=False)
        print(f"one route more, mean of {options.added}: {cost.cpu_ms / options.added:.1f} ms CPU, "
              f"{cost.wall_ms / options.added:.0f} ms until apkctl returned")


if __name__ == "__main__":
    main()
