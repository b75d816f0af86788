"""Control planes that let agents join, and the agents, users and certificates of a test."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import unittest

import harness
from etcd_cluster import Etcd
from harness import BIN, PATIENCE, eventually, free_port

ROUTE = harness.route("web", "  - matches: [{path: {type: PathPrefix, value: /}}]\n"
                             f"    backendRefs: [{harness.reference('web')}]\n")

# Seconds that certificates are valid where they are to be renewed.
LIFE = float(os.environ.get("APK_CERTIFICATE_LIFE", "8"))


class Installation:
    """Control planes of one store, which let agents join; agents are started by the tests."""

    def __init__(self, control_planes=1, etcd=False, flags=()):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="apk-enrolment-"))
        self.port = free_port()
        self.ports = {number: free_port() for number in range(1, control_planes + 1)}
        self.enrollment = {number: free_port() for number in self.ports}
        self.kubernetes = {number: free_port() for number in self.ports}
        self.flags = flags
        self.control_planes, self.agents = {}, {}
        self.etcd = Etcd(self.directory, members=1) if etcd else None
        try:
            for number in self.ports:
                self.start_control_plane(number, wait=False)
            for process in self.control_planes.values():
                process.wait_ready()
        except AssertionError:
            self.close()
            raise

    def data(self, number=1):
        return self.directory / f"control-plane-{number}"

    def start_control_plane(self, number=1, wait=True):
        store = ("--store", self.etcd.url([0])) if self.etcd else ()
        self.control_planes[number] = harness.Process(
            f"apk-control-plane.{number}", "--data-dir", self.data(number), *store, "--listen",
            f"127.0.0.1:{self.ports[number]}", "--token-issuer-listen", "127.0.0.1:0", "--kubernetes-listen",
            f"127.0.0.1:{self.kubernetes[number]}", "--enrollment-listen", f"127.0.0.1:{self.enrollment[number]}",
            "--gateway-port", free_port(), *self.flags, wait=wait, directory=self.directory)

    def start_agent(self, name, *flags, control_planes=None, enrollment=None, address="127.0.0.1",
                    wait=False):
        known = control_planes or list(self.ports)
        self.agents[name] = harness.Process(
            f"apk-data-plane.{name}", "--id", name, "--control-plane",
            ",".join(f"127.0.0.1:{self.ports[number]}" for number in known), "--enrollment",
            enrollment or ",".join(f"127.0.0.1:{self.enrollment[number]}" for number in known), "--address", address,
            "--data-dir", self.directory / name, "--admin", "127.0.0.1:0", "--workers", 1, "--drain-seconds", 1,
            *flags, wait=wait, directory=self.directory)
        return self.agents[name]

    def apkctl(self, *arguments, at=1, stdin=None, check=True, config=None):
        result = subprocess.run([str(BIN / "apkctl"), "--config", str(config or self.data(at) / "apkctl.yaml"),
                                 *map(str, arguments)], input=stdin, capture_output=True, text=True, timeout=PATIENCE)
        if check and result.returncode != 0:
            raise AssertionError(f"apkctl {arguments}: {result.stdout}{result.stderr}")
        return result

    def token(self, *flags, at=1):
        return self.apkctl("agents", "token", "create", *flags, at=at).stdout.strip()

    def tokens(self, at=1):
        return {token["id"]: token for token in
                json.loads(self.apkctl("agents", "token", "list", "-o", "json", at=at).stdout)["tokens"]}

    def agent(self, name, at=1):
        fleet = json.loads(self.apkctl("agents", "-o", "json", at=at).stdout)
        return next((agent for agent in fleet["agents"] if agent["id"] == name), {"connected": False})

    def wait_connected(self, name, at=1, connected=True):
        eventually(lambda: self.agent(name, at)["connected"] == connected,
                   f"{name} is {'' if connected else 'not '}connected")

    def log(self, name):
        return (self.directory / f"apk-data-plane.{name}.log").read_text(errors="replace")

    def wait_log(self, name, text, after=0):
        eventually(lambda: text in self.log(name)[after:], f"{name} says: {text}")

    def identity(self, name):
        return self.directory / name / "identity"

    def user(self, name):
        """A configuration of apkctl with a certificate of this user."""
        out = self.directory / f"user-{name}"
        store = ("--store", self.etcd.url([0])) if self.etcd else ()
        subprocess.run([str(BIN / "apk-control-plane"), "issue-certificate", "--data-dir", str(self.data()), *store,
                        "--user", name, "--out", str(out)], check=True, capture_output=True)
        return self.client_config(out / "apkctl.yaml", self.data() / "pki/ca.crt", out / f"{name}.crt",
                                  out / f"{name}.key")

    def client_config(self, path, authority, certificate, key):
        path.write_text(json.dumps({"currentContext": "test", "contexts": [{
            "name": "test", "server": f"127.0.0.1:{self.ports[1]}", "namespace": "default",
            "certificateAuthority": str(authority), "clientCertificate": str(certificate), "clientKey": str(key)}]}))
        return path

    def stop_agents(self):
        for process in self.agents.values():
            if process.process.poll() is None:
                process.stop()
        self.agents.clear()

    def ask(self, address="127.0.0.1"):
        return harness.status_of(address, self.port)

    def close(self):
        try:
            for process in [*self.agents.values(), *self.control_planes.values()]:
                if process.process.poll() is None:
                    process.stop()
        finally:
            if self.etcd:
                self.etcd.close()
            shutil.rmtree(self.directory, ignore_errors=True)


class Requests:
    """One after the other until they are stopped; remembers what was answered."""

    def __init__(self, installation):
        self.statuses = []
        self._stopping = threading.Event()
        self._installation = installation
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._stopping.wait(0.02):
            try:
                self.statuses.append(self._installation.ask())
            except OSError as error:
                self.statuses.append(repr(error))

    def stop(self):
        self._stopping.set()
        self._thread.join()
        return self.statuses


class WithShortCertificates(unittest.TestCase):
    """An installation for each test, of two control planes where `etcd` is true, whose agents renew their certificates
    every few seconds and serve ROUTE. `other` is the control plane where what is done at the first one must show."""
    etcd = False

    def setUp(self):
        self.backend = harness.FakeBackend()
        self.addCleanup(self.backend.close)
        self.all = Installation(control_planes=2 if self.etcd else 1, etcd=self.etcd,
                                flags=("--agent-certificate-ttl", f"{LIFE:.0f}s"))
        self.addCleanup(self.all.close)
        self.other = 2 if self.etcd else 1
        self.all.apkctl("apply", "-f", "-", stdin=harness.plain_gateway(self.all.port)
                        + harness.backend("web", self.backend.port) + ROUTE)


class WithBackend(unittest.TestCase):
    """One installation for all tests of a class, of two control planes where `etcd` is true. Its agents serve ROUTE;
    `other` is the control plane where what is done at the first one must show."""
    etcd = False

    @classmethod
    def setUpClass(cls):
        if cls is WithBackend:
            raise unittest.SkipTest("the base of others")
        cls.backend = harness.FakeBackend()
        cls.addClassCleanup(cls.backend.close)
        cls.all = Installation(control_planes=2 if cls.etcd else 1, etcd=cls.etcd)
        cls.addClassCleanup(cls.all.close)
        cls.other = 2 if cls.etcd else 1
        cls.all.apkctl("apply", "-f", "-", stdin=harness.plain_gateway(cls.all.port)
                       + harness.backend("web", cls.backend.port) + ROUTE)

    def tearDown(self):
        self.all.stop_agents()
