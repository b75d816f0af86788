"""deploy/: units, packages' content, compose file, manifests and pages say what the programs really do.

Pages are read as they are: a flag, metric or message that is no longer there fails a test.
"""
import functools
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import unittest

import yaml

import certificates
import harness
import prometheus
from etcd_cluster import ETCD

DEPLOY = harness.ROOT / "deploy"
PAGES = [*sorted((DEPLOY / "docs").glob("*.md")), DEPLOY / "kubernetes/README.md"]
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
PROGRAMS = ("apk-control-plane", "apk-data-plane", "apk-inspector", "apk-sample-backend", "apkctl")
KUBECTL = sorted((harness.ROOT / "build/kubectl").glob("*/kubectl"))
FLAG = re.compile(r"--[a-z][a-z0-9-]*")


def run(*command, check=True, **options):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True,
                            timeout=harness.PATIENCE, **options)
    if check and result.returncode != 0:
        raise AssertionError(f"{command}: {result.stdout}{result.stderr}")
    return result


@functools.lru_cache(maxsize=None)
def flags_of(program, *subcommand):
    """`subcommand`: its words; apkctl leaves those aside that follow the command's name."""
    command = [harness.BIN / program, *subcommand, "--help"]
    return {"--help", *FLAG.findall(run(*command).stdout)}


def unknown_flags(command):
    """Of one command, as words: what the program that it starts has not."""
    for at, word in enumerate(command):
        program = os.path.basename(word)
        if program not in PROGRAMS:
            continue
        rest = command[at + 1:]
        words = [word for word in rest if re.fullmatch(r"[a-z][a-z-]+", word)]
        subcommand = words[:3] if program == "apkctl" else []
        if program == "apk-control-plane" and "issue-certificate" in words[:1]:
            subcommand = words[:1]
        known = flags_of(program, *subcommand) | (flags_of(program) if program == "apkctl" else set())
        given = [word.split("=")[0] for word in rest if word.startswith("--") and word != "--"]
        return [f"{program} {subcommand}: {flag}" for flag in given if flag not in known]
    return []


def commands(text):
    """Of a script: lists of words, quotes taken off; a line that ends with a backslash goes on."""
    text = re.sub(r"\\\n\s*", " ", text)
    for part in re.split(r"\n|&&|\|\||;|\$\(|\||'|<\(", text):
        yield [word.strip("\"'()") for word in part.split()]


def code_of(page):
    """The indented blocks of a page, and what stands between single backticks in its prose."""
    text = re.sub(r"(?s)```.*?```", "", page.read_text())
    blocks = "\n".join(line.strip() for line in text.splitlines() if line.startswith("    "))
    blocks = re.sub(r"\\\n", " ", blocks)
    prose = "\n".join(line for line in text.splitlines() if not line.startswith("    "))
    return blocks, re.findall(r"`([^`]+)`", prose)


class Units(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="apk-units-")
        self.addCleanup(directory.cleanup)
        self.root = pathlib.Path(directory.name)
        units = self.root / "usr/lib/systemd/system"
        shutil.copytree("/lib/systemd/system", units, symlinks=True)
        (self.root / "lib").symlink_to("usr/lib")
        (self.root / "usr/bin").mkdir()
        for program in PROGRAMS:
            shutil.copy("/bin/true", self.root / "usr/bin" / program)
        for unit in UNITS:
            shutil.copy(unit, units)

    def verify(self):
        result = run("systemd-analyze", "verify", f"--root={self.root}", "--man=no",
                     *(unit.name for unit in UNITS), check=False)
        return result.returncode, result.stdout + result.stderr

    def test_systemd_takes_them_without_a_word(self):
        self.assertEqual(self.verify(), (0, ""))

    def test_a_misspelt_key_would_be_noticed(self):
        unit = self.root / "usr/lib/systemd/system" / UNITS[0].name
        unit.write_text(unit.read_text().replace("ProtectSystem=", "ProtectSystm="))
        self.assertIn("ProtectSystm", self.verify()[1])

    def test_they_are_hardened(self):
        for unit in UNITS:
            said = run("systemd-analyze", "security", "--offline=true", f"--root={self.root}", "--no-pager", unit).stdout
            exposure = float(re.search(r"exposure level for \S+: (\S+)", said)[1])
            self.assertLess(exposure, 2.0, said)

    def test_a_stop_is_given_longer_than_a_drain_takes(self):
        stop = int(re.search(r"TimeoutStopSec=(\d+)", (DEPLOY / "systemd/apk-data-plane.service").read_text())[1])
        drain = int(re.search(r"--drain-seconds .*?\]=(\d+)", run(harness.BIN / "apk-data-plane", "--help").stdout)[1])
        self.assertGreater(stop, drain)

    def test_flags_and_variables(self):
        for unit in UNITS:
            text = re.sub(r"\\\n\s*", " ", unit.read_text())
            start, *reload = [line.split() for line in re.findall(r"Exec(?:Start|Reload)=(.*)", text)]
            self.assertEqual([unknown_flags(command) for command in (start, *reload)], [[]] * (1 + len(reload)))
            # What takes over is started as what it takes over from was.
            self.assertIn(reload, ([], [[*start, "--take-over", "--detach"]]))
            flags = start[-1].removeprefix("$")
            file = DEPLOY / "systemd/env" / pathlib.Path(re.search(r"EnvironmentFile=(.*)", text)[1]).name
            self.assertIn(f"\n{flags}=\n", file.read_text())
            for flag in FLAG.findall(file.read_text()):
                self.assertIn(flag, flags_of(os.path.basename(start[0])), file)


class Installation(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory(prefix="apk-installed-")
        cls.addClassCleanup(cls.directory.cleanup)
        cls.root = pathlib.Path(cls.directory.name)
        cls.installed = cls.install()

    @classmethod
    def install(cls, *options, name="all"):
        root = cls.root / name
        run("cmake", "--install", harness.BIN.parent, "--prefix", "/usr", *options,
            env={**os.environ, "DESTDIR": str(root)})
        return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}

    def test_is_complete(self):
        wanted = {f"usr/bin/{program}" for program in PROGRAMS}
        wanted |= {f"usr/lib/systemd/system/{unit.name}" for unit in UNITS}
        wanted |= {f"usr/lib/sysusers.d/{file.name}" for file in (DEPLOY / "systemd/sysusers.d").iterdir()}
        wanted |= {f"etc/apk/{file.name}" for file in (DEPLOY / "systemd/env").iterdir()}
        wanted |= {f"usr/share/doc/apkctl/examples/{file.relative_to(DEPLOY / 'examples')}"
                   for file in (DEPLOY / "examples").rglob("*.yaml")}
        wanted |= {f"usr/share/doc/{package}/{page.name}" for page in (DEPLOY / "docs").iterdir()
                   for package in ("apk-control-plane", "apk-data-plane")}
        wanted |= {f"usr/share/doc/{package}/copyright" for package in PROGRAMS if package != "apk-sample-backend"}
        wanted |= {"usr/share/bash-completion/completions/apkctl", "usr/share/zsh/vendor-completions/_apkctl"}
        self.assertEqual(self.installed, wanted)
        self.assertEqual((self.root / "all/etc/apk/pki").stat().st_mode & 0o777, 0o700)

    def test_programs_run_from_there(self):
        for program in PROGRAMS:
            arguments = ["version", "--client"] if program == "apkctl" else ["--version"]
            self.assertIn("0.1.0", run(self.root / "all/usr/bin" / program, *arguments).stdout)

    def test_completion_is_what_the_program_prints(self):
        file = self.root / "all/usr/share/bash-completion/completions/apkctl"
        self.assertEqual(file.read_text(), run(harness.BIN / "apkctl", "completion", "bash").stdout)

    def test_each_file_is_in_one_package(self):
        seen = set()
        for package in ("apk-control-plane", "apk-data-plane", "apkctl", "apk-inspector"):
            files = self.install("--component", package, name=package)
            self.assertEqual(seen & files, set())
            seen |= files
            if f"etc/apk/{package.removeprefix('apk-')}.env" in files:
                scripts = harness.BIN.parent / "debian" / package
                self.assertEqual((scripts / "conffiles").read_text(), f"/etc/apk/{package.removeprefix('apk-')}.env\n")
                for script in ("postinst", "prerm", "postrm"):
                    self.assertNotRegex((scripts / script).read_text(), r"@\w+@")
                    run("sh", "-n", scripts / script)
        self.assertEqual(seen, self.installed)

    def test_what_a_unit_names_is_installed(self):
        for unit in UNITS:
            text = unit.read_text()
            for path in re.findall(r"(?:ExecStart|EnvironmentFile)=/(\S+)|file:///(\S+)", text):
                self.assertIn(path[0] or path[1], self.installed, unit)
            user = re.search(r"^User=(.*)", text, re.M)
            if user:
                self.assertIn(f"u {user[1]} ", (DEPLOY / f"systemd/sysusers.d/{user[1]}.conf").read_text())


class Compose(unittest.TestCase):
    def setUp(self):
        self.file = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
        self.services = self.file["services"]

    def test_fields(self):
        known = {"image", "build", "user", "read_only", "cap_drop", "security_opt", "restart", "depends_on", "command",
                 "healthcheck", "stop_grace_period", "volumes", "ports"}
        for name, service in self.services.items():
            self.assertLessEqual(set(service), known, name)
            self.assertRegex(service["user"], r"^[1-9]\d*:")
            for other, on in service.get("depends_on", {}).items():
                self.assertIn(other, self.services)
                if on["condition"] == "service_healthy":
                    self.assertIn("healthcheck", self.services[other])
            for volume in service.get("volumes", []):
                source = volume.split(":")[0]
                if source.startswith("."):
                    place = DEPLOY / source
                    self.assertTrue(place.exists(), place)
                else:
                    self.assertIn(source, self.file["volumes"])
            for port in service.get("ports", []):
                self.assertRegex(port, r"^127\.0\.0\.")

    def test_flags(self):
        for name, service in self.services.items():
            for command in (service["command"], service.get("healthcheck", {}).get("test", [])):
                for words in ([command] if command[:1] != ["sh"] else commands(command[-1].replace("$$", "$"))):
                    self.assertEqual(unknown_flags(words), [], name)

    def test_the_image_has_what_is_started(self):
        recipe = (DEPLOY / "Dockerfile").read_text()
        self.assertRegex(recipe, r"\nUSER 10001:10001\n")
        self.assertEqual(set(re.findall(r"^FROM (\S+)", recipe, re.M)), {"debian:12"})
        for lists in re.findall(r"s/\^(\w+): //p", recipe):
            self.assertIn(f"\n{lists}: ", (DEPLOY / "packages").read_text())

    def test_its_backends_are_those_of_the_example(self):
        ours = list(yaml.safe_load_all((DEPLOY / "compose-backends.yaml").read_text()))
        theirs = list(yaml.safe_load_all((DEPLOY / "examples/backends.yaml").read_text()))
        for backend in ours:
            self.assertIn(backend["spec"]["services"][0]["host"], self.services)
            backend["spec"]["services"][0]["host"] = "127.0.0.1"
        self.assertEqual(ours, theirs)


# What the manifests use of the kinds' schemas; a field that is not here is a misspelling, or new.
METADATA = {"name": 0, "namespace": 0, "labels": 0}
SELECTOR = {"matchLabels": 0}
PROBE = {"exec": {"command": 0}, "tcpSocket": {"port": 0}, "httpGet": {"path": 0, "port": 0}, "periodSeconds": 0,
         "timeoutSeconds": 0, "failureThreshold": 0}
CONTAINER = {
    "name": 0, "image": 0, "command": 0, "readinessProbe": PROBE, "livenessProbe": PROBE,
    "env": [{"name": 0, "value": 0, "valueFrom": {"configMapKeyRef": {"name": 0, "key": 0},
                                                  "fieldRef": {"fieldPath": 0}}}],
    "ports": [{"name": 0, "containerPort": 0}], "lifecycle": {"preStop": {"exec": {"command": 0}}},
    "resources": {"requests": {"cpu": 0, "memory": 0}, "limits": {"memory": 0}},
    "securityContext": {"allowPrivilegeEscalation": 0, "readOnlyRootFilesystem": 0, "capabilities": {"drop": 0}},
    "volumeMounts": [{"name": 0, "mountPath": 0, "readOnly": 0}]}
POD = {"metadata": METADATA, "spec": {
    "automountServiceAccountToken": 0, "terminationGracePeriodSeconds": 0, "containers": [CONTAINER],
    "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
        {"topologyKey": 0, "labelSelector": SELECTOR}]}},
    "securityContext": {"runAsNonRoot": 0, "runAsUser": 0, "runAsGroup": 0, "fsGroup": 0, "fsGroupChangePolicy": 0,
                        "seccompProfile": {"type": 0}},
    "volumes": [{"name": 0, "emptyDir": {"medium": 0, "sizeLimit": 0}, "secret": {"secretName": 0, "defaultMode": 0}}]}}
SCHEMAS = {
    ("v1", "Namespace"): {},
    ("v1", "ConfigMap"): {"data": 0},
    ("v1", "Service"): {"spec": {"type": 0, "externalTrafficPolicy": 0, "selector": 0, "clusterIP": 0,
                                 "publishNotReadyAddresses": 0,
                                 "ports": [{"name": 0, "port": 0, "targetPort": 0}]}},
    ("apps/v1", "StatefulSet"): {"spec": {
        "serviceName": 0, "replicas": 0, "podManagementPolicy": 0, "selector": SELECTOR, "template": POD,
        "volumeClaimTemplates": [{"metadata": METADATA, "spec": {"accessModes": 0,
                                                                 "resources": {"requests": {"storage": 0}}}}]}},
    ("apps/v1", "DaemonSet"): {"spec": {
        "selector": SELECTOR, "template": POD,
        "updateStrategy": {"type": 0, "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 0}}}},
    ("policy/v1", "PodDisruptionBudget"): {"spec": {"maxUnavailable": 0, "selector": SELECTOR}},
    ("networking.k8s.io/v1", "NetworkPolicy"): {"spec": {
        "podSelector": SELECTOR, "policyTypes": 0,
        "ingress": [{"from": [{"podSelector": SELECTOR, "namespaceSelector": SELECTOR}], "ports": [{"port": 0}]}]}},
}


def unknown_fields(value, schema, path):
    if schema == 0:
        return []
    if isinstance(schema, list):
        return [name for item in value for name in unknown_fields(item, schema[0], f"{path}[]")]
    found = [f"{path}.{name}" for name in value if name not in schema]
    return found + [name for key, inner in value.items() if key in schema
                    for name in unknown_fields(inner, schema[key], f"{path}.{key}")]


class Kubernetes(unittest.TestCase):
    def setUp(self):
        self.folder = DEPLOY / "kubernetes"
        self.kustomization = yaml.safe_load((self.folder / "kustomization.yaml").read_text())
        self.objects = [one for name in self.kustomization["resources"]
                        for one in yaml.safe_load_all((self.folder / name).read_text())]

    def pods(self):
        return [(one, one["spec"]["template"]["spec"]) for one in self.objects if "template" in one.get("spec", {})]

    def test_all_files_are_listed(self):
        files = {file.name for file in self.folder.glob("*.yaml")} - {"kustomization.yaml"}
        self.assertEqual(files, set(self.kustomization["resources"]))

    def test_fields(self):
        for one in self.objects:
            schema = SCHEMAS[(one["apiVersion"], one["kind"])]
            everywhere = {"apiVersion": 0, "kind": 0, "metadata": METADATA}
            self.assertEqual(unknown_fields(one, {**everywhere, **schema}, one["kind"]), [])

    def test_references_lead_somewhere(self):
        config = next(one for one in self.objects if one["kind"] == "ConfigMap")
        for one, pod in self.pods():
            self.assertEqual(one["spec"]["selector"]["matchLabels"], one["spec"]["template"]["metadata"]["labels"])
            container = pod["containers"][0]
            variables = {variable["name"] for variable in container["env"]}
            self.assertLessEqual(set(re.findall(r"\$\((\w+)\)", " ".join(container["command"]))), variables)
            for variable in container["env"]:
                reference = variable.get("valueFrom", {}).get("configMapKeyRef")
                if reference:
                    self.assertEqual(reference["name"], config["metadata"]["name"])
                    self.assertIn(reference["key"], config["data"])
            volumes = {volume["name"] for volume in pod.get("volumes", [])}
            volumes |= {claim["metadata"]["name"] for claim in one["spec"].get("volumeClaimTemplates", [])}
            self.assertEqual({mount["name"] for mount in container["volumeMounts"]}, volumes)
        labels = [one["spec"]["template"]["metadata"]["labels"] for one, _ in self.pods()]
        for one in self.objects:
            if one["kind"] == "Service":
                self.assertIn(one["spec"]["selector"], labels)

    def test_pods_are_restricted(self):
        for _, pod in self.pods():
            self.assertTrue(pod["securityContext"]["runAsNonRoot"])
            self.assertEqual(pod["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"})
            for container in pod["containers"]:
                self.assertEqual(container["securityContext"], {"allowPrivilegeEscalation": False,
                                                                "readOnlyRootFilesystem": True,
                                                                "capabilities": {"drop": ["ALL"]}})

    def test_flags_and_probes(self):
        for one, pod in self.pods():
            for container in pod["containers"]:
                ports = {port["name"] for port in container["ports"]}
                self.assertEqual(unknown_flags(container["command"]), [])
                for probe in (container["readinessProbe"], container["livenessProbe"]):
                    self.assertEqual(unknown_flags(probe.get("exec", {}).get("command", [])), [])
                    port = probe.get("httpGet", probe.get("tcpSocket", {})).get("port")
                    self.assertIn(port, ports | {None})
                if one["kind"] == "DaemonSet":
                    drain = int(next(o for o in self.objects if o["kind"] == "ConfigMap")["data"]["drain-seconds"])
                    sleep = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
                    self.assertGreater(pod["terminationGracePeriodSeconds"], drain + sleep)


@unittest.skipUnless(KUBECTL, "no kubectl: tests/run fetches it where npm reaches a registry")
class KubernetesWithEtcd(Kubernetes):
    """The same of what kubectl makes of the variant with etcd."""

    def setUp(self):
        self.folder = DEPLOY / "kubernetes-etcd"
        self.kustomization = yaml.safe_load((self.folder / "kustomization.yaml").read_text())
        self.objects = list(yaml.safe_load_all(run(KUBECTL[-1], "kustomize", self.folder).stdout))

    def test_all_files_are_listed(self):
        files = {file.name for file in self.folder.glob("*.yaml")} - {"kustomization.yaml"}
        patches = {patch["path"] for patch in self.kustomization["patches"]}
        self.assertEqual(files | {"../kubernetes"}, set(self.kustomization["resources"]) | patches)

    def command(self, name):
        one = next(one for one in self.objects if one["kind"] == "StatefulSet" and one["metadata"]["name"] == name)
        flags = dict(word.partition("=")[::2] for word in one["spec"]["template"]["spec"]["containers"][0]["command"])
        return one["spec"]["replicas"], flags

    def test_all_members_are_named(self):
        members, etcd = self.command("apk-etcd")
        names = [f"apk-etcd-{number}.apk-etcd.apk.svc" for number in range(members)]
        self.assertEqual(etcd["--initial-cluster"],
                         ",".join(f"{name.split('.')[0]}=https://{name}:2380" for name in names))
        replicas, control_plane = self.command("apk-control-plane")
        self.assertEqual(replicas, 3)
        self.assertEqual(control_plane["--store"], f"etcd://{','.join(f'{name}:2379' for name in names)}/apk")

    def test_its_control_plane_has_the_flags_of_the_other(self):
        alone = next(one for one in yaml.safe_load_all((DEPLOY / "kubernetes/control-plane.yaml").read_text())
                     if one["kind"] == "StatefulSet")["spec"]["template"]["spec"]["containers"][0]["command"]
        _, flags = self.command("apk-control-plane")
        self.assertEqual({flag: value for flag, value in flags.items() if not flag.startswith("--store")},
                         dict(word.partition("=")[::2] for word in alone))

    @unittest.skipUnless(os.access(ETCD, os.X_OK), "etcd is not installed")
    def test_flags_of_etcd_exist(self):
        known = set(FLAG.findall(run(ETCD, "--help").stdout))
        _, flags = self.command("apk-etcd")
        self.assertLessEqual({flag for flag in flags if flag.startswith("--")}, known)


@unittest.skipUnless(os.access(ETCD, os.X_OK), "etcd is not installed")
class EtcdOfSystemd(unittest.TestCase):
    """etcd.env and the certificates of etcd-certificates, on three addresses instead of hosts."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="apk-etcd-")
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        self.pki = self.directory / "pki"
        self.hosts = {f"node-{number}": f"127.0.0.{number}" for number in (1, 2, 3)}
        self.client, self.peer = harness.free_port(), harness.free_port()
        run(DEPLOY / "etcd-certificates", self.pki, *(f"{name}={name},{address}" for name, address in
                                                      self.hosts.items()))

    def environment(self, node):
        """What etcd.env says, for this node and our ports."""
        text = re.sub(r"(?m)^#.*\n", "", (DEPLOY / "systemd/etcd.env").read_text())
        values = dict(line.split("=", 1) for line in text.splitlines())
        for name, value in values.items():
            if name != "ETCD_INITIAL_CLUSTER":
                value = value.replace("node-1", node).replace("0.0.0.0", node)
            value = value.replace("/etc/etcd/pki", str(self.pki)).replace("/var/lib", str(self.directory / node))
            if "URLS" in name or name == "ETCD_INITIAL_CLUSTER":
                for host, address in self.hosts.items():
                    value = value.replace(f"//{host}:", f"//{address}:")
                value = value.replace(":2379", f":{self.client}").replace(":2380", f":{self.peer}")
            values[name] = value
        return values

    def test_control_planes_come_by_their_certificate_and_nobody_without(self):
        for node in self.hosts:
            with open(self.directory / f"{node}.log", "wb") as log:
                process = subprocess.Popen([ETCD, "--logger", "zap", "--log-level", "error"], stdout=log, stderr=log,
                                           env={**os.environ, **self.environment(node)})
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)
        shown = ("--cert", self.pki / "control-plane.crt", "--key", self.pki / "control-plane.key")

        def healthy(address, *certificate):
            said = run("curl", "-sS", "--max-time", "5", "--cacert", self.pki / "ca.crt", *certificate,
                       f"https://{address}:{self.client}/health", check=False)
            return '"health":"true"' in said.stdout
        for address in self.hosts.values():
            harness.eventually(lambda: healthy(address, *shown), "the member is one of the cluster")
            self.assertFalse(healthy(address))
        members = ",".join(f"{address}:{self.client}" for address in self.hosts.values())
        with harness.Gateway(agents=0, control_plane_flags=(
                "--store", f"etcd://{members}/apk", "--store-ca", self.pki / "ca.crt", "--store-cert",
                self.pki / "control-plane.crt", "--store-key", self.pki / "control-plane.key")) as gateway:
            self.assertIn("default", gateway.apkctl("get", "ns").stdout)


class Pages(unittest.TestCase):
    def test_commands_have_flags_that_exist(self):
        for page in PAGES:
            for words in commands(code_of(page)[0]):
                self.assertEqual(unknown_flags(words), [], page.name)

    def test_flags_in_the_prose_exist(self):
        known = set().union(*(flags_of(program) for program in PROGRAMS))
        known |= flags_of("apk-control-plane", "issue-certificate")
        for command in ("apply", "backup", "export", "history", "restore", "rollback", "agents token create",
                        "agents revoke"):
            known |= flags_of("apkctl", *command.split())
        for page in PAGES:
            for quoted in code_of(page)[1]:
                if quoted.startswith(("kubectl", "create secret", "systemctl")):
                    continue
                for flag in FLAG.findall(quoted):
                    self.assertIn(flag, known, page.name)

    def test_flags_in_the_env_files_that_pages_show_exist(self):
        for page in PAGES:
            for program, flags in re.findall(r"APK_(\w+)_FLAGS=(.*)", page.read_text()):
                for flag in FLAG.findall(flags):
                    self.assertIn(flag, flags_of(f"apk-{program.lower().replace('_', '-')}"), page.name)

    def test_links_lead_somewhere(self):
        for page in [*PAGES, harness.ROOT / "README.md"]:
            for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
                self.assertTrue((page.parent / target).exists(), f"{page.name}: {target}")

    def test_every_page_is_in_the_readme(self):
        readme = (harness.ROOT / "README.md").read_text()
        for page in PAGES:
            self.assertIn(f"({page.relative_to(harness.ROOT)})", readme)

    def test_messages_are_the_programs(self):
        """Of the first column of troubleshooting.md: what stands between ellipses is said by a source."""
        folders = ("common", "control-plane", "data-plane")
        sources = "\n".join(file.read_text() for folder in folders
                            for file in sorted((harness.ROOT / folder).rglob("*.cc")))
        sources = re.sub(r'"\s*\n\s*"', "", sources)
        # By libraries and the kernel, or by systemd.
        others = {"Connection refused", "DNS resolution failed for", "is not in peer certificate", "Socket closed",
                  "certificate verify failed", "Address already in use", "Permission denied",
                  "Cannot assign requested address", "Assertion failed on job for apk-data-plane.service."}
        checked = 0
        for line in (DEPLOY / "docs/troubleshooting.md").read_text().splitlines():
            if not line.startswith("| ") or line.startswith(("| ---", "| the agent says |", "| it says |")):
                continue
            for message in re.findall(r"`([^`]+)`", line.split(" | ")[0]):
                if message.startswith("apk"):  # A command.
                    continue
                for fragment in re.split(r"\s*…[:,]?\s*", message):
                    if fragment in others:
                        continue
                    for piece in fragment.split(": "):
                        # Punctuation at the seams is of the format.
                        piece = piece.strip(" ,:")
                        if piece and piece not in others:
                            self.assertTrue(self.said(piece, sources), f"nothing says: {piece}")
                            checked += 1
        self.assertGreater(checked, 30)

    @staticmethod
    def said(text, sources):
        """As it is, or put together of two literals, as in "in use by another " and "control plane"."""
        if text in sources:
            return True
        words = text.split()
        return any(" ".join(words[:i]) + ' "' in sources and f'"{" ".join(words[i:])}' in sources
                   for i in range(2, len(words)))

    def test_lifetimes(self):
        page = (DEPLOY / "docs/certificates.md").read_text()
        with tempfile.TemporaryDirectory(prefix="apk-pki-") as directory, harness.Gateway(agents=0) as gateway:
            run(harness.BIN / "apk-control-plane", "issue-certificate", "--data-dir", gateway.data, "--agent", "node-1",
                "--out", directory)
            self.assertEqual({file.name for file in pathlib.Path(directory).iterdir()},
                             {"ca.crt", "node-1.crt", "node-1.key"})
            pki = gateway.data / "pki"
            for file in pki.iterdir():
                self.assertIn(f"`{file.name}`", page)
            for row in re.findall(r"\| `(\w+\.crt)`.*?\| (\d+) days", page):
                self.lasts(pki / row[0], int(row[1]))
            self.lasts(pathlib.Path(directory) / "node-1.crt", 365)
            names = run("openssl", "x509", "-in", f"{directory}/node-1.crt", "-noout", "-ext", "subjectAltName").stdout
            self.assertIn("URI:spiffe://apk/agent/node-1", names)

    def lasts(self, file, days):
        for more, ends in ((-1, 0), (1, 1)):
            code = run("openssl", "x509", "-in", file, "-noout", "-checkend", (days + more) * 86400, check=False).returncode
            self.assertEqual(code, ends, file)


class Metrics(unittest.TestCase):
    """metrics.md and a real /metrics: the same names, types and labels, and the same reasons of failures."""

    def test_names_types_and_labels(self):
        page = (DEPLOY / "docs/metrics.md").read_text()
        documented = {name: (kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels in
                      re.findall(r"^\| `(\w+)` \| (counter|gauge|histogram) \|([^|]*)\|", page, re.M)}
        primary, mirror = harness.FakeBackend(), harness.FakeBackend()
        self.addCleanup(primary.close)
        self.addCleanup(mirror.close)
        with harness.Gateway(agent_flags=["--access-log", "/dev/null", "--otlp-endpoint",
                                          f"http://127.0.0.1:{harness.free_port()}"]) as gateway:
            port = harness.free_port("127.0.0.1")
            rules = (f"  - backendRefs: [{harness.reference('primary')}]\n    filters:\n    - type: RequestMirror\n"
                     f"      requestMirror: {{backendRef: {harness.reference('mirror')}}}\n")
            authority = certificates.Authority()
            pair = authority.issue("a.example")
            gateway.apply(json.dumps(pair.secret("pair", ocsp=authority.ocsp_response(pair))) + "\n---\n" +
                          harness.secured_gateway(harness.free_port(), "pair") + "---" +
                          harness.plain_gateway(port) + harness.backend("primary", primary.port) +
                          harness.backend("mirror", mirror.port) + harness.route("all", rules))
            self.assertEqual(gateway.curl("/", host="any.example", scheme="http", port=port).status, 200)
            gateway.settled_mirror_counts("Backend default/mirror", 1)
            text = harness.http_get(gateway.agents[1].ready["admin"], "/metrics")
        prometheus.parse(text)
        kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.M))
        real = {name: (kind, self.labels_of(name, kind, text)) for name, kind in kinds.items()}
        self.assertEqual(documented, real)
        reasons = set(re.findall(r'apk_request_failures_total\{reason="(\w+)"\}', text))
        described = page[page.index("| reason |"):page.index("## What to alert on")]
        self.assertEqual(set(re.findall(r"^\| `(\w+)` \|", described, re.M)), reasons)
        alerts = page[page.index("## What to alert on"):]
        self.assertLessEqual(set(re.findall(r"\bapk_\w+", alerts)), set(real))
        for other in PAGES:
            self.assertLessEqual(set(re.findall(r"\bapk_\w+_(?:total|seconds|bytes|open|active|revision)\b",
                                                other.read_text())), set(real), other.name)

    def labels_of(self, name, kind, text):
        sample = re.search(rf"^{name}{'_bucket' if kind == 'histogram' else ''}(?:\{{(.*)\}})? \S+$", text, re.M)
        self.assertIsNotNone(sample, f"{name} has no sample")
        return frozenset(re.findall(r'(\w+)="', sample[1] or ""))


class Backup(unittest.TestCase):
    """What backup.md says of everything: stopped for the moment of the copy, while changes come in."""

    def test_a_copy_of_a_busy_store_can_be_restored(self):
        with tempfile.TemporaryDirectory(prefix="apk-backup-") as directory, harness.Gateway() as gateway:
            copy = pathlib.Path(directory) / "copy"
            copy.mkdir(mode=0o700)
            for number in range(5):
                gateway.apply(harness.backend(f"before-{number}", 1), settle=False)
            program = gateway.control_plane.process
            writer = subprocess.Popen(
                ["sh", "-c", 'for n in $(seq 20); do printf -- "$1" $n | "$2" --config "$3" apply -f - || exit 1; done', "sh",
                 harness.backend("during-%s", 1), str(harness.BIN / "apkctl"), str(gateway.data / "apkctl.yaml")],
                stdout=subprocess.DEVNULL)
            harness.eventually(lambda: "during-3" in gateway.apkctl("get", "backends").stdout, "changes come in")
            program.send_signal(signal.SIGSTOP)
            try:
                run("sh", "-c", f"cp -a {gateway.data}/store.db* {gateway.data}/pki {copy}/")
            finally:
                program.send_signal(signal.SIGCONT)
            self.assertEqual(writer.wait(harness.PATIENCE), 0)
            gateway.settle()
            gateway.control_plane.stop()
            shutil.rmtree(gateway.data)
            shutil.copytree(copy, gateway.data, symlinks=True)
            gateway.start_control_plane()
            gateway.settle()
            objects = gateway.apkctl("get", "backends").stdout
            self.assertIn("before-4", objects)
            self.assertIn("during-3", objects)


if __name__ == "__main__":
    harness.main()
