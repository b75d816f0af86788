#!/usr/bin/env python3
"""What a fleet is sent: the short form of tests/bench/fleet.py, with few agents and without a clock."""
import pathlib
import re
import signal
import threading
import unittest

import harness
from fleet_process import Client, Fleet
from harness import Gateway, backend, eventually, reference, route

AGENTS = 20
ROUTES = 600
FILLING = 1000  # Bytes in each: their snapshot has more than one part.


def routes(numbers, target="b0"):
    header = f"{{name: X-Filling, value: {'x' * FILLING}}}"
    rule = (f"  - filters: [{{type: RequestHeaderModifier, requestHeaderModifier: {{set: [{header}]}}}}]\n"
            f"    backendRefs: [{reference(target)}]\n")
    return "".join(route(f"r{number}", rule, parent="wso2-apk-default", hostnames=[f"host-{number}.gw.wso2.com"])
                   for number in numbers)


class OfAFleet(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway(agents=0)
        cls.addClassCleanup(cls.gateway.close)
        cls.gateway.apply("".join(backend(f"b{number}", 1) for number in range(4)) + routes(range(ROUTES)),
                          settle=False)
        cls.fleet = Fleet(cls.gateway, AGENTS)
        cls.addClassCleanup(cls.fleet.__exit__)
        cls.whole = cls.fleet.wait(1)[2]  # Bytes for all of them.

    def setUp(self):
        eventually(self.up_to_date, "the fleet is up to date")
        self.fleet.total()

    def up_to_date(self):
        agents = [agent for agent in self.gateway.fleet()["agents"] if agent["connected"] and agent["upToDate"]]
        return len(agents) >= AGENTS

    def change(self, text):
        """Waits until all agents have it; the bytes for all of them."""
        count = len(self.fleet.acknowledged)
        self.gateway.apply(text, settle=False)
        return self.fleet.wait(count + 1)[2]

    def resident(self):
        status = pathlib.Path(f"/proc/{self.gateway.control_plane.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024

    def test_a_change_is_sent_as_what_changed(self):
        self.assertLess(self.change(routes([ROUTES])) / AGENTS, 4096)
        self.assertLess(self.change(routes([3], target="b1")) / AGENTS, 4096)
        count = len(self.fleet.acknowledged)
        self.gateway.apkctl("delete", "httproute", "r4")
        self.assertLess(self.fleet.wait(count + 1)[2] / AGENTS, 4096)

    def test_a_whole_snapshot_is_compressed(self):
        self.assertLess(self.whole / AGENTS, ROUTES * FILLING / 5)

    def test_after_a_restart_nothing_is_sent_where_nothing_changed(self):
        self.gateway.control_plane.stop(signal.SIGKILL)
        self.gateway.start_control_plane()
        eventually(self.up_to_date, "all agents are back")
        streams, opened, responses, _, size = self.fleet.total()
        self.assertGreaterEqual(streams, AGENTS)
        self.assertEqual((opened, responses, size), (AGENTS, 0, 0))

    def test_a_storm_of_commits_is_few_pushes(self):
        commits = 60
        numbers = iter(range(commits))

        def write(name):
            with Client(self.gateway) as client:
                for number in numbers:
                    client.set_port(name, 1000 + number)
        writers = [threading.Thread(target=write, args=(f"b{number}",)) for number in range(3)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        eventually(self.up_to_date, "the fleet is up to date")
        self.assertLess(self.fleet.total()[3], commits)

    def test_an_agent_that_stands_still_costs_little_and_delays_nobody(self):
        with Fleet(self.gateway, 1, "stalled-") as stalled:
            stalled.wait(1)
            stalled.total()
            stalled.process.send_signal(signal.SIGSTOP)
            # What the control plane keeps of changes anyway it has got by then.
            for number in range(5):
                self.change(routes(range(100), target=f"b{1 + number % 3}"))
            before = self.resident()
            for number in range(10):
                self.change(routes(range(100), target=f"b{1 + (number + 5) % 3}"))
            grown = self.resident() - before
            stalled.process.send_signal(signal.SIGCONT)
            eventually(lambda: self.gateway_has("stalled-0"), "it has what is newest")
            # What was newest when it stood still, and what is newest now.
            self.assertLessEqual(stalled.total()[3], 2)
            self.assertLess(grown, 20)

    def gateway_has(self, name):
        return any(agent["id"] == name and agent["upToDate"] for agent in self.gateway.fleet()["agents"])


if __name__ == "__main__":
    harness.main()
