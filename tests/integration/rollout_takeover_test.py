"""Rollouts with three control planes on etcd: one drives, another takes over, and all send the same."""
import json
import os
import socket
import unittest

import etcd_test
import harness
from harness import eventually

POLICY = """
stages:
- name: canary
  share: 1%
  soak: {soak}
timeout: 15s
"""


@unittest.skipUnless(os.access(etcd_test.ETCD, os.X_OK), "etcd is not installed")
class RolloutsOnEtcd(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.backend = harness.FakeBackend()
        cls.addClassCleanup(cls.backend.close)
        cls.all = etcd_test.Installation()
        cls.addClassCleanup(cls.all.close)
        cls.all.agents[3].stop()
        for agent in (2, 3):
            cls.all.start_agent(agent, (1, 2, 3))
        cls.all.apkctl(1, "apply", "-f", "-", stdin=harness.plain_gateway(cls.all.port)
                       + harness.backend("web", cls.backend.port) + etcd_test.route("first", "/first"))
        cls.all.settle()

    def setUp(self):
        for number in (1, 2, 3):
            if number not in self.all.alive():
                self.all.start_control_plane(number)
        eventually(self.all.leader, "one leads")
        self.all.apkctl(1, "rollout", "policy", "remove", "--force")
        self.all.settle()

    def status(self, number):
        return json.loads(self.all.apkctl(number, "rollout", "status", "-o", "json").stdout)

    def set_policy(self, number, soak, more=""):
        self.all.apkctl(number, "rollout", "policy", "set", "-f", "-", stdin=POLICY.format(soak=soak) + more)

    def canaries(self, path):
        return [agent for agent in (1, 2, 3) if self.all.ask(agent, path) == 200]

    def soaking(self, number):
        stages = self.status(number).get("stages", [])
        return bool(stages) and stages[0]["state"] == "Soaking"

    def ended(self, state, numbers=None):
        """So say all control planes that live."""
        def there():
            return all(self.status(number)["rollout"]["state"] == state for number in numbers or self.all.alive())
        eventually(there, f"the rollout is {state} everywhere")

    def test_another_one_goes_on_where_the_leader_was_killed(self):
        leader = self.all.leader()
        others = [number for number in (1, 2, 3) if number != leader]
        self.set_policy(others[0], "4s")
        self.all.apkctl(others[1], "apply", "-f", "-", stdin=etcd_test.route("second", "/second"))
        eventually(lambda: self.soaking(others[0]), "the canary runs it")
        canaries = self.canaries("/second")
        self.assertEqual(len(canaries), 1)
        number = self.status(others[0])["rollout"]["number"]
        self.all.kill(leader)
        # Whoever has lost its control plane finds another one, which sends it the same.
        eventually(lambda: self.all.leader() in others, "another one leads")
        self.ended("Promoted", others)
        self.assertEqual(self.status(others[0])["rollout"]["number"], number)
        self.all.start_control_plane(leader)
        self.all.settle()
        self.assertEqual(self.canaries("/second"), [1, 2, 3])

    def test_all_agents_come_back_whatever_control_plane_they_are_at(self):
        self.set_policy(1, "1h")
        self.all.apkctl(2, "apply", "-f", "-", stdin=etcd_test.route("third", "/third"))
        eventually(lambda: self.soaking(3), "the canary runs it")
        eventually(lambda: len(self.canaries("/third")) == 1, "one agent has it")
        follower = next(number for number in (1, 2, 3) if number != self.all.leader())
        self.all.apkctl(follower, "rollout", "abort")
        # To a lower revision of the same history: an agent goes there where it is told that it may.
        eventually(lambda: not self.canaries("/third"), "the canary is back", 5)
        self.ended("Aborted")
        for agent in (1, 2, 3):
            self.assertEqual(self.all.ask(agent, "/first"), 200)
        # One that comes back from elsewhere is led back, too, by a control plane that has just started.
        self.all.kill(follower)
        self.all.start_control_plane(follower)
        eventually(lambda: self.status(follower)["rollout"]["state"] == "Aborted", "it knows")
        self.assertEqual(self.canaries("/third"), [])

    def held(self, number):
        return [held["name"] for held in self.status(number).get("held", [])]

    def snapshot_at(self, number):
        return json.loads(self.all.apkctl(number, "agents", "-o", "json").stdout)["snapshotVersion"]

    def test_all_hold_back_the_same_whoever_leads(self):
        self.set_policy(1, "0s", "onRefusal: Hold\n")
        with socket.socket() as holder:
            holder.bind(("0.0.0.0", 0))  # Whichever agent is the canary.
            holder.listen()
            taken = harness.plain_gateway(holder.getsockname()[1], "taken")
            self.all.apkctl(2, "apply", "-f", "-", stdin=taken + etcd_test.route("fourth", "/fourth"))
            eventually(lambda: self.canaries("/fourth") == [1, 2, 3], "the rest of the change at all agents")
            for number in (1, 2, 3):
                eventually(lambda: self.held(number) == ["taken"], f"control plane {number} knows it")
            eventually(lambda: len({self.snapshot_at(number) for number in (1, 2, 3)}) == 1, "the same everywhere")
            leader = self.all.leader()
            others = [number for number in (1, 2, 3) if number != leader]
            self.all.kill(leader)
            eventually(lambda: self.all.leader() in others, "another one leads")
            self.all.apkctl(others[0], "apply", "-f", "-", stdin=etcd_test.route("fifth", "/fifth"))
            eventually(lambda: self.canaries("/fifth") == [1, 2, 3], "a later change at all agents")
            self.all.start_control_plane(leader)
            eventually(lambda: self.held(leader) == ["taken"], "a start knows it")
            eventually(lambda: len({self.snapshot_at(number) for number in (1, 2, 3)}) == 1, "the same everywhere")
        self.all.apkctl(others[0], "delete", "gateway", "taken")
        eventually(lambda: not self.held(leader), "it is held back no more")

    def test_a_policy_holds_back_what_is_committed_elsewhere_right_after_it(self):
        for attempt in range(3):
            path = f"/race-{attempt}"
            self.set_policy(1, "1h")
            self.all.apkctl(2, "apply", "-f", "-", stdin=etcd_test.route(f"race-{attempt}", path))
            eventually(lambda: self.soaking(3), "the canary runs it")
            self.assertEqual(len(self.canaries(path)), 1)
            self.all.apkctl(3, "rollout", "abort")
            eventually(lambda: not self.canaries(path), "the canary is back")
            self.all.apkctl(3, "delete", "httproute", f"race-{attempt}")
            self.all.apkctl(1, "rollout", "policy", "remove", "--force")
            self.all.settle()


if __name__ == "__main__":
    harness.main()
