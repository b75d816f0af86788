"""deploy/setup.sh: what the two commands of the README install and build with."""
import os
import pathlib
import pty
import subprocess
import tempfile
import unittest

import harness

SETUP = harness.ROOT / "deploy/setup.sh"


class Setup(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="apk-setup-")
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        self.programs = self.directory / "programs"
        self.programs.mkdir()

    def program(self, name, script):
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def run_script(self, script, terminal):
        """(exit code, output) of a script that sources setup.sh."""
        environment = {**os.environ, "PATH": f"{self.programs}:{os.environ['PATH']}", "TERM": "xterm"}
        command = ["bash", "-c", f"set -uo pipefail\n. {SETUP}\n{script}"]
        if not terminal:
            run = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                 timeout=harness.PATIENCE)
            return run.returncode, run.stdout.decode()
        ours, theirs = pty.openpty()
        process = subprocess.Popen(command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        output = b""
        while True:
            try:
                chunk = os.read(ours, 65536)
            except OSError:  # The other end is closed.
                break
            if not chunk:
                break
            output += chunk
        os.close(ours)
        return process.wait(harness.PATIENCE), output.decode(errors="replace")

    def test_a_failed_build_is_noticed_on_a_terminal_and_off_it(self):
        self.program("cmake", 'case "$1" in --build) echo "a.cc:1: error: no such thing"; exit 1;; esac')
        for terminal in (True, False):
            code, output = self.run_script(f"build {self.directory} dev apkctl; echo went on", terminal)
            self.assertEqual(code, 1, output)
            self.assertIn("the build failed", output)
            self.assertIn("a.cc:1: error: no such thing", output)
            self.assertNotIn("went on", output)

    def test_a_build_that_succeeds_goes_on(self):
        self.program("cmake", 'case "$1" in --build) echo "[25/50] Building a.cc"; echo "[50/50] Linking a";; esac')
        for terminal in (True, False):
            code, output = self.run_script(f"build {self.directory} dev apkctl; echo went on", terminal)
            self.assertEqual(code, 0, output)
            self.assertIn("went on", output)


if __name__ == "__main__":
    harness.main()
