"""Control planes to prove things about: three on three members of etcd, each pair on a host of its own where that
can be had, or one on its own database. All faults are undone by heal()."""
import os
import pathlib
import shutil
import signal
import tempfile

import harness
from etcd_cluster import Etcd
from harness import eventually, free_port
from hosts import Hosts


class ThreeOnEtcd:
    """Control planes 0, 1 and 2."""

    def __init__(self, flags=(), on_hosts=True):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="apk-proof-"))
        self.hosts = Hosts(3) if on_hosts and Hosts.available() else None
        self.flags = flags
        self.ports = [free_port() for _ in range(3)]
        self.processes = [None, None, None]
        self.etcd = Etcd(self.directory, hosts=self.hosts)
        self.stopped = set()  # Process ids.
        try:
            for number in range(3):  # Together: an empty store is filled once.
                self.start(number, wait=False)
            for process in self.processes:
                process.wait_ready()
        except AssertionError:
            self.close()
            raise

    def address(self, number):
        return self.hosts[number].address if self.hosts else "127.0.0.1"

    @property
    def servers(self):
        return [f"{self.address(number)}:{self.ports[number]}" for number in range(3)]

    def data(self, number=0):
        return self.directory / f"control-plane-{number}"

    def start(self, number, wait=True):
        """Every control plane knows its own member first, and the others."""
        members = [(number + step) % 3 for step in range(3)]
        advertise = ("--advertise", self.address(number)) if self.hosts else ()
        self.processes[number] = harness.Process(
            f"apk-control-plane.{number}", "--data-dir", self.data(number), "--store", self.etcd.url(members),
            "--listen", f"{self.address(number)}:{self.ports[number]}", *advertise, "--token-issuer-listen",
            "127.0.0.1:0", "--kubernetes-listen", "off", "--gateway-port", free_port(), *self.flags, wait=wait,
            directory=self.directory, prefix=self.hosts[number].prefix if self.hosts else ())

    def faults(self):
        """Each by its name, of one of three."""
        kinds = {"kill control plane": self.kill, "pause control plane": self.pause, "kill etcd": self.etcd.kill,
                 "pause etcd": self.pause_etcd}
        if self.hosts:
            kinds |= {"unplug host": self.hosts.unplug, "cut two hosts": lambda number:
                      self.hosts.cut(number, (number + 1) % 3)}
        return kinds

    def kill(self, number):
        self.processes[number].stop(signal.SIGKILL)

    def pause(self, number):
        self.stop_process(self.processes[number].process.pid)

    def pause_etcd(self, number):
        self.stop_process(self.etcd.processes[number].pid)

    def stop_process(self, pid):
        os.kill(pid, signal.SIGSTOP)
        self.stopped.add(pid)

    def heal(self):
        for pid in self.stopped:
            os.kill(pid, signal.SIGCONT)
        self.stopped.clear()
        if self.hosts:
            self.hosts.heal()
        for member, process in enumerate(self.etcd.processes):
            if process.poll() is not None:
                self.etcd.start(member)
        for number, process in enumerate(self.processes):
            if process.process.poll() is not None:
                self.start(number)

    def await_quorum(self):
        eventually(lambda: self.etcd.leader() is not None, "etcd has a leader")

    def logs(self):
        return {number: (self.directory / f"apk-control-plane.{number}.log").read_text(errors="replace")
                for number in range(3)}

    def close(self):
        for pid in self.stopped:
            os.kill(pid, signal.SIGCONT)
        try:
            for process in self.processes:
                if process is not None and process.process.poll() is None:
                    process.stop(signal.SIGKILL)
        finally:
            self.etcd.close()
            if self.hosts:
                self.hosts.close()
            shutil.rmtree(self.directory, ignore_errors=True)


class OneOnSqlite:
    """The embedded store."""

    def __init__(self):
        self.gateway = harness.Gateway(agents=0)
        self.directory = self.gateway.directory
        self.stopped = None

    @property
    def servers(self):
        return [f"127.0.0.1:{self.gateway.grpc_port}"]

    def data(self):
        return self.gateway.data

    def faults(self):
        return {"kill control plane": self.kill, "pause control plane": self.pause}

    def kill(self, _):
        self.gateway.control_plane.stop(signal.SIGKILL)

    def pause(self, _):
        self.stopped = self.gateway.control_plane.process.pid
        os.kill(self.stopped, signal.SIGSTOP)

    def heal(self):
        if self.stopped:
            os.kill(self.stopped, signal.SIGCONT)
            self.stopped = None
        if self.gateway.control_plane.process.poll() is not None:
            self.gateway.start_control_plane()

    def await_quorum(self):
        """There is nobody to agree with."""

    def close(self):
        self.heal()
        self.gateway.close()
