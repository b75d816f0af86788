"""Revisions: what would change, that it is live, what was changed, and back."""
import base64
import json
import os
import signal
import unittest

import harness
from harness import Gateway


def config_map(name, value):
    return (f"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n"
            f"data: {{key: '{value}'}}\n")


class Revisions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway(agents=2)
        cls.addClassCleanup(cls.gateway.close)

    def revision(self):
        return json.loads(self.gateway.apkctl("version", "-o", "json").stdout)["revision"]

    def value(self, name):
        return self.gateway.get("cm", name)["data"]["key"]

    def diff(self, text):
        return self.gateway.apkctl("diff", "-f", "-", stdin=text, check=False)

    def test_diff_shows_what_an_apply_would_change_and_changes_nothing(self):
        self.gateway.apply(config_map("compared", "old"))
        before = self.revision()
        same = self.diff(config_map("compared", "old"))
        self.assertEqual((same.returncode, same.stdout, same.stderr), (0, "", ""))
        result = self.diff(config_map("compared", "new") + config_map("added", "1"))
        self.assertEqual(result.returncode, 1, result.stderr)
        lines = result.stdout.splitlines()
        self.assertIn("-  key: old", lines)
        self.assertIn("+  key: new", lines)
        self.assertIn("+  name: added", lines)
        self.assertFalse([line for line in lines if "resourceVersion" in line or "uid" in line], lines)
        self.assertEqual((self.revision(), self.value("compared")), (before, "old"))

    def test_diff_keeps_the_values_of_secrets(self):
        def secret(value):
            return (f"apiVersion: v1\nkind: Secret\nmetadata: {{name: kept}}\n"
                    f"stringData: {{changed: {value}, same: constant-value}}\n")
        self.gateway.apply(secret("first-value"))
        text = self.diff(secret("second-value")).stdout
        self.assertIn("*** (before)", text)
        self.assertIn("*** (after)", text)
        for value in ("first-value", "second-value", "constant-value"):
            self.assertNotIn(value, text)
            self.assertNotIn(base64.b64encode(value.encode()).decode(), text)

    def test_diff_keeps_what_kubectl_noted_of_secrets(self):
        note = "kubectl.kubernetes.io/last-applied-configuration"
        self.gateway.apply("apiVersion: v1\nkind: Secret\nmetadata:\n  name: noted\n  annotations:\n"
                           f"    {note}: c2VjcmV0LW5vdGU=\ndata: {{a: YQ==}}\n")
        result = self.diff("apiVersion: v1\nkind: Secret\nmetadata: {name: noted}\ndata: {a: Yg==}\n")
        self.assertEqual(result.returncode, 1)
        self.assertNotIn("c2VjcmV0LW5vdGU=", result.stdout)

    def test_diff_has_another_exit_code_for_errors(self):
        result = self.diff("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nextra: 1\n")
        self.assertEqual(result.returncode, 2)
        self.assertIn("STDIN:4:1: error: extra: ", result.stderr)
        self.assertEqual(self.gateway.apkctl("diff", "--bogus", check=False).returncode, 2)

    def test_diff_takes_another_program(self):
        os.environ["APKCTL_EXTERNAL_DIFF"] = "ls -R"
        self.addCleanup(os.environ.pop, "APKCTL_EXTERNAL_DIFF")
        result = self.diff(config_map("listed", "1"))
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("ConfigMap.default.listed", result.stdout)

    def test_an_apply_can_wait_until_it_is_live(self):
        port = harness.free_port()
        result = self.gateway.apply(harness.plain_gateway(port, "waited"), "--wait=30s", settle=False)
        self.assertRegex(result.stdout, r"revision \d+ is live on 2 agents\n$")
        for agent in (1, 2):  # With nothing in between.
            self.assertEqual(self.gateway.curl("/", agent=agent, scheme="http", port=port).status, 404)

    def test_waiting_names_the_agent_that_does_not_follow(self):
        process = self.gateway.agents[2].process
        os.kill(process.pid, signal.SIGSTOP)
        self.addCleanup(os.kill, process.pid, signal.SIGCONT)
        result = self.gateway.apply(harness.plain_gateway(harness.free_port(), "stuck"), "--wait=300ms", check=False)
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, r"error: agent agent-2: still runs revision \d+\n")
        self.assertIn("is stored, but not live everywhere", result.stderr)
        self.assertNotIn("agent-1", result.stderr)

    def test_a_time_to_wait_that_is_none_is_said_before_anything_is_sent(self):
        result = self.gateway.apply(config_map("unsent", "1"), "--wait=soon", check=False)
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertIn('--wait: "soon" is no time: write 500ms, 30s or 2m', result.stderr)
        self.assertEqual(self.gateway.apkctl("get", "cm", "unsent", check=False).returncode, 1)

    def test_history_says_what_was_changed_and_by_whom(self):
        self.gateway.apply(config_map("told", "1") + config_map("told-too", "1"))
        changed = self.revision()
        self.gateway.apkctl("delete", "cm", "told-too")
        history = json.loads(self.gateway.apkctl("history", "-o", "json", "--limit=2").stdout)["revisions"]
        self.assertEqual(len(history), 2)
        self.assertEqual([change.get("deleted", False) for change in history[0]["changes"]], [True])
        self.assertEqual((history[1]["revision"], history[1]["author"]), (changed, "spiffe://apk/user/admin"))
        self.assertEqual([change["key"]["name"] for change in history[1]["changes"]], ["told", "told-too"])
        table = self.gateway.apkctl("history").stdout.splitlines()
        self.assertEqual(table[0].split(), ["REVISION", "AGE", "AUTHOR", "CHANGES"])
        self.assertTrue(table[1].endswith("-configmap/told-too in default"), table[1])

    def test_rollback_makes_everything_what_it_was_as_a_new_revision(self):
        self.gateway.apply(config_map("changed", "first") + config_map("removed", "kept"))
        past = self.revision()
        uid = self.gateway.get("cm", "changed")["metadata"]["uid"]
        self.gateway.apply(config_map("changed", "second") + config_map("new", "1"))
        self.gateway.apkctl("delete", "cm", "removed")
        before = self.revision()
        dry = self.gateway.apkctl("rollback", "--to", past, "--dry-run").stdout
        self.assertEqual(sorted(dry.splitlines()), ["configmap/changed configured (server dry run)",
                                                    "configmap/new deleted (server dry run)",
                                                    "configmap/removed created (server dry run)"])
        self.assertEqual(self.revision(), before)
        text = self.gateway.apkctl("rollback", "--to", past).stdout
        self.assertIn(f"rolled back to revision {past} as revision {before + 1}\n", text)
        self.assertEqual((self.value("changed"), self.value("removed")), ("first", "kept"))
        self.assertEqual(self.gateway.get("cm", "changed")["metadata"]["uid"], uid)
        self.assertEqual(self.gateway.apkctl("get", "cm", "new", check=False).returncode, 1)
        self.assertEqual(self.gateway.apkctl("rollback", "--to", past).stdout,
                         f"nothing differs from revision {past}\n")
        # And forth again.
        self.gateway.apkctl("rollback", "--to", before)
        self.assertEqual((self.value("changed"), self.value("new")), ("second", "1"))

    def test_a_rollback_reaches_the_agents(self):
        port = harness.free_port()
        past = self.revision()
        self.gateway.apply(harness.plain_gateway(port, "short-lived"))
        self.assertEqual(self.gateway.curl("/", scheme="http", port=port).status, 404)
        self.gateway.apkctl("rollback", "--to", past)
        self.gateway.settle()
        self.assertEqual(self.gateway.curl("/", scheme="http", port=port).status, 0)  # Nobody listens.

    def test_a_rollback_takes_labels_of_kept_namespaces_along_but_not_the_token_issuer(self):
        past = self.revision()
        self.gateway.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: default, labels: {later: 'yes'}}\n")
        self.gateway.apkctl("delete", "tokenissuer", "development-issuer")
        text = self.gateway.apkctl("rollback", "--to", past).stdout
        self.assertIn("namespace/default configured", text)
        self.assertNotIn("tokenissuer", text)
        self.assertNotIn("labels", self.gateway.get("ns", "default")["metadata"])

    def test_rollback_to_what_never_was(self):
        for revision, message in (("999999", "there is no revision 999999"), ("x", '--to: "x" is no number above 0'),
                                  ("0", "is no number above 0")):
            result = self.gateway.apkctl("rollback", "--to", revision, check=False)
            self.assertEqual(result.returncode, 1)
            self.assertIn(message, result.stderr)
        missing = self.gateway.apkctl("rollback", check=False)
        self.assertIn("--to is missing", missing.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
