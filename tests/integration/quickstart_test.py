"""deploy/quickstart with the programs that are built already, in a folder and on ports of its own."""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

import harness
from harness import eventually, free_port

PORTS = ("CONTROL_PLANE_PORT", "TOKEN_PORT", "KUBERNETES_PORT", "GATEWAY_PORT", "PRIMARY_PORT", "MIRROR_PORT",
         "INSPECTOR_PORT", "BIN_PORT", "AGENT1_PORT", "AGENT2_PORT")


class Quickstart(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="apk-quickstart-")
        self.addCleanup(directory.cleanup)
        self.root = pathlib.Path(directory.name)
        shutil.copytree(harness.ROOT / "deploy", self.root / "deploy")
        (self.root / "build/release").mkdir(parents=True)
        (self.root / "build/release/bin").symlink_to(harness.BIN)
        # Nothing to build: CMake only leaves a trace.
        programs = self.root / "programs"
        programs.mkdir()
        self.trace = self.root / "cmake-was-called"
        (programs / "cmake").write_text(f"#!/bin/sh\ntouch {self.trace}\n")
        (programs / "cmake").chmod(0o755)
        self.ports = {}
        while len(set(self.ports.values())) < len(PORTS):
            self.ports = {name: free_port() for name in PORTS}
        self.environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}",
                            **{name: str(port) for name, port in self.ports.items()}}

    def command(self, *arguments):
        return [str(self.root / "deploy/quickstart"), *arguments]

    def run_it(self, *arguments, **environment):
        return subprocess.run(self.command(*arguments), env={**self.environment, **environment},
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)

    def refused(self, run, *expected):
        self.assertEqual(run.returncode, 1, run.stdout)
        for part in expected:
            self.assertIn(part, run.stdout)
        self.assertFalse(self.trace.exists(), "said before the build")

    def assert_ports_are_free(self):
        for port in self.ports.values():
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
                probe.listen()

    def test_once_shows_what_everyone_received_and_leaves_nothing_behind(self):
        for attempt in ("first", "second"):
            run = self.run_it("--once")
            self.assertEqual(run.returncode, 0, f"{attempt}: {run.stdout}")
            for part in ("agent at 127.0.0.1: 200", "agent at 127.0.0.2: 200", "What the primary received",
                         "What the mirror received", f"http://127.0.0.1:{self.ports['INSPECTOR_PORT']}/bins/",
                         "Everything works"):
                self.assertIn(part, run.stdout)
            self.assert_ports_are_free()

    def test_a_taken_port_is_said_before_the_build_with_its_holder(self):
        with socket.create_server(("127.0.0.1", 0)) as holder:
            port = holder.getsockname()[1]
            self.refused(self.run_it("--once", MIRROR_PORT=str(port)),
                         f"port {port} of 127.0.0.1 is taken", f"(process {os.getpid()})", "MIRROR_PORT=")
        with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as holder:
            port = holder.getsockname()[1]
            self.refused(self.run_it("--once", GATEWAY_PORT=str(port)), f"port {port} of 127.0.0.1 is taken")

    def test_ports_are_checked_as_numbers(self):
        self.refused(self.run_it(BIN_PORT="http"), "BIN_PORT=http is no port")
        self.refused(self.run_it(BIN_PORT="70000"), "BIN_PORT=70000 is no port")
        self.refused(self.run_it(BIN_PORT=str(self.ports["MIRROR_PORT"])), "are both")

    def test_a_folder_that_cannot_be_written_is_said(self):
        shutil.rmtree(self.root / "build")
        (self.root / "build").write_text("a file in its place")
        self.refused(self.run_it("--once"), f"can't make {self.root}/build")

    def test_it_stays_up_alone_and_says_when_a_program_ends(self):
        log = self.root / "output"
        with open(log, "wb") as output:
            process = subprocess.Popen(self.command(), env=self.environment, stdout=output, stderr=output)
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)
        eventually(lambda: "Ctrl-C stops everything" in log.read_text() or process.poll() is not None,
                   "quickstart up", 120)
        self.assertIsNone(process.poll(), log.read_text())
        self.trace.unlink()
        self.refused(self.run_it("--once"), "another quickstart runs in")
        children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        mirror = [pid for pid in children
                  if b"--name\0mirror\0" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()]
        self.assertEqual(len(mirror), 1, children)
        os.kill(int(mirror[0]), signal.SIGKILL)
        self.assertEqual(process.wait(60), 1)
        self.assertRegex(log.read_text(), r"mirror has ended \(exit status 137\)\n.*Its log is .*/mirror\.err")
        self.assert_ports_are_free()

    def test_help_lists_the_ports(self):
        run = self.run_it("--help")
        self.assertEqual(run.returncode, 0)
        self.assertEqual(set(re.findall(r"(\w+_PORT)=", run.stdout)), set(PORTS))
        self.refused(self.run_it("--twice"), "unknown argument --twice")


if __name__ == "__main__":
    harness.main()
