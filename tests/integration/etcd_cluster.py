"""A cluster of etcd, for tests of control planes that share a store."""
import json
import subprocess
import urllib.request

from harness import free_port

ETCD = "/usr/bin/etcd"


class Etcd:
    """A cluster on free ports of loopback, or on `hosts`, which have an address and a prefix of commands that run
    there."""

    def __init__(self, directory, members=3, scheme="http", flags=(), hosts=None):
        self.directory = directory
        self.scheme, self.flags = scheme, flags
        self.hosts = hosts
        self.clients = [free_port() for _ in range(members)]
        self.peers = [free_port() for _ in range(members)]
        self.processes = [None] * members
        for member in range(members):
            self.start(member)

    def url(self, members=(0, 1, 2)):
        return "etcd://" + ",".join(f"{self.address(member)}:{self.clients[member]}" for member in members) + "/test"

    def address(self, member):
        return self.hosts[member].address if self.hosts else "127.0.0.1"

    def start(self, member):
        client = f"{self.scheme}://{self.address(member)}:{self.clients[member]}"
        peer = f"http://{self.address(member)}:{self.peers[member]}"
        cluster = ",".join(f"m{number}=http://{self.address(number)}:{port}"
                           for number, port in enumerate(self.peers))
        prefix = self.hosts[member].prefix if self.hosts else ()
        with open(self.directory / f"etcd-{member}.log", "ab") as log:
            self.processes[member] = subprocess.Popen(
                [*prefix, ETCD, "--name", f"m{member}", "--data-dir", str(self.directory / f"etcd-{member}"),
                 "--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer,
                 "--initial-advertise-peer-urls", peer, "--initial-cluster", cluster, "--logger", "zap",
                 "--log-level", "error", *self.flags], stdout=log, stderr=log)

    def kill(self, member):
        self.processes[member].kill()
        self.processes[member].wait()

    def leader(self):
        """The member that leads, None while nobody does."""
        for member, port in enumerate(self.clients):
            request = urllib.request.Request(f"http://{self.address(member)}:{port}/v3/maintenance/status", b"{}")
            try:
                with urllib.request.urlopen(request, timeout=2) as answer:
                    status = json.load(answer)
            except OSError:
                continue
            if status.get("leader", "0") == status["header"]["member_id"]:
                return member
        return None

    def close(self):
        for process in self.processes:
            if process is not None:
                process.kill()
                process.wait()
