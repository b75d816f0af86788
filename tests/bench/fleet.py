#!/usr/bin/env python3
"""How fast a change reaches a fleet: agents by the hundred (fleet.cc: own connection, mutual TLS, the real
protocol, no traffic) at one control plane with many routes, and changes of one route, one after the other.

    tests/bench/fleet.py [--agents 1000] [--routes 10000] [--changes 30]

Prints, from when apkctl is started to when the last agent has the change (and from when the first one has it),
the bytes for one agent, and the memory of the control plane for routes and for each agent. All runs on one
machine, the agents' half of TLS and gRPC included. Needs the release build, or another one named by APK_BIN.
"""
import argparse
import resource
import statistics
import subprocess
import time

from control_plane import Gateway, backend, plain_gateway, route
from harness import BIN
from idle import private_bytes


def private_mib(pid):
    return private_bytes([pid]) / 2**20


class Fleet:
    def __init__(self, gateway, agents):
        self.process = subprocess.Popen(
            [str(BIN / "bench_fleet"), f"127.0.0.1:{gateway.grpc_port}", str(gateway.data / "pki"), str(agents)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def acknowledged(self):
        """(first, last, bytes) of the next version that all agents have."""
        line = self.process.stdout.readline().split()
        if not line:
            raise AssertionError("the fleet broke off")
        return float(line[3]), float(line[4]), int(line[5])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--agents", type=int, default=1000)
    parser.add_argument("--routes", type=int, default=10_000)
    parser.add_argument("--changes", type=int, default=30)
    options = parser.parse_args()
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    with Gateway(agents=0) as gateway:
        pid = gateway.control_plane.process.pid
        empty = private_mib(pid)
        gateway.apply(plain_gateway(18080) + "".join(backend(f"b{n}", 80) for n in range(100)) +
                      "".join(route(n) for n in range(options.routes)), settle=False)
        with_routes = private_mib(pid)
        print(f"control plane: {empty:.0f} MiB empty, {with_routes:.0f} MiB with {options.routes} routes")
        with Fleet(gateway, options.agents) as fleet:
            started = time.monotonic()
            _, last, size = fleet.acknowledged()
            print(f"{options.agents} agents connected and served in {last - started:.1f} s, "
                  f"{size / options.agents / 1024:.0f} KiB each")
            whole, spread, sizes = [], [], []
            for number in range(options.changes):
                started = time.monotonic()
                gateway.apply(route(options.routes + number), settle=False)
                first, last, size = fleet.acknowledged()
                whole.append((last - started) * 1000)
                spread.append((last - first) * 1000)
                sizes.append(size / options.agents)
            print(f"one route changed, until the last agent has it: p50 {statistics.median(whole):.0f} ms, "
                  f"p99 {percentile(whole, 0.99):.0f} ms from apkctl's start; p50 {statistics.median(spread):.0f} ms, "
                  f"p99 {percentile(spread, 0.99):.0f} ms after the first; {statistics.median(sizes):.0f} bytes each")
            print(f"control plane: {(private_mib(pid) - with_routes) * 1024 / options.agents:.0f} KiB an agent")


if __name__ == "__main__":
    main()
