"""Clients that read and write at all control planes while these, their store and the network fail, and the verdict
on what the clients were told (G11, G12)."""
import json
import os
import pathlib
import random
import subprocess
import threading
import time

from harness import BIN, PATIENCE

CLIENTS = pathlib.Path(os.environ.get("APK_PROOF_CLIENTS", BIN.parent / "tests/proof_clients"))


class Clients:
    """The program that reads and writes."""

    def __init__(self, control_planes, seed, clients=8, keys=24, watchers=2):
        pki = control_planes.data() / "pki"
        servers = [flag for server in control_planes.servers for flag in ("--server", server)]
        self.log = open(control_planes.directory / "clients.log", "ab")
        self.process = subprocess.Popen(
            [str(CLIENTS), *servers, "--ca", pki / "ca.crt", "--cert", pki / "admin.crt", "--key", pki / "admin.key",
             "--seed", str(seed), "--clients", str(clients), "--keys", str(keys), "--deadline-ms", "2000",
             "--watchers", str(watchers)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.operations = 0
        self.verdict = None
        self.progress = threading.Condition()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            with self.progress:
                if line.startswith("operations "):
                    self.operations = int(line.split()[1])
                else:
                    self.verdict = json.loads(line)
                self.progress.notify_all()
        with self.progress:
            self.progress.notify_all()

    def wait_for(self, operations, seconds):
        """False where that many were not done in that time, True where they were."""
        with self.progress:
            return self.progress.wait_for(lambda: self.operations >= operations or self.process.poll() is not None,
                                          seconds)

    def stop(self):
        """The verdict."""
        self.process.stdin.close()
        try:
            self.process.wait(6 * PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError("the clients did not come to an end") from None
        self.reader.join()
        self.process.stdout.close()
        self.log.close()
        if self.verdict is None:
            raise AssertionError(f"the clients gave up: {pathlib.Path(self.log.name).read_text()}")
        return self.verdict


def prove(control_planes, seed, operations, at_least=0, pause=1.0, say=lambda *_: None):
    """Until so many operations are done, and so many faults were made at least. Returns the verdict, with the number
    of faults by kind."""
    randomness = random.Random(seed)
    clients = Clients(control_planes, seed)
    made = {}
    start = time.monotonic()
    try:
        clients.wait_for(1, PATIENCE)
        while clients.operations < operations or sum(made.values()) < at_least:
            name, fault = randomness.choice(sorted(control_planes.faults().items()))
            fault(randomness.randrange(3))
            made[name] = made.get(name, 0) + 1
            # Faults last, and what was healed gets a while; the clients' progress is no sign of either.
            clients.wait_for(float("inf"), pause * randomness.uniform(0.5, 2))
            control_planes.heal()
            control_planes.await_quorum()
            clients.wait_for(float("inf"), pause * randomness.uniform(0.2, 1))
            say(f"{clients.operations} operations, {sum(made.values())} faults, {time.monotonic() - start:.0f} s")
            if clients.process.poll() is not None:
                break
    finally:
        control_planes.heal()
        control_planes.await_quorum()
        verdict = clients.stop()
    verdict["made"] = made
    verdict["seconds"] = round(time.monotonic() - start)
    return verdict
