"""Three control planes on three members of etcd: one configuration, whatever stops."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading
import unittest

import harness
from certificates import Authority
from etcd_cluster import ETCD, Etcd
from harness import BIN, PATIENCE, eventually, free_port

class Installation:
    """Control planes 1, 2 and 3 and their agents. Agent 1 knows all of them, agent 3 the third alone."""

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="apk-etcd-test-"))
        self.port = free_port()
        self.ports = {number: free_port() for number in (1, 2, 3)}
        self.control_planes = {}
        self.agents = {}
        self.etcd = Etcd(self.directory)
        try:
            for number in self.ports:  # Together: an empty store is filled once.
                self.start_control_plane(number, wait=False)
            for process in self.control_planes.values():
                process.wait_ready()
            self.start_agent(1, (1, 2, 3))
            self.start_agent(3, (3,))
        except AssertionError:
            self.close()
            raise

    def data(self, number):
        return self.directory / f"control-plane-{number}"

    def start_control_plane(self, number, wait=True, members=(0, 1, 2)):
        self.control_planes[number] = harness.Process(
            f"apk-control-plane.{number}", "--data-dir", self.data(number), "--store", self.etcd.url(members),
            "--listen", f"127.0.0.1:{self.ports[number]}", "--token-issuer-listen", "127.0.0.1:0",
            "--kubernetes-listen", "off", "--gateway-port", free_port(), wait=wait, directory=self.directory)

    def start_agent(self, number, control_planes):
        addresses = ",".join(f"127.0.0.1:{self.ports[known]}" for known in control_planes)
        pki = self.data(1) / "pki"  # One authority: any control plane's certificates do.
        self.agents[number] = harness.Process(
            "apk-data-plane", "--id", f"agent-{number}", "--control-plane", addresses, "--ca", pki / "ca.crt",
            "--cert", pki / "agent.crt", "--key", pki / "agent.key", "--address", f"127.0.0.{number}", "--data-dir",
            self.directory / f"agent-{number}", "--admin", "127.0.0.1:0", "--workers", "1", "--drain-seconds", "1",
            wait=False, directory=self.directory)

    def kill(self, number):
        self.control_planes[number].stop(signal.SIGKILL)

    def log(self, number):
        return (self.directory / f"apk-control-plane.{number}.log").read_text(errors="replace")

    def alive(self):
        return [number for number, process in self.control_planes.items() if process.process.poll() is None]

    def leader(self):
        """The living control plane that said last that it writes statuses."""
        for number in self.alive():
            lines = [line for line in self.log(number).splitlines() if "control plane writes statuses" in line]
            if lines and "this control plane" in lines[-1]:
                return number
        return None

    def home(self, agent):
        """The living control plane that the agent is connected to."""
        for number in self.alive():
            log = self.log(number)
            if log.count(f"agent came agent={agent}") > log.count(f"agent left agent={agent}"):
                return number
        return None

    def apkctl(self, number, *arguments, stdin=None, check=True, server=None):
        result = subprocess.run(
            [str(BIN / "apkctl"), "--config", str(self.data(number) / "apkctl.yaml"),
             *(["--server", server] if server else []), *map(str, arguments)],
            input=stdin, capture_output=True, text=True, timeout=PATIENCE)
        if check and result.returncode != 0:
            raise AssertionError(f"apkctl at {number}: {arguments}: {result.stdout}{result.stderr}")
        return result

    def fleet(self, number):
        return json.loads(self.apkctl(number, "agents", "-o", "json").stdout)

    def get(self, number, *arguments):
        return json.loads(self.apkctl(number, "get", *arguments, "-o", "json").stdout)

    def settle(self):
        """Until every living control plane has the same revision and snapshot, and says so of all agents."""
        def settled():
            fleets = [self.fleet(number) for number in self.alive()]
            same = len({(fleet["revision"], fleet["snapshotVersion"]) for fleet in fleets}) == 1
            return same and all(
                sum(agent["connected"] and agent["upToDate"] for agent in fleet["agents"]) == len(self.agents)
                for fleet in fleets)
        eventually(settled, "one revision, one snapshot, one fleet at all control planes")

    def ask(self, agent, path="/first"):
        """The status that the agent answers with; 0 where it does not."""
        try:
            return harness.status_of(f"127.0.0.{agent}", self.port, path)
        except OSError:
            return 0

    def close(self):
        try:
            for process in [*self.agents.values(), *self.control_planes.values()]:
                if process.process.poll() is None:
                    process.stop()
        finally:
            self.etcd.close()
            shutil.rmtree(self.directory, ignore_errors=True)


def config_map(name, value="1"):
    return f"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{value: \"{value}\"}}\n"


def route(name, path, backend="web"):
    return harness.route(name, f"  - matches: [{{path: {{type: PathPrefix, value: {path}}}}}]\n"
                               f"    backendRefs: [{harness.reference(backend)}]\n")


class Writer:
    """Applies one object after the other until it is stopped, and remembers which were acknowledged."""

    def __init__(self, installation, prefix, servers):
        self.acknowledged = []
        self._stopping = threading.Event()
        self._installation, self._prefix, self._servers = installation, prefix, servers
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        servers = ",".join(f"127.0.0.1:{self._installation.ports[number]}" for number in self._servers)
        number = 0
        while not self._stopping.is_set():
            name = f"{self._prefix}-{number}"
            result = self._installation.apkctl(self._servers[0], "apply", "-f", "-", stdin=config_map(name),
                                               check=False, server=servers)
            if result.returncode == 0:
                self.acknowledged.append(name)
            number += 1

    def wait_for(self, more):
        wanted = len(self.acknowledged) + more
        eventually(lambda: len(self.acknowledged) >= wanted, f"{more} more writes")

    def stop(self):
        self._stopping.set()
        self._thread.join()
        return self.acknowledged


@unittest.skipUnless(os.access(ETCD, os.X_OK), "etcd is not installed")
class ControlPlanesOnEtcd(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.backend = harness.FakeBackend()
        cls.addClassCleanup(cls.backend.close)
        cls.all = Installation()
        cls.addClassCleanup(cls.all.close)
        cls.all.apkctl(1, "apply", "-f", "-", stdin=harness.plain_gateway(cls.all.port)
                       + harness.backend("web", cls.backend.port) + route("first", "/first"))
        cls.all.settle()

    def setUp(self):
        for number in (1, 2, 3):
            if number not in self.all.alive():
                self.all.start_control_plane(number)
        self.all.settle()

    def objects(self, number, prefix):
        items = self.all.get(number, "configmaps")["items"]
        return {item["metadata"]["name"] for item in items if item["metadata"]["name"].startswith(prefix)}

    def check_nothing_lost(self, prefix, acknowledged):
        for number in self.all.alive():
            eventually(lambda: set(acknowledged) <= self.objects(number, prefix),
                       f"what was acknowledged is at control plane {number}")

    def check_revisions(self):
        """At each control plane the same, none missing, none twice."""
        for number in self.all.alive():
            table = json.loads(self.all.apkctl(number, "history", "--statuses", "--limit", "1000",
                                               "-o", "json").stdout)
            revisions = [int(record["revision"]) for record in table["revisions"]]
            self.assertEqual(revisions, list(range(revisions[0], revisions[0] - len(revisions), -1)))

    def test_what_is_applied_at_one_is_read_at_another_and_served_by_an_agent_of_a_third(self):
        self.all.apkctl(1, "apply", "-f", "-", stdin=route("second", "/second"))
        eventually(lambda: self.all.apkctl(2, "get", "httproute", "second", check=False).returncode == 0,
                   "the route at the second control plane")
        eventually(lambda: self.all.ask(3, "/second") == 200, "the route at the agent of the third")
        self.all.settle()
        for number in (1, 2, 3):
            def programmed():
                conditions = self.all.get(number, "gateway", "plain")["status"]["conditions"]
                return {c["type"]: c["status"] for c in conditions}.get("Programmed") == "True"
            eventually(programmed, f"the Gateway is Programmed, says control plane {number}")

    def test_one_authority_and_one_token_issuer(self):
        authorities = {(self.all.data(number) / "pki/ca.crt").read_text() for number in (1, 2, 3)}
        self.assertEqual(len(authorities), 1)
        self.assertFalse(list(self.all.directory.glob("control-plane-*/pki/ca.key")))
        self.assertFalse(list(self.all.directory.glob("control-plane-*/pki/token-issuer.key")))
        out = self.all.directory / "issued"
        subprocess.run([str(BIN / "apk-control-plane"), "issue-certificate", "--store", self.all.etcd.url(),
                        "--data-dir", str(out / "none"), "--user", "somebody", "--out", str(out)], check=True)
        self.assertIn((out / "ca.crt").read_text(), authorities)
        keys = {self.all.apkctl(number, "token").stdout.split(".")[0] for number in (1, 2, 3)}
        self.assertEqual(len(keys), 1, "the headers name one key")

    def test_two_clients_at_two_control_planes_lose_nothing(self):
        writers = [Writer(self.all, f"both{number}", [number]) for number in (1, 2)]
        for writer in writers:
            writer.wait_for(15)
        for writer in writers:
            acknowledged = writer.stop()
            self.check_nothing_lost(acknowledged[0].split("-")[0], acknowledged)
        self.all.settle()
        self.check_revisions()

    def test_an_agent_moves_from_a_control_plane_that_is_killed(self):
        home = eventually(lambda: self.all.home("agent-1"), "agent 1 is somewhere")
        writer = Writer(self.all, f"moved{home}", [number for number in (1, 2, 3) if number != home])
        writer.wait_for(1)
        self.all.kill(home)
        self.assertEqual(self.all.ask(1), 200)
        writer.wait_for(2)
        other = writer._servers[0]
        self.all.apkctl(other, "apply", "-f", "-", stdin=route("moved", "/moved"))
        if home != 3:
            eventually(lambda: self.all.home("agent-1") in writer._servers, "agent 1 is elsewhere")
        self.assertEqual(self.all.ask(1), 200)
        acknowledged = writer.stop()
        self.all.start_control_plane(home)
        self.all.settle()
        self.assertEqual(self.all.ask(1, "/moved"), 200)
        self.check_nothing_lost("moved", acknowledged)

    def test_an_agent_never_goes_back_to_a_control_plane_that_is_behind(self):
        self.all.kill(3)
        self.all.start_control_plane(3, members=[2])
        self.all.settle()
        self.all.etcd.kill(2)  # The third control plane is cut off, the others are not.
        self.all.apkctl(1, "apply", "-f", "-", stdin=route("newer", "/newer"))
        eventually(lambda: self.all.ask(1, "/newer") == 200, "the route at agent 1")
        self.assertEqual(self.all.ask(3, "/newer"), 404)
        self.all.kill(1)
        self.all.kill(2)
        eventually(lambda: "agent not let in agent=agent-1" in self.all.log(3), "the third one refuses agent 1")
        self.assertEqual(self.all.ask(1, "/newer"), 200)
        self.all.etcd.start(2)
        eventually(lambda: self.all.home("agent-1") == 3, "the third one has caught up and takes agent 1")
        eventually(lambda: self.all.ask(3, "/newer") == 200, "the route at agent 3")
        self.assertEqual(self.all.ask(1, "/newer"), 200)
        self.all.kill(3)

    def test_another_one_writes_statuses_when_the_one_that_did_is_killed(self):
        leader = eventually(self.all.leader, "somebody writes statuses")
        other = next(number for number in (1, 2, 3) if number != leader)
        writer = Writer(self.all, "led", [other])
        writer.wait_for(1)
        self.all.kill(leader)
        writer.wait_for(3)
        eventually(lambda: self.all.leader(), "another one writes statuses")
        acknowledged = writer.stop()
        self.all.start_control_plane(leader)
        self.all.settle()
        self.check_nothing_lost("led", acknowledged)
        self.check_revisions()

    def test_the_leader_of_etcd_may_be_killed(self):
        member = eventually(lambda: self.all.etcd.leader() is not None and [self.all.etcd.leader()],
                            "etcd has a leader")[0]
        writer = Writer(self.all, "etcd", [1, 2, 3])
        writer.wait_for(2)
        self.all.etcd.kill(member)
        self.assertEqual(self.all.ask(1), 200)
        writer.wait_for(5)
        acknowledged = writer.stop()
        self.all.settle()
        self.check_nothing_lost("etcd", acknowledged)
        self.check_revisions()
        self.all.etcd.start(member)

    def test_without_quorum_reads_and_agents_go_on_and_writes_say_so(self):
        for member in (0, 1):
            self.all.etcd.kill(member)
        refused = self.all.apkctl(1, "apply", "-f", "-", stdin=config_map("unwritten"), check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("the store can't be written", refused.stderr)
        shown = self.all.apkctl(2, "get", "httproute", "first")
        self.assertIn("first", shown.stdout)
        self.assertIn("the store does not answer: this is as of revision", shown.stderr)
        self.assertEqual([self.all.ask(agent) for agent in (1, 3)], [200, 200])
        for member in (0, 1):
            self.all.etcd.start(member)
        eventually(lambda: self.all.apkctl(1, "apply", "-f", "-", stdin=config_map("written"),
                                           check=False).returncode == 0, "it can be written again")
        self.all.settle()
        self.assertIn("written", self.objects(3, "written"))


@unittest.skipUnless(os.access(ETCD, os.X_OK), "etcd is not installed")
class EtcdOverTls(unittest.TestCase):
    def test_both_sides_show_certificates(self):
        directory = pathlib.Path(tempfile.mkdtemp(prefix="apk-etcd-test-"))
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        authority = Authority()
        server = authority.issue("etcd", "IP:127.0.0.1")
        client = authority.issue("control-plane")
        etcd = Etcd(directory, members=1, scheme="https", flags=(
            "--cert-file", server.certificate, "--key-file", server.key, "--client-cert-auth",
            "--trusted-ca-file", authority.certificate))
        self.addCleanup(etcd.close)

        def start(*flags, wait):
            return harness.Process(
                "apk-control-plane", "--data-dir", directory / "data", "--store", etcd.url([0]), *flags, "--listen",
                "127.0.0.1:0", "--token-issuer-listen", "127.0.0.1:0", "--kubernetes-listen", "off", wait=wait,
                directory=directory)

        with_certificate = ("--store-ca", authority.certificate, "--store-cert", client.certificate,
                            "--store-key", client.key)
        start(*with_certificate, wait=True).stop()
        for flags, advice in (((), "does it want TLS"), (with_certificate[:2], "the certificates right")):
            refused = start(*flags, wait=False)
            try:
                eventually(lambda: refused.process.poll() is not None, "it gives up", 2 * PATIENCE)
                self.assertIn(advice, refused.tail())
            finally:
                self.assertEqual(refused.stop(), 1)


if __name__ == "__main__":
    harness.main()
