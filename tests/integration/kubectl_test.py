"""The real kubectl against the control plane, in the versions that setup.sh fetches."""
import json
import os
import pathlib
import queue
import ssl
import subprocess
import tempfile
import threading
import unittest

import harness
from harness import Gateway, eventually

EXAMPLES = harness.ROOT / "deploy/examples"
PROGRAMS = harness.ROOT / "build/kubectl"


def backend_document(name, port, protocol="http"):
    return (f"apiVersion: dp.wso2.com/v1alpha2\nkind: Backend\nmetadata: {{name: {name}}}\n"
            f"spec: {{protocol: {protocol}, services: [{{host: 127.0.0.1, port: {port}}}]}}\n")


class Lines:
    """What a program prints, line by line."""

    def __init__(self, process):
        self._lines = queue.Queue()
        threading.Thread(target=self._read, args=(process,), daemon=True).start()

    def _read(self, process):
        for line in process.stdout:
            self._lines.put(line)

    def next(self):
        return self._lines.get(timeout=harness.PATIENCE)


class Kubectl:
    """The tests of one version."""
    version = ""

    @classmethod
    def setUpClass(cls):
        cls.program = PROGRAMS / cls.version / "kubectl"
        if not cls.program.exists():
            raise unittest.SkipTest(f"{cls.program} is missing: tests/run fetches it where npm reaches a registry")
        cls.gateway = Gateway(agents=1)
        cls.addClassCleanup(cls.gateway.close)
        home = tempfile.TemporaryDirectory(prefix="apk-kubectl-")
        cls.addClassCleanup(home.cleanup)
        cls.home = pathlib.Path(home.name)
        cls.kubeconfig = cls.home / "kubeconfig"
        cls.kubeconfig.write_text(cls.gateway.apkctl("kubeconfig").stdout)
        cls.environment = {"PATH": os.environ["PATH"], "HOME": home.name, "KUBECONFIG": str(cls.kubeconfig)}

    def setUp(self):
        """A namespace for each test."""
        self.namespace = self.id().rsplit(".", 1)[1].replace("_", "-")[:60].strip("-")
        self.kubectl("create", "namespace", self.namespace)

    def start(self, *arguments):
        process = subprocess.Popen([str(self.program), "-n", self.namespace, *map(str, arguments)],
                                   env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def run_it(self, *arguments, stdin=None):
        return subprocess.run([str(self.program), "-n", self.namespace, *map(str, arguments)], input=stdin,
                              env=self.environment, capture_output=True, text=True, timeout=harness.PATIENCE)

    def kubectl(self, *arguments, stdin=None):
        run = self.run_it(*arguments, stdin=stdin)
        self.assertEqual(run.returncode, 0, f"kubectl {arguments}: {run.stdout}{run.stderr}")
        return run.stdout

    def refused(self, *arguments, stdin=None):
        run = self.run_it(*arguments, stdin=stdin)
        self.assertEqual(run.returncode, 1, f"kubectl {arguments}: {run.stdout}{run.stderr}")
        return run.stderr

    def apply(self, text, *arguments):
        return self.kubectl("apply", *arguments, "-f", "-", stdin=text)

    def get(self, *arguments):
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    def test_apply_of_the_example_says_what_it_did(self):
        first = self.run_it("apply", "-f", EXAMPLES)
        self.assertEqual(first.returncode, 0, first.stderr)
        self.assertEqual(first.stdout.count(" created"), 5, first.stdout)
        before = {item["metadata"]["name"]: item["metadata"]["resourceVersion"]
                  for item in self.get("backends")["items"]}
        again = self.kubectl("apply", "-f", EXAMPLES)
        self.assertEqual(again.count("backend.dp.wso2.com"), 3)
        self.assertEqual(again.count(" unchanged"), 4, again)
        after = {item["metadata"]["name"]: item["metadata"]["resourceVersion"]
                 for item in self.get("backends")["items"]}
        self.assertEqual(before, after)
        # The same objects, whoever asks.
        ours = json.loads(self.gateway.apkctl("-n", self.namespace, "get", "backend", "mirror-backend",
                                              "-o", "json").stdout)
        self.assertEqual(ours, self.get("backend", "mirror-backend"))

    def test_apply_of_the_guides_own_two_documents(self):
        run = self.run_it("apply", "-f", EXAMPLES / "page")
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn("httproute.gateway.networking.k8s.io/production-httproute created", run.stdout)
        self.assertIn("backend.dp.wso2.com/mirror-backend created", run.stdout)
        self.assertIn("Warning: spec.rules[0]: has no backendRefs", run.stderr)
        old = self.get("backends.v1alpha1.dp.wso2.com", "mirror-backend")
        self.assertEqual(old["apiVersion"], "dp.wso2.com/v1alpha1")
        self.assertIn("backend.dp.wso2.com/mirror-backend unchanged", self.kubectl("apply", "-f", EXAMPLES / "page"))

    def test_an_old_version_has_its_own_field_names(self):
        document = ("apiVersion: dp.wso2.com/v1alpha1\nkind: API\nmetadata: {name: old}\nspec: {apiName: Old, "
                    "apiType: REST, apiVersion: '1', basePath: /old/1, organization: default, "
                    "production: [{httpRouteRefs: [r]}]}\n")
        self.assertIn("created", self.apply(document))
        self.assertIn("unchanged", self.apply(document))
        self.assertIn("configured", self.apply(document.replace("[r]", "[s]")))
        self.assertEqual(self.get("api", "old")["spec"]["production"], [{"routeRefs": ["s"]}])

    def test_get_in_every_form(self):
        self.apply(backend_document("a", 1) + "---\n" + backend_document("b", 2))
        rows = self.kubectl("get", "backends").splitlines()
        self.assertEqual(rows[0].split(), ["NAME", "AGE"])
        self.assertEqual([row.split()[0] for row in rows[1:]], ["a", "b"])
        wide = self.kubectl("get", "backend", "a", "-o", "wide")
        self.assertIn("127.0.0.1:1", wide)
        everywhere = self.kubectl("get", "backends", "-A").splitlines()
        self.assertEqual(everywhere[0].split()[:2], ["NAMESPACE", "NAME"])
        self.assertIn([self.namespace, "a"], [row.split()[:2] for row in everywhere])
        self.assertIn("kind: Backend", self.kubectl("get", "backend", "a", "-o", "yaml"))
        self.assertEqual([item["metadata"]["name"] for item in self.get("backends")["items"]], ["a", "b"])
        self.assertEqual(self.kubectl("get", "backends", "-o", "name"),
                         "backend.dp.wso2.com/a\nbackend.dp.wso2.com/b\n")
        paged = self.kubectl("get", "backends", "--chunk-size=1", "--no-headers").splitlines()
        self.assertEqual([row.split()[0] for row in paged], ["a", "b"])
        self.kubectl("label", "backend", "b", "stage=test")
        self.assertEqual(self.kubectl("get", "backends", "-l", "stage in (test)", "-o", "name"),
                         "backend.dp.wso2.com/b\n")
        self.assertEqual(self.kubectl("get", "backends", "--field-selector", "metadata.name=a", "-o", "name"),
                         "backend.dp.wso2.com/a\n")

    def test_get_watch_shows_changes_as_they_come(self):
        self.apply(backend_document("a", 1))
        lines = Lines(self.start("get", "backends", "-w", "--output-watch-events", "--no-headers"))
        self.assertEqual(lines.next().split()[:2], ["ADDED", "a"])
        self.apply(backend_document("b", 2))
        self.assertEqual(lines.next().split()[:2], ["ADDED", "b"])
        self.kubectl("label", "backend", "a", "x=y")
        seen = lines.next().split()[:2]
        while seen == ["MODIFIED", "b"]:  # Its conditions.
            seen = lines.next().split()[:2]
        self.assertEqual(seen, ["MODIFIED", "a"])
        self.gateway.apkctl("-n", self.namespace, "delete", "backend", "b")
        while seen != ["DELETED", "b"]:
            seen = lines.next().split()[:2]

    def test_describe_shows_the_conditions(self):
        self.apply(backend_document("a", 1))
        text = self.kubectl("describe", "backend", "a")
        self.assertRegex(text, r"Reason: +ResolvedRefs")
        self.assertRegex(text, r"Events: +<none>")

    def test_diff_changes_nothing(self):
        self.apply(backend_document("a", 1))
        same = self.run_it("diff", "-f", "-", stdin=backend_document("a", 1))
        self.assertEqual((same.returncode, same.stdout), (0, ""))
        other = self.run_it("diff", "-f", "-", stdin=backend_document("a", 7))
        self.assertEqual(other.returncode, 1, other.stderr)
        self.assertIn("-    port: 1", other.stdout)
        self.assertIn("+    port: 7", other.stdout)
        new = self.run_it("diff", "-f", "-", stdin=backend_document("new", 7))
        self.assertIn("+  name: new", new.stdout)
        self.apply(backend_document("new", 7), "--dry-run=server")
        self.assertEqual(self.get("backend", "a")["spec"]["services"][0]["port"], 1)
        self.assertIn("NotFound", self.refused("get", "backend", "new"))

    def test_wait_for_a_condition_and_for_a_deletion(self):
        port = harness.free_port()
        waiting = self.start("wait", "--for=create", "gateway/g", f"--timeout={harness.PATIENCE}s")
        self.apply(harness.plain_gateway(port, "g"))
        self.assertEqual(waiting.wait(harness.PATIENCE), 0)
        self.kubectl("wait", "--for=condition=Programmed", "gateway/g", f"--timeout={harness.PATIENCE}s")
        gone = self.start("wait", "--for=delete", "gateway/g", f"--timeout={harness.PATIENCE}s")
        self.kubectl("delete", "gateway", "g")
        self.assertEqual(gone.wait(harness.PATIENCE), 0)

    def test_patches(self):
        self.apply(backend_document("a", 1))
        self.kubectl("patch", "backend", "a", "--type=merge", "-p", '{"spec":{"protocol":"https"}}')
        self.kubectl("patch", "backend", "a", "--type=json",
                     "-p", '[{"op":"replace","path":"/spec/services/0/port","value":9}]')
        self.assertEqual(self.get("backend", "a")["spec"],
                         {"protocol": "https", "services": [{"host": "127.0.0.1", "port": 9}]})
        self.assertIn("the patch does not apply", self.refused(
            "patch", "backend", "a", "--type=json", "-p", '[{"op":"test","path":"/spec/protocol","value":"x"}]'))
        self.assertIn("spec.protocol", self.refused(
            "patch", "backend", "a", "--type=merge", "-p", '{"spec":{"protocol":"gopher"}}'))

    def test_edit_and_replace(self):
        self.apply(backend_document("a", 1))
        self.environment = {**self.environment, "EDITOR": "sed -i s/protocol:.http/protocol:\\ https/"}
        self.kubectl("edit", "backend", "a")
        self.assertEqual(self.get("backend", "a")["spec"]["protocol"], "https")
        before = self.get("backend", "a")
        self.kubectl("replace", "-f", "-", stdin=backend_document("a", 5))
        after = self.get("backend", "a")
        self.assertEqual(after["metadata"]["uid"], before["metadata"]["uid"])
        self.assertEqual(after["metadata"]["generation"], before["metadata"]["generation"] + 1)

    def test_core_kinds(self):
        self.kubectl("create", "secret", "generic", "s", "--from-literal=a=b")
        self.kubectl("create", "configmap", "c", "--from-literal=a=b")
        self.assertEqual(self.get("secret", "s")["data"], {"a": "Yg=="})
        service = ("apiVersion: v1\nkind: Service\nmetadata: {name: e}\nspec: {selector: {app: e}, "
                   "ports: [{name: p, port: 1}, {name: q, port: 2}]}\n")
        self.assertIn("created", self.apply(service))
        self.assertIn("unchanged", self.apply(service))
        self.apply(service.replace("port: 2", "port: 3"))
        self.assertEqual([port["port"] for port in self.get("service", "e")["spec"]["ports"]], [1, 3])
        self.assertRegex(self.kubectl("describe", "service", "e"), r"Port: +q +3/TCP")

    def test_server_side_apply(self):
        self.assertIn("serverside-applied", self.apply(backend_document("a", 1), "--server-side"))
        version = self.get("backend", "a")["metadata"]["resourceVersion"]
        self.apply(backend_document("a", 1), "--server-side")
        self.assertEqual(self.get("backend", "a")["metadata"]["resourceVersion"], version)
        conflict = self.refused("apply", "--server-side", "--field-manager=other", "-f", "-",
                                stdin=backend_document("a", 2))
        self.assertIn('conflict with "kubectl" using dp.wso2.com/v1alpha2: .spec.services', conflict)
        self.apply(backend_document("a", 2), "--server-side", "--field-manager=other", "--force-conflicts")
        self.assertEqual(self.get("backend", "a")["spec"]["services"][0]["port"], 2)
        # What its only manager no longer applies goes.
        labelled = backend_document("b", 1).replace("{name: b}", "{name: b, labels: {x: z}}")
        self.apply(labelled, "--server-side")
        self.apply(backend_document("b", 1), "--server-side")
        self.assertNotIn("labels", self.get("backend", "b")["metadata"])
        # From one way to apply to the other.
        self.apply(backend_document("c", 1))
        self.apply(backend_document("c", 1), "--server-side")
        self.apply(backend_document("c", 2), "--server-side", "--force-conflicts")
        self.assertEqual(self.get("backend", "c")["spec"]["services"][0]["port"], 2)
        self.assertIn("there is no such field", self.refused(
            "apply", "--server-side", "-f", "-", stdin=backend_document("d", 1).replace("protocol", "protocoll")))

    def test_delete(self):
        self.apply(backend_document("a", 1) + "---\n" + backend_document("b", 2))
        self.kubectl("delete", "-f", "-", stdin=backend_document("a", 1))
        self.assertIn('backends.dp.wso2.com "a" not found', self.refused("delete", "backend", "a"))
        self.kubectl("delete", "backends", "--all")
        self.assertEqual(self.get("backends")["items"], [])
        self.kubectl("delete", "namespace", self.namespace)
        self.assertIn("can't be deleted", self.refused("delete", "namespace", "default"))

    def test_errors_name_the_field(self):
        self.assertIn('spec.protocoll: there is no such field (did you mean "protocol"?)',
                      self.refused("apply", "-f", "-", stdin=backend_document("a", 1).replace("protocol", "protocoll")))
        self.assertIn("spec.services[0].port: must be a whole number",
                      self.refused("apply", "-f", "-", stdin=backend_document("a", '"x"')))
        self.assertIn("no matches for kind \"Backend\" in version \"dp.wso2.com/v9\"",
                      self.refused("apply", "-f", "-", stdin=backend_document("a", 1).replace("v1alpha2", "v9")))
        self.namespace = "nowhere"
        self.assertIn('namespaces "nowhere" not found',
                      self.refused("apply", "-f", "-", stdin=backend_document("a", 1)))

    def test_dangling_references_are_warned_of(self):
        route = harness.route("r", f"  - backendRefs: [{harness.reference('nobody')}]\n")
        run = self.run_it("apply", "-f", "-", stdin=route)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn("Warning: spec.parentRefs[0]: ", run.stderr)

    def test_a_stale_version_is_a_conflict(self):
        self.apply(backend_document("a", 1))
        stale = self.kubectl("get", "backend", "a", "-o", "yaml")
        self.kubectl("label", "backend", "a", "x=y")
        self.assertIn("the object has been modified", self.refused("replace", "-f", "-", stdin=stale))
        self.assertIn("already exists", self.refused("create", "-f", "-", stdin=backend_document("a", 1)))

    def test_explain_and_api_resources(self):
        self.assertIn("backendRefs\t<[]HTTPBackendRef>", self.kubectl("explain", "httproute.spec.rules"))
        self.assertRegex(self.kubectl("api-resources"), r"httproutes +gateway.networking.k8s.io/v1 +true +HTTPRoute")

    def test_who_one_is_and_what_one_can_do(self):
        self.assertEqual(self.kubectl("auth", "can-i", "create", "httproutes"), "yes\n")
        no = self.run_it("auth", "can-i", "create", "pods")
        self.assertEqual((no.returncode, no.stdout.split()[0]), (1, "no"), no.stderr)
        self.assertRegex(self.kubectl("auth", "can-i", "--list"), r"httproutes\.gateway\.networking\.k8s\.io +\[\] +\[\] +"
                                                                  r"\[get list watch create update patch delete\]")
        self.assertRegex(self.kubectl("auth", "whoami"), r"Username +admin")

    def test_short_names_and_everything(self):
        self.apply(harness.plain_gateway(harness.free_port()) + "---\n" + backend_document("shown", 1))
        for word in ("gw", "gtw", "gateways"):
            self.assertIn("plain", self.kubectl("get", word))
        everything = self.kubectl("get", "all")
        self.assertIn("gateway.gateway.networking.k8s.io/plain", everything)
        self.assertIn("backend.dp.wso2.com/shown", everything)

    def test_agents_may_not_use_it(self):
        pki = self.gateway.data / "pki"
        run = self.run_it("get", "backends", "--client-certificate", pki / "agent.crt", "--client-key", pki / "agent.key")
        self.assertEqual(run.returncode, 1)
        self.assertIn("needs a user's certificate", run.stderr)

    def test_nobody_without_a_certificate_is_heard(self):
        context = ssl.create_default_context(cafile=str(self.gateway.data / "pki/ca.crt"))
        with self.assertRaises(OSError):
            raw = harness.socket.create_connection(("127.0.0.1", self.gateway.kubernetes_port), harness.PATIENCE)
            with context.wrap_socket(raw, server_hostname="localhost") as connection:
                connection.sendall(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n")
                self.assertEqual(connection.recv(1), b"", "an answer")
                raise OSError("the connection has ended")

    def test_a_kubeconfig_can_be_taken_elsewhere(self):
        flat = self.home / "flat"
        flat.write_text(self.gateway.apkctl("-n", "there", "kubeconfig", "--flatten").stdout)
        self.assertNotIn(str(self.gateway.data), flat.read_text())
        self.environment = {**self.environment, "KUBECONFIG": str(flat)}
        self.assertIn("Server Version: v1.", self.kubectl("version"))
        self.assertEqual(self.kubectl("config", "view", "--minify", "-o", "jsonpath={..namespace}"), "there")

    def test_a_watch_from_before_a_restart_does_not_miss_changes(self):
        path = f"/apis/dp.wso2.com/v1alpha2/namespaces/{self.namespace}/backends"
        version = json.loads(self.kubectl("get", "--raw", path))["metadata"]["resourceVersion"]
        self.apply(backend_document("a", 1))
        self.gateway.control_plane.stop()
        self.gateway.start_control_plane()
        eventually(lambda: self.run_it("get", "backends").returncode == 0, "the control plane is back")
        events = self.kubectl("get", "--raw", f"{path}?watch=true&resourceVersion={version}&timeoutSeconds=5")
        event = json.loads(events.splitlines()[0])
        self.assertEqual((event["type"], event["object"].get("code")), ("ERROR", 410), events)


class Kubectl132(Kubectl, unittest.TestCase):
    version = "1.32.3"


class Kubectl135(Kubectl, unittest.TestCase):
    version = "1.35.2"


if __name__ == "__main__":
    harness.main()
