"""The command line: kubectl's habits, and errors that name the place."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import threading
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


def config_map(name, **fields):
    """A ConfigMap as JSON; labels belong to its metadata."""
    metadata = {"name": name, **({"labels": fields.pop("labels")} if "labels" in fields else {})}
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, **fields})


class Apkctl(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway(agents=0)
        cls.addClassCleanup(cls.gateway.close)
        names = ("completed", "doomed", "flagged", "labelled", "large", "watched")
        cls.gateway.apply("".join(f"---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n"
                                  for name in names))

    def refused(self, text, *expected):
        before = self.gateway.get("httproutes,configmaps,backends,services", "-A")
        result = self.gateway.apply(text, check=False)
        self.assertEqual(result.returncode, 1, result.stdout)
        for part in expected:
            self.assertIn(part, result.stderr)
        self.assertEqual(result.stderr.splitlines()[-1], "error: nothing was changed")
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
        self.refused(ROUTE + "---\n" + ROUTE, "metadata.name: HTTPRoute default/r stands twice, first at STDIN:1 (keep one of them)")
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
        self.assertEqual(self.gateway.apply(text, "--dry-run=client").stdout, "configmap/dry created (dry run)\n")
        self.assertEqual(self.gateway.apkctl("get", "configmap", "dry", check=False).returncode, 1)
        self.gateway.apply(text)
        self.assertEqual(self.gateway.apply(text + "data: {a: b}\n", "--dry-run=client").stdout,
                         "configmap/dry configured (dry run)\n")
        self.assertNotIn("data", self.gateway.get("configmap", "dry"))
        self.gateway.apkctl("delete", "configmap", "dry")

    def test_a_namespace_that_contradicts_the_flag_is_refused(self):
        result = self.gateway.apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: b}\n",
                                    "-n", "c", check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("is not the namespace given with -n", result.stderr)

    def command(self, *arguments):
        return [str(harness.BIN / "apkctl"), "--config", str(self.gateway.data / "apkctl.yaml"), *arguments]

    def watch(self, *arguments):
        watch = subprocess.Popen(self.command("get", *arguments, "-w"), stdout=subprocess.PIPE, text=True)
        self.addCleanup(watch.stdout.close)
        self.addCleanup(watch.wait)
        self.addCleanup(watch.terminate)
        return watch.stdout

    def test_watch_shows_what_is_there_and_what_comes(self):
        lines = self.watch("configmaps", "-n", "watched", "-o", "name")
        for name in ("one", "two"):
            self.gateway.apply(config_map(name), "-n", "watched")
            self.assertEqual(lines.readline(), f"configmap/{name}\n")

    def test_watch_with_a_selector_shows_what_gains_and_loses_the_label(self):
        lines = self.watch("cm", "-n", "labelled", "-l", "a=b", "--output-watch-events")
        self.gateway.apply(config_map("other"), "-n", "labelled")
        self.gateway.apply(config_map("one", labels={"a": "b"}), "-n", "labelled")
        self.assertEqual(lines.readline().split(), ["EVENT", "NAME", "DATA", "AGE"])
        self.assertEqual(lines.readline().split()[:2], ["ADDED", "one"])
        self.gateway.apply(config_map("one", labels={"a": "b", "c": "d"}), "-n", "labelled")
        self.assertEqual(lines.readline().split()[:2], ["MODIFIED", "one"])
        self.gateway.apply(config_map("one"), "-n", "labelled")
        self.assertEqual(lines.readline().split()[:2], ["DELETED", "one"])
        self.gateway.apply(config_map("other", labels={"a": "b"}), "-n", "labelled")
        self.assertEqual(lines.readline().split()[:2], ["ADDED", "other"])

    def test_watch_of_one_object_sees_it_go_and_come_again(self):
        missing = self.gateway.apkctl("get", "cm", "single", "-w", check=False)
        self.assertEqual((missing.returncode, missing.stderr),
                         (1, 'Error from server (NotFound): configmaps "single" not found\n'))
        self.gateway.apply(config_map("single"))
        lines = self.watch("cm/single", "--output-watch-events", "--no-headers")
        self.assertEqual(lines.readline().split()[:2], ["ADDED", "single"])
        self.gateway.apkctl("delete", "cm", "single")
        self.assertEqual(lines.readline().split()[:2], ["DELETED", "single"])
        self.gateway.apply(config_map("single"))
        self.assertEqual(lines.readline().split()[:2], ["ADDED", "single"])

    def test_apply_says_what_the_control_plane_holds_against_the_objects(self):
        text = ROUTE.replace("name: r\n", "name: warned\n")
        for _ in ("created", "unchanged"):
            result = self.gateway.apply(text)
            self.assertIn("Warning: STDIN:10:7: spec.rules[0].backendRefs[0]: ", result.stderr)
            self.assertIn("BackendNotFound] (apply it too, or correct the reference)", result.stderr)
        dangling = self.gateway.apply(text.replace("wso2-apk-default", "nowhere"), "--dry-run=server")
        self.assertIn("Warning: STDIN:7:5: spec.parentRefs[0]: Gateway default/nowhere does not exist "
                      "[Accepted=False, NoMatchingParent]", dangling.stderr)
        foreign = self.gateway.apply(harness.plain_gateway(1234, "foreign").replace(
            "gatewayClassName: apk", "gatewayClassName: other"))
        self.assertIn("spec.gatewayClassName: no GatewayClass \"other\" is served here", foreign.stderr)
        good = self.gateway.apply(ROUTE.replace("name: r\n", "name: good\n") + "---\n" +
                                  "apiVersion: v1\nkind: Service\nmetadata: {name: svc}\n"
                                  "spec: {ports: [{port: 80}]}\n")
        self.assertNotIn("Accepted=False", good.stderr)
        self.gateway.apkctl("delete", "svc", "svc")

    def test_dangling_references_are_named_where_they_stand(self):
        def tls_backend(name, source):
            return (f"apiVersion: dp.wso2.com/v1alpha2\nkind: Backend\nmetadata: {{name: {name}}}\nspec:\n"
                    "  services: [{host: a.example, port: 443}]\n  protocol: https\n" + source)
        for source, place, message in (
                ("  tls: {configMapRef: {name: nope, key: ca.crt}}\n", "7:9: spec.tls.configMapRef",
                 "ConfigMap default/nope not found"),
                ("  tls: {secretRef: {name: nope, key: ca.crt}}\n", "7:9: spec.tls.secretRef",
                 "Secret default/nope not found"),
                ("  tls: {certificateInline: none}\n", "7:9: spec.tls.certificateInline",
                 "there is no PEM certificate in it"),
                ("  security: {basic: {secretRef: {name: nope, usernameKey: u, passwordKey: p}}}\n",
                 "7:22: spec.security.basic.secretRef", "Secret default/nope not found")):
            with self.subTest(place):
                warning = self.gateway.apply(tls_backend("dangling", source)).stderr
                self.assertIn(f"Warning: STDIN:{place}: {message} [", warning)
                self.assertRegex(warning, r"\] \((apply it too|it takes a certificate as PEM)")
        issuer = self.gateway.apply(
            "apiVersion: dp.wso2.com/v1alpha2\nkind: TokenIssuer\nmetadata: {name: dangling}\nspec:\n"
            "  name: dangling\n  organization: default\n  issuer: https://issuer.example\n"
            "  consumerKeyClaim: azp\n  scopesClaim: scope\n  signatureValidation:\n    certificate:\n      secretRef: {name: nope, key: k}\n").stderr
        self.assertIn("STDIN:12:7: spec.signatureValidation.certificate.secretRef: Secret default/nope not found",
                      issuer)
        self.gateway.apkctl("delete", "backend/dangling", "tokenissuer/dangling")

    def test_what_nobody_takes_charge_of_is_said_at_its_place(self):
        certificate = "[{name: nope}]"
        cases = {
            ROUTE.replace("name: r\n", "name: foo\n").replace("  rules", "  - name: x\n    kind: Foo\n  rules"):
                "STDIN:8:5: spec.parentRefs[1]: leads to no Gateway of this control plane",
            "apiVersion: gateway.networking.k8s.io/v1\nkind: ListenerSet\nmetadata: {name: lost}\nspec:\n"
            "  parentRef: {name: nowhere}\n  listeners: [{name: a, port: 8443, protocol: HTTP}]\n":
                "STDIN:5:3: spec.parentRef: leads to no Gateway of this control plane",
            "apiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\nmetadata: {name: lost}\nspec:\n"
            "  targetRefs: [{group: '', kind: Service, name: nope}]\n"
            "  validation: {hostname: a.example, caCertificateRefs: [{group: '', kind: ConfigMap, name: nope}]}\n":
                "STDIN:5:3: spec.targetRefs: no route of a Gateway here leads to what it targets",
            "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: lost}\nspec:\n"
            "  gatewayClassName: apk\n  listeners:\n  - name: a\n    port: 8443\n    protocol: HTTPS\n"
            f"    tls: {{certificateRefs: {certificate}}}\n":
                "STDIN:10:29: spec.listeners[0].tls.certificateRefs[0]: Secret default/nope not found [ResolvedRefs=False"
                ", InvalidCertificateRef] (apply it too, or correct the reference)",
            "apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {name: lost}\nspec:\n"
            "  controllerName: apk.dev/gateway-controller\n  parametersRef: {group: a.example, kind: P, name: p}\n":
                "STDIN:6:3: spec.parametersRef: no parameters of kind P are known here",
            "apiVersion: dp.wso2.com/v1alpha3\nkind: API\nmetadata: {name: lost}\nspec:\n"
            "  apiName: n\n  apiType: REST\n  apiVersion: '1'\n  basePath: /lost/1\n  definitionFileRef: nope\n"
            "  production:\n  - routeRefs: [nope-one, nope-two]\n":
                "STDIN:11:27: spec.production[0].routeRefs[1]: HTTPRoute default/nope-two not found",
        }
        for text, warning in cases.items():
            with self.subTest(warning):
                stderr = self.gateway.apply(text, "--dry-run=server").stderr
                self.assertIn("Warning: " + warning, stderr)

    def test_a_policy_for_another_groups_api_is_refused(self):
        self.refused("apiVersion: dp.wso2.com/v1alpha2\nkind: Authentication\nmetadata: {name: a}\nspec:\n"
                     "  default: {disabled: true}\n  targetRef: {group: foo, kind: API, name: sample-api}\n",
                     'STDIN:6:15: error: spec.targetRef.group: "foo" has no API and no Resource (leave it out')

    def test_every_document_is_checked_before_any_is_refused(self):
        text = ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: form}\nextra: 1\n---\napiVersion: dp.wso2.com/v1alpha2\nkind: Backend\n"
                "metadata: {name: value}\nspec: {services: []}\n")
        self.refused(text, "extra: there is no such field", "spec.services: is required, with at least one entry",
                     "nothing was changed")

    def test_an_apply_that_nobody_serves_says_so(self):
        self.assertIn("Note: no agent is connected now", self.gateway.apply(config_map("unserved")).stderr)
        self.gateway.apkctl("delete", "cm", "unserved")

    def test_a_route_without_parents_is_warned_of_once(self):
        text = "\n".join(line for line in ROUTE.splitlines() if "wso2-apk-default" not in line
                         and "parentRefs" not in line) + "\n"
        warnings = self.gateway.apply(text.replace("name: r", "name: orphan")).stderr
        self.assertEqual(warnings.count("attaches to no Gateway") + warnings.count("has no effect"), 1, warnings)
        self.gateway.apkctl("delete", "httproute", "orphan")

    def test_a_base_path_belongs_to_the_older_api(self):
        def api(name):
            route = ROUTE.replace("name: r\n", f"name: {name}\n")
            return (f"{route}---\napiVersion: dp.wso2.com/v1alpha3\nkind: API\nmetadata: {{name: {name}}}\nspec:\n"
                    f"  apiName: {name}\n  apiType: REST\n  apiVersion: '1'\n  basePath: /path/1\n"
                    f"  organization: default\n  production: [{{routeRefs: [{name}]}}]\n")

        def state(kind, name):
            status = self.gateway.get(kind, name)["status"]
            conditions = status["conditions"] if kind == "api" else status["parents"][0]["conditions"]
            accepted = next(c for c in conditions if c["type"] == "Accepted")
            return accepted["status"], accepted["reason"]

        self.gateway.apply(api("a-first"))
        warned = self.gateway.apply(api("b-second")).stderr
        self.assertIn("Warning: STDIN:20:3: spec.basePath: an API has been already created for the basePath /path/1: "
                      "API default/a-first, which is older [Accepted=False, BasePathInUse] (choose another basePath",
                      warned)
        self.assertEqual(state("api", "a-first"), ("True", "Accepted"))
        self.assertEqual(state("api", "b-second"), ("False", "BasePathInUse"))
        self.assertEqual(self.gateway.get("api", "b-second")["status"]["deploymentStatus"]["status"], "INVALID")
        self.assertEqual(state("httproute", "b-second"), ("False", "ApiNotDeployed"))
        self.gateway.apkctl("delete", "api", "a-first")
        self.assertEqual(state("api", "b-second"), ("True", "Accepted"))
        self.assertEqual(state("httproute", "b-second"), ("True", "Accepted"))

    def test_many_errors_are_cut_after_twenty(self):
        fields = "".join(f"  f{i}: 1\n" for i in range(70))
        result = self.gateway.apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nspec:\n".replace(
            "spec:", "data:") + fields, check=False)
        lines = result.stderr.splitlines()
        self.assertEqual((len(lines), lines[-2:]), (22, ["and 50 more errors", "error: nothing was changed"]))

    def test_flags_are_written_as_for_kubectl(self):
        self.gateway.apply(config_map("flags"), "-n=flagged")
        for words in (["get", "cm", "-n", "flagged", "-oname"], ["-n", "flagged", "get", "cm", "-o=name"],
                      ["get", "-nflagged", "cm", "--output=name"], ["-n=flagged", "get", "cm", "flags", "-o", "name"]):
            self.assertEqual(self.gateway.apkctl(*words).stdout, "configmap/flags\n", words)
        dry = self.gateway.apply(config_map("dry"), "--dry-run")
        self.assertEqual(dry.stdout, "configmap/dry created (dry run)\n")
        # Names of commands are names like others.
        self.gateway.apply(config_map("apply"))
        self.assertEqual(self.gateway.apkctl("get", "cm", "apply", "-o", "name").stdout, "configmap/apply\n")

    def test_mistakes_on_the_command_line_exit_with_one_and_say_where_help_is(self):
        for words, expected in (
                (["gett"], "error: unknown command \"gett\" for \"apkctl\"\n\nDid you mean this?\n  get\n"),
                (["get"], "See 'apkctl get --help' for usage.\n"),
                (["get", "cm", "--outptu", "x"], "error: unknown flag: --outptu; did you mean --output?\n"),
                (["get", "cm", "-o", "xml"], "use one of table, wide, yaml, json, name, jsonpath=\n"),
                (["get", "pods"], "error: the server doesn't have a resource type \"pods\"; there are namespaces (ns), "),
                (["apply"], "error: must specify -f"),
                (["apply", "-f", "/nonexistent"], "error: the path \"/nonexistent\" does not exist\n"),
                (["apply", "-f", "https://example.com/a.yaml"], "download it first"),
                (["delete", "cm"], "no name was specified"),
                (["get", "cm", "a", "-A"], "cannot be retrieved by name across all namespaces")):
            result = self.gateway.apkctl(*words, check=False)
            self.assertEqual((result.returncode, result.stdout), (1, ""), words)
            self.assertIn(expected, result.stderr)
        for words in ([], ["--help"], ["help", "get"], ["get", "-h"]):
            result = self.gateway.apkctl(*words) if words else subprocess.run(
                [str(harness.BIN / "apkctl")], capture_output=True, text=True)
            self.assertEqual((result.returncode, result.stderr), (0, ""))
            self.assertIn("Usage: apkctl", result.stdout)

    def test_delete_goes_on_where_one_is_missing(self):
        self.gateway.apply(config_map("here"))
        result = self.gateway.apkctl("delete", "cm", "missing", "here", check=False)
        self.assertEqual((result.returncode, result.stdout, result.stderr),
                         (1, 'configmap "here" deleted\n',
                          'Error from server (NotFound): configmaps "missing" not found\n'))
        result = self.gateway.apkctl("delete", "httproute", "missing", check=False)
        self.assertEqual(result.stderr, 'Error from server (NotFound): '
                         'httproutes.gateway.networking.k8s.io "missing" not found\n')
        self.assertEqual(self.gateway.apkctl("delete", "cm", "missing", "--ignore-not-found").stderr, "")

    def test_delete_takes_selectors_all_and_dry_run(self):
        for name in ("one", "two", "three"):
            self.gateway.apply(config_map(name, labels={"size": name[0]}), "-n", "doomed")
        dry = self.gateway.apkctl("delete", "cm", "one", "-n", "doomed", "--dry-run=server")
        self.assertEqual(dry.stdout, 'configmap "one" deleted (server dry run)\n')
        self.assertEqual(self.gateway.apkctl("delete", "cm", "-l", "size=o", "-n", "doomed").stdout,
                         'configmap "one" deleted\n')
        self.gateway.apkctl("delete", "cm", "--all", "-n", "doomed")
        self.assertEqual(self.gateway.apkctl("get", "cm", "-n", "doomed", "-o", "name").stdout, "")
        self.assertIn("No resources found", self.gateway.apkctl("delete", "cm", "--all", "-n", "doomed").stderr)

    def test_files_come_from_pipes_directories_and_lists(self):
        with tempfile.TemporaryDirectory() as name:
            directory = pathlib.Path(name)
            for file in ("a.yaml", "b.yml", "sub/c.json"):
                (directory / file).parent.mkdir(exist_ok=True)
                (directory / file).write_text(config_map(f"files-{pathlib.Path(file).stem}"))
            (directory / "notes.txt").write_text("no manifest")
            validate = lambda *words, **more: subprocess.run(
                [str(harness.BIN / "apkctl"), "validate", *words], capture_output=True, text=True, timeout=60, **more)
            names = lambda run: sorted(re.findall(r"configmap/files-(\w)", run.stdout))
            self.assertEqual(names(validate("-f", name)), ["a", "b"])
            self.assertEqual(names(validate("-R", "-f", name)), ["a", "b", "c"])
            self.assertEqual(names(validate("-f", f"{name}/a.yaml,{name}/b.yml")), ["a", "b"])
            self.assertEqual(names(validate("-f", f"{name}/a.yaml", "-f", f"{name}/sub")), ["a", "c"])
            self.assertEqual(names(validate("-f", "/dev/stdin", input=config_map("files-s"))), ["s"])
            fifo = directory / "fifo"
            os.mkfifo(fifo)
            writer = threading.Thread(target=lambda: fifo.write_text(config_map("files-f")))
            writer.start()
            self.assertEqual(names(validate("-f", str(fifo))), ["f"])
            writer.join()
            # Links in a circle, and to nowhere.
            (directory / "sub/up").symlink_to("..")
            self.assertEqual(names(validate("-R", "-f", name)), ["a", "b", "c"])
            (directory / "loop.yaml").symlink_to("loop.yaml")
            loop = validate("-f", name)
            self.assertEqual(loop.returncode, 1)
            self.assertIn('loop.yaml" can\'t be read: Too many levels of symbolic links', loop.stderr)
            twice = validate("-f", "-", "-f", "-", input="")
            self.assertIn("standard input can be read only once", twice.stderr)

    def test_what_may_not_be_read_is_said(self):
        with tempfile.TemporaryDirectory() as name:
            directory = pathlib.Path(name)
            directory.chmod(0o755)
            (directory / "closed").mkdir()
            (directory / "a.yaml").write_text(config_map("a"))
            (directory / "closed").chmod(0)
            (directory / "a.yaml").chmod(0)
            program = directory / "apkctl"  # Where anybody may run it.
            shutil.copy(harness.BIN / "apkctl", program)
            nobody = {"user": 65534} if os.geteuid() == 0 else {}
            for path in ("closed", "a.yaml"):
                run = subprocess.run([str(program), "validate", "-f", str(directory / path)],
                                     capture_output=True, text=True, timeout=60, **nobody)
                self.assertEqual(run.returncode, 1)
                self.assertIn(f'{path}" can\'t be read: Permission denied', run.stderr)
            config = directory / "config.yaml"
            shutil.copy(self.gateway.data / "apkctl.yaml", config)
            config.chmod(0)
            run = subprocess.run([str(program), "--config", str(config), "get", "gc"], capture_output=True,
                                 text=True, timeout=60, **nobody)
            self.assertRegex(run.stderr, r"^error: can't read the configuration .*: Permission denied; run as")
            config.chmod(0o644)
            run = subprocess.run([str(program), "--config", str(config), "get", "gc"], capture_output=True,
                                 text=True, timeout=60, **nobody)
            self.assertRegex(run.stderr, r"^error: can't read the .* Permission denied; run as")
            (directory / "closed").chmod(0o700)

    def test_what_get_prints_of_many_objects_can_be_applied_again(self):
        objects = [json.loads(config_map(f"large-{i}", data={"k": "x" * 500_000})) for i in range(4)]
        self.gateway.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}), "-n", "large")
        for output in ("yaml", "json"):
            printed = self.gateway.apkctl("get", "cm", "-n", "large", "-o", output).stdout
            self.assertGreater(len(printed), 2_000_000)
            self.assertEqual(self.gateway.apply(printed).stdout,
                             "".join(f"configmap/large-{i} unchanged\n" for i in range(4)))

    def test_describe_shows_kubectls_titles_and_no_secrets(self):
        self.gateway.apply("apiVersion: v1\nkind: Secret\nmetadata: {name: described}\nstringData: {password: hunter2}\n")
        text = self.gateway.apkctl("describe", "secret", "described").stdout
        self.assertIn("password:  7 bytes", text)
        self.assertNotIn("hunter2", text)
        text = self.gateway.apkctl("describe", "gateway", "wso2-apk-default").stdout
        for line in ("Name:         wso2-apk-default", "Namespace:    default", "API Version:", "Gateway Class Name:",
                     "Creation Timestamp:"):
            self.assertIn(line, text)
        missing = self.gateway.apkctl("describe", "gateway", "missing", check=False)
        self.assertEqual((missing.returncode, missing.stdout), (1, ""))
        self.assertIn("not found", missing.stderr)

    def test_contexts_are_listed_and_chosen(self):
        with tempfile.TemporaryDirectory() as name:
            config = pathlib.Path(name) / "config.yaml"
            text = (self.gateway.data / "apkctl.yaml").read_text()
            config.write_text(text)
            first = re.search(r"currentContext: (.*)", text)[1]
            config.write_text(text + "- " + json.dumps({
                "name": "other: one", "server": "127.0.0.1:1", "certificateAuthority": "/ca", "clientCertificate": "/c",
                "clientKey": "/k"}) + "\n")
            run = lambda *words: subprocess.run([str(harness.BIN / "apkctl"), "--config", str(config), *words],
                                                capture_output=True, text=True, timeout=60)
            self.assertEqual(run("config", "current-context").stdout, first.strip('"') + "\n")
            self.assertEqual(run("config", "use-context", "other: one").stdout, 'Switched to context "other: one".\n')
            self.assertEqual(run("config", "current-context").stdout, "other: one\n")
            self.assertIn("*         other: one", run("config", "get-contexts").stdout)
            self.assertEqual(config.stat().st_mode & 0o777, 0o600)
            self.assertIn("which has", run("config", "use-context", "third").stderr)
            self.assertEqual(run("get", "gc").returncode, 1)
            self.assertEqual(run("get", "gc", "--context", first.strip('"')).returncode, 0)

    def test_agents_are_shown_as_they_come_and_go(self):
        self.assertEqual(self.gateway.apkctl("agents").stderr, "No agents have connected.\n")
        self.gateway.start_agent()
        self.addCleanup(self.gateway.agents.pop, 1, None)
        self.gateway.settle()
        rows = [line.split() for line in self.gateway.apkctl("agents").stdout.splitlines()]
        self.assertEqual(rows[0], ["ID", "ADDRESS", "CONNECTED", "UP-TO-DATE", "REVISION", "SNAPSHOT", "LAST-SEEN",
                                   "LABELS", "MESSAGE"])
        self.assertEqual((rows[1][:4], rows[1][6:]), (["agent-1", "127.0.0.1", "True", "True"], ["now"]))
        self.gateway.agents.pop(1).stop()
        row = eventually(lambda: "False" in (text := self.gateway.apkctl("agents").stdout) and text, "agent gone")
        self.assertRegex(row.splitlines()[1], r"^agent-1 +127\.0\.0\.1 +False +False +\d+ +\w{12} +\d+s$")

    def test_version_and_token_are_for_scripts_too(self):
        self.assertRegex(self.gateway.apkctl("version").stdout, r"(?s)^Client Version: \S+\nServer Version: \S+\n")
        versions = json.loads(self.gateway.apkctl("version", "-o", "json").stdout)
        self.assertEqual(versions["clientVersion"], versions["serverVersion"])
        alone = self.gateway.apkctl("--server", "127.0.0.1:1", "version", check=False)
        self.assertEqual(alone.returncode, 1)
        self.assertRegex(alone.stdout, r"^Client Version: \S+\n$")
        self.assertRegex(self.gateway.apkctl("token").stdout, r"^[\w-]+\.[\w-]+\.[\w-]+\n$")

    def test_an_unreachable_control_plane_is_said_in_one_line(self):
        result = self.gateway.apkctl("--server", "127.0.0.1:1", "get", "gateways", check=False)
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, r"^error: can't connect to the control plane at 127\.0\.0\.1:1: .*\n$")

    def test_a_certificate_of_another_authority_is_named(self):
        with tempfile.TemporaryDirectory() as name:
            directory = pathlib.Path(name)
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                            "-keyout", str(directory / "key.pem"), "-out", str(directory / "other.pem"), "-subj",
                            "/CN=other"], check=True, capture_output=True)
            text = (self.gateway.data / "apkctl.yaml").read_text()
            config = directory / "config.yaml"
            run = lambda: subprocess.run([str(harness.BIN / "apkctl"), "--config", str(config), "get", "gc"],
                                         capture_output=True, text=True, timeout=60)
            config.write_text(re.sub("certificateAuthority: .*", "certificateAuthority: other.pem", text))
            result = run()
            self.assertEqual(result.returncode, 1)
            self.assertRegex(result.stderr, r"^error: can't connect to the control plane at \S+ its certificate is not "
                             r"signed by \S+other.pem or has expired; give the control plane's own ca.crt")
            config.write_text(re.sub("clientKey: .*", "clientKey: key.pem", re.sub(
                "clientCertificate: .*", "clientCertificate: other.pem", text)))
            result = run()
            self.assertEqual(result.returncode, 1)
            self.assertRegex(result.stderr, r"^error: .*certificate \S*other\.pem")
            config.write_text(re.sub("clientKey: .*", "clientKey: key.pem", text))
            self.assertRegex(run().stderr, r"^error: .* the client key \S+key.pem does not belong to the client "
                             r"certificate \S+admin.crt")
            config.write_text(re.sub("server: .*", "server: 127.0.0.1", text))
            self.assertEqual(run().stderr, 'error: the server "127.0.0.1" has no port: write host:port, for example '
                             '127.0.0.1:7443\n')
            config.write_text(re.sub("clientKey: .*", "clientKey: config.yaml", text))
            self.assertRegex(run().stderr, r"^error: the client key \S+ is no PEM file")
            config.write_text(re.sub("clientKey: .*", "clientKey: missing", text))
            self.assertRegex(run().stderr, r"^error: can't read the client key \S+missing: No such file")

    def complete(self, *words):
        return subprocess.run([str(harness.BIN / "apkctl"), "__complete", *words], capture_output=True, text=True,
                              check=True, timeout=60).stdout.split()

    def test_completion_knows_what_may_stand_where(self):
        self.gateway.apply(config_map("finished"), "-n", "completed")
        config = ["--config", str(self.gateway.data / "apkctl.yaml")]
        self.assertEqual(self.complete("desc"), ["describe"])
        self.assertIn("use-context", self.complete("config", ""))
        self.assertEqual(self.complete("agents", ""), ["token", "revoke", "unrevoke", "label"])
        self.assertEqual(self.complete("agents", "token", ""), ["create", "list", "delete"])
        self.assertIn("--ttl", self.complete("agents", "token", "create", "--t"))
        self.assertEqual(self.complete("agents", "revoke", "a", ""), [])
        self.assertIn("httproutes", self.complete("get", "http"))
        self.assertEqual(self.complete(*config, "-n", "completed", "get", "cm", ""), ["finished"])
        self.assertEqual(self.complete(*config, "get", "-n", "completed", "-o", "name", "cm", "fin"), ["finished"])
        self.assertEqual(self.complete(*config, "delete", "-n=completed", "cm/"), ["cm/finished"])
        self.assertEqual(self.complete("get", "cm", "-o", "y"), ["yaml"])
        self.assertEqual(self.complete("get", "cm", "--output=y"), ["--output=yaml"])
        self.assertEqual(self.complete("get", "cm", "--output", "=", "y"), ["yaml"])  # bash's way.
        self.assertIn("--selector", self.complete("get", "--sel"))
        self.assertEqual(self.complete("apply", "-f", ""), [":files"])
        self.assertEqual(self.complete("completion", "z"), ["zsh"])

    def test_completion_scripts_work_in_the_shells_that_are_there(self):
        environment = {**os.environ, "PATH": f"{harness.BIN}:{os.environ['PATH']}"}
        bash = """source <(apkctl completion bash)
complete_words() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _apkctl; printf '%s\n' "${COMPREPLY[@]}"; }
complete_words apkctl get httpr
complete_words apkctl apply -f /etc/os-relea
complete_words apkctl completion """
        run = subprocess.run(["bash", "-c", bash + "''"], env=environment, capture_output=True, text=True, timeout=60)
        self.assertEqual(run.stdout.split(), ["httproutes", "/etc/os-release", "bash", "zsh", "fish"], run.stderr)
        for shell in ("zsh", "fish"):
            script = self.gateway.apkctl("completion", shell).stdout
            self.assertIn("apkctl __complete", script)
            if shutil.which(shell):
                subprocess.run([shell, "-n", "/dev/stdin"], input=script, text=True, check=True, timeout=60)

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

    def test_jsonpath(self):
        self.gateway.apply("---\n".join(f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: path-{name}, labels: {{of: "
                                        f"path}}}}\ndata: {{key: {name}1}}\n" for name in "ab"), settle=False)
        self.assertEqual(self.gateway.apkctl("get", "cm", "path-a", "-o", "jsonpath={.data.key}").stdout, "a1")
        self.assertEqual(self.gateway.apkctl("get", "cm", "-l", "of=path", "-o", 'jsonpath={range .items[*]}'
                                             '{.metadata.name}: {.data.key}{"\\n"}{end}').stdout,
                         "path-a: a1\npath-b: b1\n")
        wrong = self.gateway.apkctl("get", "cm", "-o", "jsonpath={.data", check=False)
        self.assertEqual((wrong.returncode, wrong.stderr), (1, "error: jsonpath: character 7: } is missing\n"))

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
