"""A change reaches one agent with a label first, and the others where that is well with it."""
import contextlib
import json
import signal
import socket
import subprocess
import threading
import time
import unittest

import harness
from harness import backend, eventually, free_port, plain_gateway, reference, response, status_of
from users import User

SOAK = 1.0  # Seconds.
POLICY = """
stages:
- name: canary
  selector: tier=canary
  soak: 1s
- name: half
  share: 50%
timeout: 10s
"""


def rule(path, name):
    return f"  - matches: [{{path: {{type: PathPrefix, value: {path}}}}}]\n    backendRefs: [{reference(name)}]\n"


class Fleet(harness.Gateway):
    """Agent 1 has the label tier=canary; 2 and 3 have none."""

    def __init__(self, **options):
        super().__init__(agents=3, agent_flags=("--workers", "1"), **options)

    def start_agent(self, number=1, wait=True):
        directory = self.directory / f"identity-{number}"
        if not directory.exists():
            labels = ["--label", "tier=canary"] if number == 1 else []
            subprocess.run([str(harness.BIN / "apk-control-plane"), "issue-certificate", "--data-dir", str(self.data),
                            "--agent", f"agent-{number}", "--out", str(directory), *labels],
                           check=True, capture_output=True)
        self.agents[number] = harness.Process(
            f"apk-data-plane.{number}", "--id", f"agent-{number}", "--control-plane", f"127.0.0.1:{self.grpc_port}",
            "--ca", self.data / "pki/ca.crt", "--cert", directory / f"agent-{number}.crt", "--key",
            directory / f"agent-{number}.key", "--address", self.address_of_agent(number), "--data-dir",
            self.directory / f"agent-{number}", "--admin", "127.0.0.1:0", "--drain-seconds", "1", *self.agent_flags,
            wait=wait, directory=self.directory)

    def status(self):
        return json.loads(self.apkctl("rollout", "status", "-o", "json").stdout)

    def rollout(self):
        return self.status().get("rollout", {})

    def ended(self, state, seconds=harness.PATIENCE):
        """Until the newest rollout is in that state."""
        def there():
            rollout = self.rollout()
            return rollout if rollout.get("state") == state else None
        return eventually(there, f"a rollout that is {state}; it is {self.rollout()}", seconds)

    def at_stage(self, name, state):
        def there():
            stages = {stage["name"]: stage["state"] for stage in self.status().get("stages", [])}
            return stages.get(name) == state
        eventually(there, f"stage {name} {state}")

    def versions(self):
        """What each agent runs."""
        return {agent["id"]: agent["snapshotVersion"] for agent in self.fleet()["agents"] if agent["connected"]}

    def ask(self, number, path):
        return status_of(f"127.0.0.{number}", self.plain_port, path)


class Asking:
    """Requests to one agent, one after the other, until it ends."""

    def __init__(self, fleet, number, path):
        self.statuses = []
        self._fleet, self._number, self._path = fleet, number, path
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while not self._stopping.wait(0.01):
            with contextlib.suppress(OSError):
                self.statuses.append(self._fleet.ask(self._number, self._path))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stopping.set()
        self._thread.join()


class Rollouts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.good = harness.FakeBackend()
        cls.addClassCleanup(cls.good.close)
        cls.bad = harness.FakeBackend(lambda request: response(b"no", "500 Internal Server Error"))
        cls.addClassCleanup(cls.bad.close)
        cls.fleet = Fleet()
        cls.addClassCleanup(cls.fleet.close)
        cls.fleet.plain_port = free_port()
        cls.fleet.apply(plain_gateway(cls.fleet.plain_port) + backend("good", cls.good.port)
                        + backend("bad", cls.bad.port) + harness.route("first", rule("/first", "good")))

    def setUp(self):
        self.begin_anew()

    def begin_anew(self):
        """The newest revision at every agent, and the policy of this test."""
        self.fleet.apkctl("rollout", "policy", "remove", "--force")
        self.fleet.settle()
        self.set_policy(POLICY)

    def set_policy(self, text):
        return self.fleet.apkctl("rollout", "policy", "set", "-f", "-", stdin=text)

    def apply(self, text, *arguments, check=True):
        return self.fleet.apply(text, *arguments, check=check, settle=False)

    def test_a_good_change_goes_through_the_stages(self):
        before = self.fleet.versions()
        begun = time.monotonic()
        self.apply(harness.route("good", rule("/good", "good")))
        eventually(lambda: self.fleet.ask(1, "/good") == 200, "the change at the canary")
        # The others have to wait for it to have run there for a while.
        if time.monotonic() - begun < SOAK:
            self.assertEqual((self.fleet.ask(2, "/good"), self.fleet.ask(3, "/good")), (404, 404))
        watched = self.fleet.apkctl("rollout", "status", "--watch")
        self.assertGreaterEqual(time.monotonic() - begun, SOAK)
        self.assertIn("stage canary, waits for", watched.stdout)
        self.assertIn("Promoted", watched.stdout.splitlines()[-1])
        self.fleet.settle()
        for number in (1, 2, 3):
            self.assertEqual(self.fleet.ask(number, "/good"), 200)
        self.assertNotEqual(self.fleet.versions(), before)
        rollout = self.fleet.rollout()
        self.assertEqual(self.fleet.status()["promotedRevision"], rollout["revision"])
        table = self.fleet.apkctl("rollout", "history").stdout.splitlines()
        self.assertEqual(table[1].split()[0], str(rollout["number"]))
        self.assertIn("Promoted", table[1])

    def test_apply_waits_for_all_stages(self):
        begun = time.monotonic()
        done = self.apply(harness.route("waited", rule("/waited", "good")), "--wait=20s")
        self.assertGreaterEqual(time.monotonic() - begun, SOAK)
        self.assertIn("stage canary", done.stdout)
        self.assertIn("is live on 3 agents", done.stdout)
        for number in (1, 2, 3):
            self.assertEqual(self.fleet.ask(number, "/waited"), 200)

    def test_what_is_no_change_for_agents_needs_no_rollout(self):
        number = self.fleet.rollout().get("number", 0)
        self.apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: unrelated}\ndata: {a: b}\n", "--wait=5s")
        self.assertEqual(self.fleet.rollout().get("number", 0), number)

    def test_a_port_that_the_canary_can_not_bind_gets_no_further(self):
        self.set_policy(POLICY + "onRefusal: Hold\n")
        before = self.fleet.versions()
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", 0))  # Of the canary alone.
            holder.listen()
            taken = holder.getsockname()[1]
            begun = time.monotonic()
            failed = self.apply(plain_gateway(taken, "second"), "--wait=20s", check=False)
            self.assertLess(time.monotonic() - begun, 5)
            self.assertEqual(failed.returncode, 1)
            self.assertIn("agent-1", failed.stderr)
            self.assertIn(str(taken), failed.stderr)
            rollout = self.fleet.rollout()
            self.assertEqual((rollout["state"], rollout["stage"]), ("Failed", "canary"))
            self.assertEqual(rollout["refusals"][0]["agent"], "agent-1")
            self.assertEqual(rollout["refusals"][0]["resource"], "listener/default/second/http")
            eventually(lambda: self.fleet.versions() == before, "the canary runs what it ran before",
                       5 - (time.monotonic() - begun))
            for number in (2, 3):
                with self.assertRaises(OSError):
                    status_of(f"127.0.0.{number}", taken)
            for number in (1, 2, 3):
                self.assertEqual(self.fleet.ask(number, "/first"), 200)

            def programmed():
                conditions = {c["type"]: c for c in self.fleet.get("gateway", "second")["status"]["conditions"]}
                found = conditions["Programmed"]
                return found if found["reason"] == "RefusedByAgent" else None
            condition = eventually(programmed, "the Gateway says why it is not served")
            self.assertEqual(condition["status"], "False")
            self.assertIn("agent-1", condition["message"])
            # Other changes go on without it.
            self.apply(harness.route("beside", rule("/beside", "good")), "--wait=20s")
            for number in (1, 2, 3):
                self.assertEqual(self.fleet.ask(number, "/beside"), 200)
            held = self.fleet.status()["held"]
            self.assertEqual([(one["kind"], one["name"]) for one in held], [("Gateway", "second")])
        # It is not tried again by itself, but on demand; by now the port is free.
        self.fleet.apkctl("rollout", "retry")
        eventually(lambda: not self.fleet.status().get("held"), "nothing is held back any more")
        self.fleet.ended("Promoted")
        for number in (1, 2, 3):
            eventually(lambda: status_of(f"127.0.0.{number}", taken) == 404, "the port is served")
        self.fleet.apkctl("delete", "gateway", "second")
        self.fleet.ended("Promoted")

    def test_errors_at_the_canary_bring_it_back(self):
        self.set_policy(POLICY.replace("soak: 1s", "soak: 20s")
                        + "errorRate: {max: 20%, minRequests: 10}\n")
        with Asking(self.fleet, 1, "/first") as asking:
            self.apply(harness.route("first", rule("/first", "bad")))
            rollout = self.fleet.ended("Failed", 15)
            self.assertIn("were answered with 5xx", rollout["reason"])
            seen = len(asking.statuses)
            eventually(lambda: self.fleet.ask(1, "/first") == 200, "the canary is back", 5)
            eventually(lambda: len(asking.statuses) > seen + 5, "further answers")
            self.assertEqual(asking.statuses[-1], 200)
            self.assertIn(500, asking.statuses)
        for number in (2, 3):
            self.assertEqual(self.fleet.ask(number, "/first"), 200)
        # The way back in the store ends it, too: there is nothing to roll out then.
        self.apply(harness.route("first", rule("/first", "good")), "--wait=10s")
        self.assertEqual(self.fleet.rollout()["number"], rollout["number"])

    def test_users_steer_it(self):
        self.set_policy(POLICY.replace("soak: 1s", "soak: 1h"))
        self.apply(harness.route("steered", rule("/steered", "good")))
        self.fleet.at_stage("canary", "Soaking")
        self.assertIn("Paused", self.fleet.apkctl("rollout", "pause").stdout)
        self.assertIn("paused already", self.fleet.apkctl("rollout", "pause", check=False).stderr)
        self.assertIn("Progressing", self.fleet.apkctl("rollout", "resume").stdout)
        self.assertEqual(self.fleet.ask(2, "/steered"), 404)
        refused = self.fleet.apkctl("rollout", "policy", "remove", check=False)
        self.assertIn("would reach all of them at once", refused.stderr)
        self.fleet.apkctl("rollout", "promote")
        self.fleet.ended("Promoted")
        self.fleet.settle()
        self.assertEqual(self.fleet.ask(2, "/steered"), 200)

        self.apply(harness.route("steered", rule("/other", "good")))
        eventually(lambda: self.fleet.ask(1, "/other") == 200, "the change at the canary")
        self.fleet.apkctl("rollout", "abort")
        eventually(lambda: self.fleet.ask(1, "/other") == 404, "the canary is back", 5)
        self.assertEqual(self.fleet.ask(1, "/steered"), 200)
        self.assertIn("Aborted", self.fleet.apkctl("rollout", "history").stdout.splitlines()[1])
        self.assertIn("no rollout is under way", self.fleet.apkctl("rollout", "promote", check=False).stderr)

    def test_a_newer_change_takes_the_place_of_one_that_is_under_way(self):
        self.set_policy(POLICY.replace("soak: 1s", "soak: 1h"))
        self.apply(harness.route("newer", rule("/one", "good")))
        eventually(lambda: self.fleet.ask(1, "/one") == 200, "the change at the canary")
        first = self.fleet.rollout()["number"]
        self.apply(harness.route("newer", rule("/two", "good")))
        eventually(lambda: self.fleet.ask(1, "/two") == 200, "the newer change at the canary")
        rollout = self.fleet.rollout()
        self.assertEqual(rollout["number"], first + 1)
        self.assertIn("Superseded", self.fleet.apkctl("rollout", "history").stdout.splitlines()[1])
        self.fleet.apkctl("rollout", "abort")
        eventually(lambda: self.fleet.ask(1, "/two") == 404, "the canary is back")

    def test_a_new_agent_gets_what_was_promoted(self):
        self.set_policy(POLICY.replace("soak: 1s", "soak: 1h"))
        self.apply(harness.route("held", rule("/held", "good")))
        eventually(lambda: self.fleet.ask(1, "/held") == 200, "the change at the canary")
        self.fleet.start_agent(4)
        try:
            self.assertEqual(self.fleet.ask(4, "/first"), 200)
            self.assertEqual(self.fleet.ask(4, "/held"), 404)
            self.fleet.apkctl("rollout", "promote")
            self.fleet.ended("Promoted")
            eventually(lambda: self.fleet.ask(4, "/held") == 200, "the change at the new agent")
        finally:
            self.fleet.agents.pop(4).stop()

    def test_a_control_plane_that_is_killed_goes_on_where_it_stood(self):
        self.set_policy(POLICY.replace("soak: 1s", "soak: 4s"))
        self.apply(harness.route("killed", rule("/killed", "good")))
        self.fleet.at_stage("canary", "Soaking")
        number = self.fleet.rollout()["number"]
        with Asking(self.fleet, 1, "/killed") as canary, Asking(self.fleet, 2, "/killed") as other:
            self.fleet.control_plane.stop(signal.SIGKILL)
            self.fleet.start_control_plane()
            rollout = self.fleet.rollout()
            self.assertEqual((rollout["number"], rollout["state"], rollout["stage"]), (number, "Progressing", "canary"))
            self.fleet.ended("Promoted")
            self.assertEqual(self.fleet.rollout()["number"], number)
            self.fleet.settle()
        # The canary kept the change, and the others got it once and for all.
        self.assertEqual(set(canary.statuses), {200})
        self.assertEqual(other.statuses, sorted(other.statuses, reverse=True))
        self.assertEqual(self.fleet.ask(2, "/killed"), 200)

    def test_one_that_failed_has_still_failed_after_a_kill(self):
        before = self.fleet.versions()
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", 0))
            holder.listen()
            self.apply(plain_gateway(holder.getsockname()[1], "third"))
            failed = self.fleet.ended("Failed")
            eventually(lambda: self.fleet.versions() == before, "the canary is back")
            self.fleet.control_plane.stop(signal.SIGKILL)
            self.fleet.start_control_plane()
            eventually(lambda: len(self.fleet.versions()) == 3, "all agents are back")
            self.assertEqual(self.fleet.rollout()["number"], failed["number"])
            self.assertEqual(self.fleet.versions(), before)
            self.assertEqual(self.fleet.rollout()["reason"], failed["reason"])
            self.fleet.apkctl("delete", "gateway", "third")

    def test_a_policy_that_is_wrong_is_refused_at_its_place(self):
        wrong = self.fleet.apkctl("rollout", "policy", "set", "-f", "-", check=False,
                                  stdin="stages:\n- name: a\n  share: lots\n")
        self.assertEqual(wrong.returncode, 1)
        self.assertIn("STDIN:3:3: error: stages[0].share: \"lots\" is no share", wrong.stderr)
        unknown = self.fleet.apkctl("rollout", "policy", "set", "-f", "-", check=False,
                                    stdin="stages:\n- shares: 10%\n")
        self.assertIn("did you mean \"share\"?", unknown.stderr)
        shown = self.fleet.apkctl("rollout", "policy", "show").stdout
        self.assertIn("selector: tier=canary", shown)

    def test_without_a_policy_everything_is_as_it_was(self):
        self.fleet.apkctl("rollout", "policy", "remove")
        done = self.apply(harness.route("plain", rule("/plain", "good")), "--wait=10s")
        self.assertIn("is live on 3 agents", done.stdout)
        self.assertNotIn("rollout", done.stdout)
        self.assertIn("no rollout policy", self.fleet.apkctl("rollout", "policy", "show").stderr)


class Roles(unittest.TestCase):
    def refusals_are_for_who_may_read_there(self, fleet, users):
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", 0))  # Of the canary alone.
            holder.listen()
            taken = str(holder.getsockname()[1])
            fleet.apply(plain_gateway(taken, "second"), settle=False)
            fleet.ended("Failed")
            self.bob_is_told_of_no_gateway(users, taken)
            self.assertIn("agents refuse it", users["bob"].apkctl("rollout", "status").stdout)
            fleet.apkctl("rollout", "policy", "set", "-f", "-", stdin=POLICY + "onRefusal: Hold\n")
            fleet.apkctl("rollout", "retry")
            eventually(lambda: fleet.status().get("held"), "it is held back")
            self.assertIn("held back: Gateway", users["eve"].apkctl("rollout", "history").stdout)
            self.bob_is_told_of_no_gateway(users, taken)

    def bob_is_told_of_no_gateway(self, users, taken):
        for arguments in (("status",), ("status", "-o", "json"), ("history",)):
            for name in ("ann", "eve"):
                self.assertIn("second", users[name].apkctl("rollout", *arguments).stdout, arguments)
            told = users["bob"].apkctl("rollout", *arguments).stdout
            self.assertNotIn("second", told)
            self.assertNotIn(taken, told)
        self.assertIn("agents refuse it", told)

    def test_who_may_steer(self):
        roles = ("bindings:\n- {role: admin, users: [admin]}\n- {role: editor, users: [ann], namespaces: [\"*\"]}\n"
                 "- {role: editor, users: [bob], namespaces: [shop]}\n- {role: viewer, users: [eve]}\n")
        with Fleet() as fleet:
            fleet.plain_port = free_port()
            audit = fleet.directory / "audit.log"
            fleet.control_plane.stop()
            (fleet.directory / "roles.yaml").write_text(roles)
            fleet.control_plane_flags = ("--roles", fleet.directory / "roles.yaml", "--audit-log", audit)
            fleet.start_control_plane()
            fleet.apkctl("rollout", "policy", "set", "-f", "-", stdin=POLICY.replace("soak: 1s", "soak: 1h"))
            fleet.apply(plain_gateway(fleet.plain_port), settle=False)
            fleet.at_stage("canary", "Soaking")
            users = {name: User(fleet, name) for name in ("ann", "bob", "eve", "nobody")}
            for name in ("ann", "bob", "eve"):
                self.assertIn("Progressing", users[name].apkctl("rollout", "status").stdout)
            self.assertIn("forbidden", users["nobody"].apkctl("rollout", "status").stderr)
            for name, what in (("eve", "abort"), ("bob", "abort"), ("bob", "pause"), ("ann", "promote")):
                self.assertIn(f"cannot {what} resource \"rollouts\"", users[name].apkctl("rollout", what).stderr)
            self.assertIn("forbidden", users["ann"].apkctl("rollout", "policy", "remove", "--force").stderr)
            self.assertEqual(users["ann"].apkctl("rollout", "pause").returncode, 0)
            self.assertEqual(users["ann"].apkctl("rollout", "abort").returncode, 0)
            entries = [json.loads(line) for line in audit.read_text().splitlines()]
            noted = [(entry["user"].rsplit("/", 1)[1], entry["verb"], entry["result"]) for entry in entries
                     if entry.get("objects", [{}])[0].get("kind") in ("Rollout", "RolloutPolicy")]
            self.assertEqual(noted[0], ("admin", "update", "OK"))
            self.assertIn(("bob", "pause", "Forbidden"), noted)
            self.assertEqual(noted[-1], ("ann", "abort", "OK"))
            self.refusals_are_for_who_may_read_there(fleet, users)


if __name__ == "__main__":
    harness.main()
