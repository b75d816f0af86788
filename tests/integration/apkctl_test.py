"""The command line: kubectl's habits, and errors that name the place."""
import json
import subprocess
import unittest

import harness
from harness import Gateway, eventually

ROUTE = """apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: r
spec:
  parentRefs:
  - name: wso2-apk-default
  rules:
  - backendRefs:
    - name: svc
      port: 80
"""


class Apkctl(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway(agents=0)
        cls.addClassCleanup(cls.gateway.close)

    def refused(self, text, *expected):
        before = self.gateway.get("httproutes,configmaps,backends,services", "-A")
        result = self.gateway.apply(text, check=False)
        self.assertEqual(result.returncode, 1, result.stdout)
        for part in expected:
            self.assertIn(part, result.stderr)
        self.assertEqual(self.gateway.get("httproutes,configmaps,backends,services", "-A"), before)

    def test_errors_name_file_line_column_field_and_what_to_do(self):
        self.refused(ROUTE.replace("backendRefs", "backendRef"),
                     'STDIN:9:5: error: spec.rules[0].backendRef: there is no such field (did you mean "backendRefs"?)')
        self.refused(ROUTE.replace("port: 80", 'port: "80"'),
                     "STDIN:11:13: error: spec.rules[0].backendRefs[0].port: must be a whole number")
        self.refused(ROUTE.replace("name: svc", "nmae: svc"), "did you mean \"name\"?")
        self.refused(ROUTE.replace("kind: HTTPRoute", "kind: HttpRuote"), "did you mean HTTPRoute?")
        self.refused(ROUTE.replace("/v1\n", "/v2\n"), "the versions are v1beta1, v1")
        self.refused(ROUTE.replace("  name: r\n", "  labels: {}\n"), "metadata.name: is required")
        self.refused(ROUTE.replace("port: 80", "port: 99999"),
                     "STDIN:11:7: error: spec.rules[0].backendRefs[0].port: 99999 is out of range")
        self.refused(ROUTE + "  - matches:\n    - path: {type: Exactly, value: /x}\n",
                     "spec.rules[1].matches[0].path.type", "use one of Exact, PathPrefix, RegularExpression")
        self.refused(ROUTE + "---\n" + ROUTE, "is in the batch twice")
        self.refused("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: 1}\n",
                     "data.a: must be a string, found the number 1")
        self.refused("a: [1\n", "is no YAML")

    def test_a_batch_with_an_error_changes_nothing(self):
        self.refused("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: good}\n---\n" +
                     ROUTE.replace("port: 80", "port: 0"), "nothing was changed")

    def test_validate_works_without_a_control_plane_and_says_the_same(self):
        command = [str(harness.BIN / "apkctl"), "validate", "-f", "-"]
        good = subprocess.run(command, input=ROUTE, capture_output=True, text=True)
        self.assertEqual((good.returncode, good.stdout), (0, "httproute.gateway.networking.k8s.io/r valid\n"))
        bad = subprocess.run(command, input=ROUTE.replace("port: 80", "port: 0"), capture_output=True, text=True)
        self.assertEqual(bad.returncode, 1)
        self.assertIn("STDIN:11:7: error: spec.rules[0].backendRefs[0].port: 0 is out of range", bad.stderr)

    def test_apply_get_and_delete_as_kubectl_does(self):
        gateway = self.gateway
        text = ROUTE.replace("name: r\n", "name: cycle\n")
        self.assertEqual(gateway.apply(text).stdout, "httproute.gateway.networking.k8s.io/cycle created\n")
        first = gateway.get("httproute", "cycle")
        self.assertEqual(gateway.apply(text).stdout, "httproute.gateway.networking.k8s.io/cycle unchanged\n")
        self.assertEqual(gateway.apply(text.replace("port: 80", "port: 81")).stdout,
                         "httproute.gateway.networking.k8s.io/cycle configured\n")
        second = gateway.get("httproutes.gateway.networking.k8s.io/cycle")
        for field in ("uid", "creationTimestamp"):
            self.assertEqual(second["metadata"][field], first["metadata"][field])
        self.assertEqual((first["metadata"]["generation"], second["metadata"]["generation"]), (1, 2))
        self.assertGreater(int(second["metadata"]["resourceVersion"]), int(first["metadata"]["resourceVersion"]))
        # Defaults are filled in, statuses written back.
        rule = second["spec"]["rules"][0]
        self.assertEqual(rule["matches"], [{"path": {"type": "PathPrefix", "value": "/"}}])
        self.assertEqual(rule["backendRefs"], [{"group": "", "kind": "Service", "name": "svc", "port": 81, "weight": 1}])
        parent = second["status"]["parents"][0]
        self.assertEqual(parent["parentRef"], {"group": "gateway.networking.k8s.io", "kind": "Gateway",
                                               "name": "wso2-apk-default"})
        conditions = {c["type"]: c for c in parent["conditions"]}
        self.assertEqual((conditions["Accepted"]["status"], conditions["Accepted"]["observedGeneration"]), ("True", 2))
        self.assertEqual(conditions["ResolvedRefs"]["reason"], "BackendNotFound")
        # Labels alone leave the generation as it is.
        gateway.apply(text.replace("port: 80", "port: 81").replace("name: cycle\n", "name: cycle\n  labels: {a: b}\n"))
        self.assertEqual(gateway.get("httproute", "cycle")["metadata"]["generation"], 2)
        self.assertIn("cycle", gateway.apkctl("get", "httproutes", "-l", "a=b", "-o", "name").stdout)
        self.assertEqual(gateway.apkctl("delete", "httproute", "cycle").stdout,
                         'httproute.gateway.networking.k8s.io "cycle" deleted\n')
        gone = gateway.apkctl("get", "httproute", "cycle", check=False)
        self.assertEqual((gone.returncode, gone.stderr),
                         (1, 'Error from server (NotFound): httproutes.gateway.networking.k8s.io "cycle" not found\n'))
        self.assertEqual(gateway.apkctl("delete", "httproute", "cycle", "--ignore-not-found").returncode, 0)

    def test_output_formats(self):
        gateway = self.gateway
        table = gateway.apkctl("get", "gc").stdout.splitlines()
        self.assertEqual(table[0].split(), ["NAME", "CONTROLLER", "ACCEPTED", "AGE"])
        self.assertEqual(table[1].split()[:3], ["apk", "apk.dev/gateway-controller", "True"])
        self.assertEqual(gateway.apkctl("get", "gatewayclass", "-o", "name").stdout,
                         "gatewayclass.gateway.networking.k8s.io/apk\n")
        yaml = gateway.apkctl("get", "gateway", "wso2-apk-default", "-o", "yaml").stdout
        again = gateway.apply(yaml, settle=False)
        self.assertIn("unchanged", again.stdout)
        self.assertIn("No resources found in empty namespace.",
                      gateway.apkctl("get", "httproutes", "-n", "empty").stderr)

    def test_json_lists_and_files_are_taken(self):
        objects = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"json-{i}"}} for i in range(2)]
        self.gateway.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
        for item in objects:
            self.gateway.get("configmap", item["metadata"]["name"])

    def test_dry_run_changes_nothing(self):
        text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: dry}\n"
        self.assertIn("configmap/dry created (server dry run)", self.gateway.apply(text, "--dry-run=server").stdout)
        self.assertEqual(self.gateway.apkctl("get", "configmap", "dry", check=False).returncode, 1)

    def test_a_namespace_that_contradicts_the_flag_is_refused(self):
        result = self.gateway.apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: b}\n",
                                    "-n", "c", check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("is not the namespace given with -n", result.stderr)

    def test_watch_shows_what_is_there_and_what_comes(self):
        command = [str(harness.BIN / "apkctl"), "--config", str(self.gateway.data / "apkctl.yaml"),
                   "get", "configmaps", "-n", "watched", "-w", "-o", "name"]
        watch = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.addCleanup(watch.stdout.close)
        self.addCleanup(watch.wait)
        self.addCleanup(watch.terminate)
        for name in ("one", "two"):
            self.gateway.apply(f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n", "-n", "watched")
            self.assertEqual(watch.stdout.readline(), f"configmap/{name}\n")

    def test_an_unreachable_control_plane_is_said_in_one_line(self):
        result = self.gateway.apkctl("--server", "127.0.0.1:1", "get", "gateways", check=False)
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, r"^error: can't connect to the control plane at 127\.0\.0\.1:1: .*\n$")

    def test_completions_are_scripts(self):
        for shell, check in (("bash", ["bash", "-n"]), ("zsh", None), ("fish", None)):
            script = self.gateway.apkctl("completion", shell).stdout
            self.assertIn("httproutes", script)
            if check:
                subprocess.run(check, input=script, text=True, check=True)

    def grpc(self, method, message, certificate="admin"):
        """A gRPC call by curl: (status, messages as bytes)."""
        pki = self.gateway.data / "pki"
        body = b"\0" + len(message).to_bytes(4, "big") + message
        run = subprocess.run(
            ["curl", "-sS", "--http2", "--max-time", "10", "--cacert", str(pki / "ca.crt"), "--cert",
             str(pki / f"{certificate}.crt"), "--key", str(pki / f"{certificate}.key"), "-H",
             "content-type: application/grpc", "-H", "te: trailers", "--data-binary", "@-", "-D", "/dev/stderr",
             f"https://127.0.0.1:{self.gateway.grpc_port}/{method}"], input=body, capture_output=True)
        return run.stderr.decode(), run.stdout

    def test_health_and_reflection_are_served(self):
        heads, answer = self.grpc("grpc.health.v1.Health/Check", b"")
        self.assertEqual(answer, b"\0\0\0\0\2\x08\x01", heads)  # SERVING
        _, answer = self.grpc("grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", b"\x3a\x00")
        for service in (b"apk.v1.AdminService", b"apk.v1.DiscoveryService", b"grpc.health.v1.Health"):
            self.assertIn(service, answer)

    def test_without_a_client_certificate_nothing_is_served(self):
        run = subprocess.run(["curl", "-sS", "--http2", "--max-time", "10", "--cacert",
                              str(self.gateway.data / "pki/ca.crt"), f"https://127.0.0.1:{self.gateway.grpc_port}/"],
                             capture_output=True)
        self.assertNotEqual(run.returncode, 0)
        self.assertEqual(run.stdout, b"")


if __name__ == "__main__":
    harness.main()
