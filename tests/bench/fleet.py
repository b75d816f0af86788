#!/usr/bin/env python3
"""What a fleet costs, and how fast a change reaches it: agents by the hundred (fleet.cc: own connection, mutual TLS,
the real protocol, no traffic) at one control plane with many routes.

    tests/bench/fleet.py [--agents 1000] [--routes 10000] [--changes 30] [--storm 1000] [--stalled 60] [CASE…]

Cases, all of them in this order where none is named: cold (all agents come at once and hold nothing), change (one
route after the other), stalled (one agent is stopped while changes go on), storm (many commits at once), restart (the
control plane is killed and comes back; all agents reconnect, nothing has changed). Prints a table of what was
measured beside the aims. All runs on one machine, the agents' half of TLS and gRPC included. Needs the release build
and its target bench_fleet, or another one named by APK_BIN; exit status 1 where an aim is missed and --strict given.
"""
import argparse
import resource
import signal
import statistics
import sys
import threading
import time

from control_plane import Gateway, backend, plain_gateway, route
from fleet_process import Client, Fleet
from harness import eventually
from idle import private_bytes

CASES = ("cold", "change", "stalled", "storm", "restart")


def memory_mib(pid):
    return private_bytes([pid]) / 2**20


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


class Bench:
    """One control plane with routes, and its fleet."""

    def __init__(self, gateway, options):
        self.gateway = gateway
        self.options = options
        self.rows = []
        self.missed = False
        self.changed = 0
        self.empty = memory_mib(self.pid)
        gateway.apply(plain_gateway(18080) + "".join(backend(f"b{n}", 80) for n in range(100)) +
                      "".join(route(n) for n in range(options.routes)), settle=False)
        self.with_routes = memory_mib(self.pid)
        self.row(f"memory with {options.routes} routes", f"{self.with_routes:.0f} MiB", self.with_routes, 150, "MB")

    @property
    def pid(self):
        return self.gateway.control_plane.process.pid

    def row(self, what, measured, value=None, aim=None, unit=""):
        met = value is None or aim is None or value <= aim
        self.missed = self.missed or not met
        self.rows.append((what, measured, f"<= {aim} {unit}".strip() if aim is not None else "",
                          "" if aim is None else "met" if met else "MISSED"))
        print(f"{what}: {measured}", flush=True)

    def change(self):
        """Adds a route; when it was begun, and when apkctl returned."""
        self.changed += 1
        begun = time.monotonic()
        self.gateway.apply(route(self.options.routes + self.changed), settle=False)
        return begun, time.monotonic()

    def up_to_date(self):
        agents = [agent for agent in self.gateway.fleet()["agents"] if agent["connected"] and agent["upToDate"]]
        return len(agents) >= self.options.agents

    def cold(self, fleet, begun):
        _, last, size = fleet.wait(1, 300)
        agents = self.options.agents
        self.row(f"{agents} agents come at once and have all", f"{last - begun:.1f} s", last - begun, 30, "s")
        self.row("bytes of a whole snapshot", f"{size / agents / 1024:.0f} KiB")
        memory = (memory_mib(self.pid) - self.with_routes) * 2**20 / 1000 / agents
        self.row("memory of an agent", f"{memory:.0f} KB", memory, 135, "KB")

    def changes(self, fleet):
        whole, applied, spread, sizes = [], [], [], []
        for _ in range(self.options.changes):
            count = len(fleet.acknowledged)
            begun, returned = self.change()
            first, last, size = fleet.wait(count + 1)
            whole.append((last - begun) * 1000)
            applied.append((returned - begun) * 1000)
            spread.append((last - first) * 1000)
            sizes.append(size / self.options.agents)
        self.row("a change, from apkctl's start to the last agent: p50", f"{statistics.median(whole):.0f} ms",
                 statistics.median(whole), 150, "ms")
        self.row("the same: p99", f"{percentile(whole, 0.99):.0f} ms", percentile(whole, 0.99), 400, "ms")
        self.row("until apkctl returned: p50, p99",
                 f"{statistics.median(applied):.0f} ms, {percentile(applied, 0.99):.0f} ms")
        self.row("from the first agent to the last: p50, p99",
                 f"{statistics.median(spread):.0f} ms, {percentile(spread, 0.99):.0f} ms")
        self.row("bytes of a change for an agent", f"{statistics.median(sizes):.0f}", statistics.median(sizes), 4096)

    def stalled(self, fleet):
        with Fleet(self.gateway, 1, "stalled-") as stalled:
            stalled.wait(1)
            stalled.process.send_signal(signal.SIGSTOP)
            before, begun = memory_mib(self.pid), time.monotonic()
            count, commits = len(fleet.acknowledged), 0
            while time.monotonic() < begun + self.options.stalled:
                self.change()
                commits += 1
            fleet.wait(count + 1)
            # What the changes themselves take is not the stalled agent's.
            grown = memory_mib(self.pid) - before
            self.row(f"memory grows, one agent stopped, {commits} commits in {self.options.stalled} s",
                     f"{grown:.1f} MiB", grown, 5, "MB")
            stalled.process.send_signal(signal.SIGCONT)

    def storm(self, fleet):
        fleet.total()
        writers, left = 4, iter(range(self.options.storm))
        begun = time.monotonic()

        def write(number):
            with Client(self.gateway) as client:
                for at in left:  # The interpreter's lock makes it one after the other.
                    client.set_port(f"b{number}", 1000 + at)
        threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        ended = time.monotonic()
        eventually(self.up_to_date, "the fleet converges", 60)
        converged = time.monotonic() - ended
        _, _, _, most, _ = fleet.total()
        took = ended - begun
        self.row(f"{self.options.storm} commits in {took:.1f} s: pushes to one agent", f"{most}", most,
                 round(4 * max(took, 1)))
        self.row("all agents up to date after the last commit", f"{converged:.1f} s", converged, 1, "s")

    def restart(self, fleet):
        fleet.total()
        before = memory_mib(self.pid)
        self.gateway.control_plane.stop(signal.SIGKILL)
        begun = time.monotonic()
        self.gateway.start_control_plane()
        eventually(self.up_to_date, "all agents are back", 120)
        took = time.monotonic() - begun
        _, _, responses, _, size = fleet.total()
        after = memory_mib(self.pid)
        self.row("the control plane was killed: all agents are back after", f"{took:.1f} s", took, 20, "s")
        self.row("bytes of configuration meanwhile", f"{size} in {responses} responses", size, 0)
        self.row("memory against before", f"{after / before * 100:.0f} %", after / before * 100, 130, "%")

    def run(self, cases):
        begun = time.monotonic()
        with Fleet(self.gateway, self.options.agents) as fleet:
            self.cold(fleet, begun)
            for case, measure in (("change", self.changes), ("stalled", self.stalled), ("storm", self.storm),
                                  ("restart", self.restart)):
                if case in cases:
                    measure(fleet)
        print(f"\n| what | measured | aim | |\n| --- | ---: | ---: | --- |")
        for row in self.rows:
            print("| " + " | ".join(row) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--agents", type=int, default=1000)
    parser.add_argument("--routes", type=int, default=10_000)
    parser.add_argument("--changes", type=int, default=30)
    parser.add_argument("--storm", type=int, default=1000, help="commits of the storm")
    parser.add_argument("--stalled", type=int, default=60, help="seconds for which an agent is stopped")
    parser.add_argument("--strict", action="store_true", help="fail where an aim is missed")
    parser.add_argument("cases", nargs="*", default=CASES, metavar="CASE", help=", ".join(CASES))
    options = parser.parse_args()
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    with Gateway(agents=0) as gateway:
        bench = Bench(gateway, options)
        bench.run(options.cases)
    sys.exit(1 if options.strict and bench.missed else 0)


if __name__ == "__main__":
    main()
