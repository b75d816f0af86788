"""Agents that are killed, and clients of theirs that must not notice what happens to anybody else."""
import random
import re
import signal
import subprocess
import threading
import time

import harness
from harness import BIN, RawClient, eventually


class Agent:
    """One that all control planes of `control_planes` may serve, and a client that asks it again and again.

    An answer must be 200, and must not go back to an earlier version of the route than it had shown before; but an
    agent that is killed may lose what it has under way, and begins with what it had saved: that is all that it had
    acknowledged, or what came before that where the newest file is damaged."""

    def __init__(self, control_planes, number, port):
        self.control_planes, self.number, self.port = control_planes, number, port
        self.name = f"agent-{number}"
        self.directory = control_planes.directory / self.name
        self.process = None
        self.down = True
        self.version = 0       # That an answer showed last.
        self.asked = 0
        self.saved_before = 0  # How often, when it was started last.
        self.failures = []
        self.stopping = threading.Event()
        self.start(wait=False)
        self.client = threading.Thread(target=self.ask_on_and_on, daemon=True)
        self.client.start()

    def start(self, wait=True):
        pki = self.control_planes.data() / "pki"
        self.process = harness.Process(
            f"apk-data-plane.{self.number}", "--id", self.name, "--control-plane", ",".join(self.control_planes.servers), "--ca",
            pki / "ca.crt", "--cert", pki / "agent.crt", "--key", pki / "agent.key", "--address",
            f"127.0.0.{self.number}", "--data-dir", self.directory, "--admin", "127.0.0.1:0", "--workers", "1",
            "--drain-seconds", "1", wait=wait, directory=self.directory.parent)

    def ask(self, client):
        """(status, version, whether the agent takes another request on that connection)"""
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        status, fields, _ = client.read_response()
        return status, int(fields.get("x-version", 0)), fields.get("connection") != "close"

    def ask_on_and_on(self):
        client = None
        while not self.stopping.is_set():
            down = self.down
            try:
                if client is None:
                    client = RawClient(f"127.0.0.{self.number}", self.port)
                status, version, goes_on = self.ask(client)
                if not goes_on:
                    client.close()
                    client = None
                failure = "" if status == 200 else f"status {status}"
                if not failure and version < self.version:
                    failure = f"version {version} after {self.version}"
                self.asked += 1
            except (OSError, ValueError, IndexError) as error:
                failure, version = repr(error), self.version
            if failure and client is not None:
                client.close()
                client = None
            if failure and not down and not self.down:
                self.failures.append(f"{self.name} at {time.monotonic():.3f}: {failure}")
            if not failure and not self.down:
                self.version = version
            self.stopping.wait(0.005)
        if client is not None:
            client.close()

    def answers(self):
        try:
            with RawClient(f"127.0.0.{self.number}", self.port) as client:
                return self.ask(client)[0] == 200
        except (OSError, ValueError, IndexError):
            return False

    def await_first_answer(self):
        eventually(self.answers, f"{self.name} answers")
        self.down = False

    def kill(self, damage=None):
        """kill -9 and start again; seconds until it answers. `damage`: what happens to its newest file."""
        self.down = True
        self.process.stop(signal.SIGKILL)
        saved = self.revisions("snapshot in force")
        begun_before = len(self.revisions("serving the snapshot on disk"))
        # Else its newest file may be one that was damaged before.
        whole = damage is None and len(saved) > self.saved_before
        self.saved_before = len(saved)
        if damage is not None:
            damage(self.directory / "snapshot")
        self.version = 0
        start = time.monotonic()
        self.start(wait=False)
        while not self.answers():
            if time.monotonic() - start > harness.PATIENCE:
                raise AssertionError(f"{self.name} does not serve again:\n{self.process.tail()}")
            time.sleep(0.002)
        seconds = time.monotonic() - start
        if whole:  # It answers a little before it says with what.
            begun = eventually(lambda: self.revisions("serving the snapshot on disk")[begun_before:],
                               f"{self.name} says with what it began")
            if begun[0] < saved[-1]:
                self.failures.append(f"{self.name} had saved revision {saved[-1]}, and began with {begun[0]}")
        self.down = False
        return seconds

    def log(self):
        return (self.directory.parent / f"apk-data-plane.{self.number}.log").read_text(errors="replace")

    def revisions(self, what):
        """Of the lines of its log that say so."""
        return [int(revision) for revision in re.findall(rf"{what} version=\w+ revision=(\d+)", self.log())]

    def taken(self):
        """(version, revision) of all that it ever put in force."""
        return set(re.findall(r"snapshot in force version=(\w+) revision=(\d+)", self.log()))

    def stop(self):
        self.stopping.set()
        self.client.join()
        self.down = True
        self.process.stop()


def flip_a_bit(path):
    bytes_ = bytearray(path.read_bytes())
    at = random.randrange(8 * len(bytes_))
    bytes_[at // 8] ^= 1 << at % 8
    path.write_bytes(bytes_)


def cut_short(path):
    bytes_ = path.read_bytes()
    path.write_bytes(bytes_[:random.randrange(1, len(bytes_))])


def empty(path):
    path.write_bytes(b"")


DAMAGES = {"bit flipped": flip_a_bit, "cut short": cut_short, "empty": empty}


class Changes:
    """Changes the route of all agents again and again: each answer says by which change it was made."""

    def __init__(self, control_planes, backend_port, port):
        self.control_planes = control_planes
        self.acknowledged = 0
        self.tried = 0
        self.refused = []
        self.stopping = threading.Event()
        self.apply(harness.plain_gateway(port) + harness.backend("origin", backend_port), check=True)
        self.once(check=True)
        self.thread = threading.Thread(target=self.run, daemon=True)

    def start(self):
        self.thread.start()

    def apply(self, text, check=False):
        run = subprocess.run(
            [str(BIN / "apkctl"), "--config", str(self.control_planes.data() / "apkctl.yaml"), "--server",
             ",".join(self.control_planes.servers), "apply", "-f", "-"], input=text, capture_output=True, text=True,
            timeout=harness.PATIENCE * 2)
        if check and run.returncode != 0:
            raise AssertionError(run.stderr)
        if run.returncode != 0:
            self.refused.append(run.stderr.strip()[:200])
        return run.returncode == 0

    def once(self, check=False):
        number = self.tried = self.tried + 1
        if self.apply(harness.route("changing", f"""
  - backendRefs: [{harness.reference('origin')}]
    filters:
    - type: ResponseHeaderModifier
      responseHeaderModifier: {{set: [{{name: X-Version, value: "{number}"}}]}}
"""), check):
            self.acknowledged = number

    def run(self):
        while not self.stopping.is_set():
            self.once()
            self.stopping.wait(0.1)

    def stop(self):
        self.stopping.set()
        self.thread.join()
