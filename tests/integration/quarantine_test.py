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
STAGES = f"stages: [{{name: few, share: {SHARE}%}}, {{name: half, share: 50%}}]\ntimeout: 20s\n"
POLICY = STAGES + "onRefusal: Hold\n"


def of(name, value="fine"):
    header = f"{{name: X-Mark, value: {value}}}"
    return route(name, f"  - filters: [{{type: RequestHeaderModifier, requestHeaderModifier: {{set: [{header}]}}}}]\n"
                       f"    backendRefs: [{reference('b')}]\n",
                 parent="wso2-apk-default", hostnames=[f"{name}.gw.wso2.com"])


class Quarantine(unittest.TestCase):
    def begin(self, policy, refused=(MARK,)):
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

    def versions(self):
        return [agent["snapshotVersion"] for agent in self.gateway.fleet()["agents"]]

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

    def check_goes_on(self, named):
        """A change with something bad in it, and others after it."""
        done, seconds = self.apply(of("good") + of("bad", MARK), check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("HTTPRoute default/bad is held back, agents have none of it", done.stderr)
        self.assertIn("apkctl rollout retry", done.stderr)
        self.assertEqual(self.held(), ["bad"])
        _, alone = self.apply(of("unrelated"))
        self.assertLess(alone, harness.PATIENCE)
        self.assertEqual(self.held(), ["bad"])
        print(f"{AGENTS} agents: a change without what was refused of it was live after {seconds:.2f} s, "
              f"an unrelated one after {alone:.2f} s; {len(self.refusing())} refused it")
        self.assertLessEqual(len(self.refusing()), max(1, -(-AGENTS * SHARE // 100)))
        self.assertEqual(self.programmed("bad")["reason"], "RefusedByAgent")
        self.assertEqual(MARK in self.programmed("bad")["message"], named)
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
        self.assertLessEqual(len(self.refusing()), 3 * max(1, -(-AGENTS * SHARE // 100)))

    def test_it_is_held_back(self):
        self.begin(POLICY)
        self.check_goes_on(named=True)

    def test_it_is_searched_for_where_agents_do_not_say_what(self):
        self.begin(POLICY, (MARK, "unnamed"))
        self.check_goes_on(named=False)

    def test_unless_the_policy_says_so_all_of_it_goes_back(self):
        self.begin(STAGES)
        before = self.versions()
        done, _ = self.apply(of("good") + of("bad", MARK), check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("Failed", done.stderr)
        self.assertEqual(self.held(), [])
        eventually(lambda: self.versions() == before, "all agents run what they ran before")
        self.assertLessEqual(len(self.refusing()), max(1, -(-AGENTS * SHARE // 100)))

    def test_without_a_policy_agents_stay_as_they_are(self):
        self.begin("")
        done, _ = self.apply(of("good") + of("bad", MARK), check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("refuses it", done.stderr)
        self.assertEqual(len(self.refusing()), AGENTS)
        self.assertEqual(self.held(), [])
        self.apply(of("bad", "mended"))

    def test_a_restore_that_is_refused_changes_nothing(self):
        self.begin(POLICY)
        self.apply(of("good") + of("bad", MARK), check=False)
        self.assertEqual(self.held(), ["bad"])
        file = self.gateway.data / "held.backup"
        self.gateway.apkctl("backup", "-o", file)
        other = Gateway(agents=0)
        self.addCleanup(other.close)
        other.apply(backend("b", 1) + of("bad", MARK), settle=False)
        refused = other.apkctl("restore", "-f", file, check=False)
        self.assertIn("is not new", refused.stderr)
        self.assertNotIn("held", json.loads(other.apkctl("rollout", "status", "-o", "json").stdout))


if __name__ == "__main__":
    harness.main()
