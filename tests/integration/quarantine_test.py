"""What agents refuse is held back, and everything else goes on: with a fleet that refuses what it is told to."""
import json
import os
import time
import unittest

import harness
from fleet_process import Fleet
from harness import Gateway, backend, eventually, reference, route

AGENTS = int(os.environ.get("APK_AGENTS", "40"))
SHARE = 5  # Percent that are in the first stage.
MARK = "refuse-me"
POLICY = f"stages: [{{name: few, share: {SHARE}%}}, {{name: half, share: 50%}}]\ntimeout: 20s\n"


def of(name, value="fine"):
    header = f"{{name: X-Mark, value: {value}}}"
    return route(name, f"  - filters: [{{type: RequestHeaderModifier, requestHeaderModifier: {{set: [{header}]}}}}]\n"
                       f"    backendRefs: [{reference('b')}]\n",
                 parent="wso2-apk-default", hostnames=[f"{name}.gw.wso2.com"])


class Quarantine(unittest.TestCase):
    def begin(self, policy="", refused=(MARK,)):
        self.gateway = Gateway(agents=0)
        self.addCleanup(self.gateway.close)
        self.gateway.apply(backend("b", 1) + of("first"), settle=False)
        self.fleet = Fleet(self.gateway, AGENTS, refused=refused)
        self.addCleanup(self.fleet.__exit__)
        self.fleet.wait(1)
        if policy:
            self.gateway.apkctl("rollout", "policy", "set", "-f", "-", stdin=policy)

    def status(self):
        return json.loads(self.gateway.apkctl("rollout", "status", "-o", "json").stdout)

    def held(self):
        return sorted(held["name"] for held in self.status().get("held", []))

    def refusing(self):
        return {agent for agent, _, _ in self.fleet.refusals}

    def apply(self, text, check=True):
        """Until it is at all agents, but for what is held back; the outcome and the seconds."""
        begun = time.monotonic()
        done = self.gateway.apply(text, "--wait=30s", settle=False, check=check)
        return done, time.monotonic() - begun

    def programmed(self, name):
        def there():
            parents = self.gateway.get("httproute", name)["status"]["parents"]
            return next((c for c in parents[0]["conditions"] if c["type"] == "Programmed"), None)
        return eventually(there, f"a condition of {name}")

    def check_goes_on(self, in_stages):
        """A change with something bad in it, and others after it."""
        done, seconds = self.apply(of("good") + of("bad", MARK), check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("HTTPRoute default/bad is held back, agents have none of it", done.stderr)
        self.assertIn("apkctl rollout retry", done.stderr)
        self.assertEqual(self.held(), ["bad"])
        _, alone = self.apply(of("unrelated"))
        print(f"{AGENTS} agents: a change without what was refused of it was live after {seconds:.2f} s, "
              f"an unrelated one after {alone:.2f} s; {len(self.refusing())} refused it")
        if in_stages:
            self.assertLessEqual(len(self.refusing()), max(1, -(-AGENTS * SHARE // 100)))
        self.assertEqual(self.programmed("bad")["reason"], "RefusedByAgent")
        self.assertIn(MARK, self.programmed("bad")["message"])
        shown = self.gateway.apkctl("rollout", "status").stdout
        self.assertIn("HTTPRoute default/bad is held back", shown)

        # What was accepted of an object stays in force.
        done, _ = self.apply(of("first", MARK), check=False)
        self.assertIn("HTTPRoute default/first is held back, agents go on with what it was at revision", done.stderr)
        self.assertEqual(self.held(), ["bad", "first"])

        # A start knows it, and makes the same of it.
        before = self.gateway.fleet()["snapshotVersion"]
        self.gateway.control_plane.stop()
        self.gateway.start_control_plane()
        eventually(lambda: sum(a["upToDate"] for a in self.gateway.fleet()["agents"]) == AGENTS, "the fleet is back",
                   4 * harness.PATIENCE)
        self.assertEqual(self.gateway.fleet()["snapshotVersion"], before)
        self.assertEqual(self.held(), ["bad", "first"])

        # Put right, or taken back, it is held back no more.
        self.apply(of("bad", "mended"))
        self.assertEqual(self.held(), ["first"])
        self.apply(of("first"))
        self.assertEqual(self.held(), [])
        if in_stages:
            self.assertLessEqual(len(self.refusing()), 3 * max(1, -(-AGENTS * SHARE // 100)))

    def test_in_stages(self):
        self.begin(POLICY)
        self.check_goes_on(in_stages=True)

    def test_in_stages_where_agents_do_not_say_what(self):
        self.begin(POLICY, (MARK, "unnamed"))
        self.check_goes_on(in_stages=True)

    def test_without_a_policy(self):
        self.begin()
        self.check_goes_on(in_stages=False)

    def test_without_a_policy_where_agents_do_not_say_what(self):
        self.begin(refused=(MARK, "unnamed"))
        self.check_goes_on(in_stages=False)


if __name__ == "__main__":
    harness.main()
