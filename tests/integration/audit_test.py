"""The audit log: every change and every refused one, by both APIs, and never a Secret."""
import base64
import json
import os
import signal
import subprocess
import unittest

import harness
from durability_test import config_map
from harness import Gateway, eventually
from users import User

VALUES = ("first-secret-value", "second-secret-value")


def secret(name, value):
    return (f"apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\n  annotations: {{note: about-{value}}}\n"
            f"stringData: {{password: {value}}}\n")


class Audit(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway(agents=0)
        cls.addClassCleanup(cls.gateway.close)
        cls.file = cls.gateway.directory / "audit.log"
        cls.gateway.control_plane.stop()
        roles = cls.gateway.directory / "roles.yaml"
        roles.write_text("bindings:\n- {role: admin, users: [admin]}\n- {role: viewer, users: [eve]}\n")
        cls.gateway.control_plane_flags = ("--audit-log", str(cls.file), "--roles", str(roles))
        cls.gateway.start_control_plane()
        cls.admin, cls.eve = User(cls.gateway, "admin"), User(cls.gateway, "eve")

    def apply(self, text, *arguments, check=True):
        return self.gateway.apkctl("apply", "-f", "-", *arguments, stdin=text, check=check)

    def entries(self):
        return [json.loads(line) for line in self.file.read_text().splitlines()]

    def noted(self, action):
        """What `action` brings: it is there as soon as the change is answered."""
        before = len(self.entries())
        action()
        return self.entries()[before:]

    def refusals(self, action):
        """The same of what is refused, which may be written a moment later."""
        before = len(self.entries())
        action()
        return eventually(lambda: self.entries()[before:], "it is noted")

    def revision(self):
        return json.loads(self.gateway.apkctl("version", "-o", "json").stdout)["revision"]

    def test_a_change_says_who_what_where_from_and_which_fields(self):
        self.apply(config_map("noted"))
        entry, = self.noted(lambda: self.apply(config_map("noted", "2") + config_map("noted-too")))
        self.assertRegex(entry["time"], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertRegex(entry["address"], r"^127\.0\.0\.1:\d+$")
        self.assertEqual({key: entry[key] for key in ("user", "api", "verb", "result", "revision", "objects")},
                         {"user": "spiffe://apk/user/admin", "api": "grpc", "verb": "apply", "result": "OK",
                          "revision": self.revision(), "objects": [
                              {"kind": "ConfigMap", "namespace": "default", "name": "noted", "action": "configured",
                               "fields": ["data.key"]},
                              {"kind": "ConfigMap", "namespace": "default", "name": "noted-too", "action": "created"}]})
        entry, = self.noted(lambda: self.gateway.apkctl("delete", "cm", "noted-too"))
        self.assertEqual((entry["verb"], entry["objects"][0]["action"]), ("delete", "deleted"))
        entry, = self.noted(lambda: self.gateway.apkctl("rollback", "--to", self.revision() - 1))
        self.assertEqual((entry["verb"], [o["name"] for o in entry["objects"]]), ("rollback", ["noted-too"]))

    def test_what_changes_nothing_is_not_noted(self):
        self.apply(config_map("calm"))
        self.assertEqual(self.noted(lambda: self.apply(config_map("calm", "2"), "--dry-run=server")), [])
        self.assertEqual(self.noted(lambda: self.gateway.apkctl("get", "cm", "calm")), [])

    def test_what_is_refused_is_noted(self):
        def wrong():
            self.apply("apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: wrong}\n"
                       "spec: {gatewayClassName: apk, listeners: [{name: a, port: 70000, protocol: HTTP}]}\n", check=False)
        entry, = self.refusals(wrong)
        self.assertEqual((entry["verb"], entry["result"]), ("apply", "Invalid"))
        self.assertIn("spec.listeners[0].port: ", entry["message"])
        entry, = self.refusals(lambda: self.eve.apkctl("apply", "-f", "-", stdin=config_map("never")))
        self.assertEqual((entry["user"], entry["result"]), ("spiffe://apk/user/eve", "Forbidden"))
        self.assertEqual(entry["objects"], [{"kind": "ConfigMap", "namespace": "default", "name": "never"}])
        self.assertIn('User "eve" cannot apply', entry["message"])
        entry, = self.refusals(lambda: self.eve.apkctl("rollback", "--to", "1", "--dry-run"))
        self.assertEqual((entry["verb"], entry["result"]), ("rollback", "Forbidden"))

    def test_the_kubernetes_api_notes_the_same(self):
        where = "/api/v1/namespaces/default/configmaps"
        made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "by-kubectl"}, "data": {"key": "1"}}
        entry, = self.noted(lambda: self.admin.kubernetes("POST", where, made))
        self.assertEqual((entry["api"], entry["verb"], entry["result"], entry["revision"]),
                         ("kubernetes", "create", "OK", self.revision()))
        self.assertRegex(entry["address"], r"^127\.0\.0\.1:\d+$")
        entry, = self.noted(lambda: self.admin.kubernetes("PATCH", where + "/by-kubectl", {"data": {"key": "2"}},
                                                          "application/merge-patch+json"))
        self.assertEqual(entry["objects"], [{"kind": "ConfigMap", "namespace": "default", "name": "by-kubectl",
                                             "action": "configured", "fields": ["data.key"]}])
        for user, method, path, body, verb, result in (
                (self.eve, "DELETE", where + "/by-kubectl", None, "delete", "Forbidden"),
                (self.admin, "POST", where, made, "create", "AlreadyExists"),
                (self.admin, "POST", where, {**made, "metadata": 1}, "create", "Invalid"),
                (self.eve, "POST", where, made, "create", "Forbidden"),
                (self.admin, "DELETE", where + "/missing", None, "delete", "NotFound")):
            entry, = self.refusals(lambda: user.kubernetes(method, path, body))
            self.assertEqual((entry["verb"], entry["result"]), (verb, result), entry)
            self.assertIn(entry["objects"][0]["name"], ("by-kubectl", "missing", ""))
        self.assertEqual(self.noted(lambda: self.admin.kubernetes(
            "POST", where + "?dryRun=All", {**made, "metadata": {"name": "dry"}})), [])
        entry, = self.noted(lambda: self.admin.kubernetes("DELETE", where + "/by-kubectl"))
        self.assertEqual(entry["objects"][0]["action"], "deleted")

    def test_values_of_secrets_are_never_in_it(self):
        for value in VALUES:
            entry, = self.noted(lambda: self.apply(secret("kept", value)))
        self.assertIn("data.password", entry["objects"][0]["fields"])
        where = "/api/v1/namespaces/default/secrets"
        for data in ({"stringData": {"password": VALUES[0]}}, {"data": {"password": VALUES[0] + "!"}},
                     {"data": VALUES[0]}):
            body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "k"}, **data}
            for user in (self.admin, self.eve):
                self.refusals(lambda: user.kubernetes("POST", where, body))
        self.gateway.apkctl("backup", "-o", self.gateway.directory / "audited.backup")
        self.assertEqual(self.noted(lambda: self.gateway.apkctl("export", "--with-secrets"))[0]["verb"], "export")
        text = self.file.read_text()
        for value in VALUES:
            self.assertNotIn(value, text)
            self.assertNotIn(base64.b64encode(value.encode()).decode(), text)

    def test_revocations_are_noted_and_what_the_revoked_try(self):
        mallory = User(self.gateway, "mallory")
        entry, = self.noted(lambda: self.gateway.apkctl("users", "revoke", "mallory"))
        self.assertEqual((entry["verb"], entry["result"], entry["objects"]),
                         ("revoke", "OK", [{"kind": "User", "name": "mallory"}]))
        made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "tried"}}
        where = "/api/v1/namespaces/default/configmaps"
        for action in (lambda: mallory.apkctl("apply", "-f", "-", stdin=config_map("tried")),
                       lambda: mallory.kubernetes("POST", where, made)):
            entry, = self.refusals(action)
            self.assertEqual((entry["user"], entry["result"]), ("spiffe://apk/user/mallory", "Forbidden"))
            self.assertIn("revoked", entry["message"])
        entry, = self.noted(lambda: self.gateway.apkctl("users", "unrevoke", "mallory"))
        self.assertEqual(entry["verb"], "unrevoke")

    def test_logrotate_moves_it_away(self):
        self.apply(config_map("rotated"))
        old = self.gateway.directory / "audit.log.1"
        self.file.rename(old)
        os.kill(self.gateway.control_plane.process.pid, signal.SIGHUP)
        eventually(self.file.exists, "a new file")
        self.apply(config_map("rotated", "2"))
        self.assertEqual([entry["objects"][0]["fields"] for entry in self.entries()], [["data.key"]])
        self.assertTrue(old.read_text().endswith("}\n"))


class Stuck(unittest.TestCase):
    def test_nothing_is_changed_while_nobody_reads_it_and_nothing_is_lost(self):
        with Gateway(agents=0) as gateway:
            pipe = gateway.directory / "audit.pipe"
            os.mkfifo(pipe)
            reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
            self.addCleanup(os.close, reader)
            gateway.control_plane.stop()
            gateway.control_plane_flags = ("--audit-log", str(pipe))
            gateway.start_control_plane()
            acknowledged = []
            for number in range(2000):  # Until the pipe is full: 64 KiB.
                result = gateway.apkctl("apply", "-f", "-", stdin="".join(
                    config_map(f"n{number}-{part}") for part in range(200)), check=False)
                if result.returncode != 0:
                    break
                acknowledged.append(f"n{number}-0")
            self.assertRegex(result.stderr, r"the audit log .*audit\.pipe can't be written \(.*\), and nothing is "
                                            r"changed that is not noted there")
            self.assertEqual(gateway.apkctl("get", "cm", f"n{number}-0", check=False).returncode, 1)
            text = ""

            def read_on():
                nonlocal text
                try:
                    text += os.read(reader, 1 << 20).decode()
                except BlockingIOError:
                    pass
                return all(f'"{name}"' in text for name in acknowledged)
            eventually(read_on, "every acknowledged change is noted")
            eventually(lambda: read_on() and gateway.apkctl("apply", "-f", "-", stdin=config_map("later"), check=False)
                       .returncode == 0, "changes are taken again")

    def test_standard_error_that_nobody_reads_holds_up_neither_reading_nor_the_end(self):
        with Gateway(agents=0) as gateway:
            gateway.control_plane.stop()
            read, write = os.pipe()
            self.addCleanup(os.close, read)
            command = ["--data-dir", str(gateway.data), "--listen", f"127.0.0.1:{gateway.grpc_port}",
                       "--token-issuer-listen", "127.0.0.1:0", "--kubernetes-listen", "off", "--audit-log", "-"]
            process = subprocess.Popen([str(harness.BIN / "apk-control-plane"), *command], stdout=subprocess.PIPE,
                                       stderr=write)
            os.close(write)
            self.addCleanup(process.stdout.close)
            self.addCleanup(process.kill)
            self.assertIn(b"ready", process.stdout.readline())
            for number in range(2000):  # Until the pipe is full: 64 KiB.
                result = gateway.apkctl("apply", "-f", "-", stdin="".join(
                    config_map(f"n{number}-{part}") for part in range(200)), check=False)
                if result.returncode != 0:
                    break
            self.assertIn("and nothing is changed that is not noted there", result.stderr)
            gateway.apkctl("get", "ns")
            process.terminate()
            self.assertEqual(process.wait(20), 0)
            gateway.start_control_plane()

    def test_a_file_that_cannot_be_written_keeps_the_control_plane_from_starting(self):
        with Gateway(agents=0) as gateway:
            run = subprocess.run([str(harness.BIN / "apk-control-plane"), "--data-dir", str(gateway.directory / "other"),
                                  "--audit-log", str(gateway.directory / "missing/audit.log")], capture_output=True,
                                 text=True, timeout=harness.PATIENCE)
            self.assertEqual(run.returncode, 1)
            self.assertIn("--audit-log: can't write ", run.stderr)


if __name__ == "__main__":
    harness.main()
