"""The certificate authority is rotated while agents and users come and go: no handshake fails."""
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import unittest

import harness
import identities
from etcd_cluster import ETCD
from harness import eventually
from identities import LIFE, Requests


class Handshakes:
    """One after the other with all ports, by the files that there are in `pki`; remembers which failed."""

    def __init__(self, installation, pki):
        self.count, self.failures = 0, []
        self._ports = [*installation.ports.values(), *installation.kubernetes.values(),
                       *installation.enrollment.values()]
        self._pki = pki
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _context(self):
        context = ssl.create_default_context(cafile=str(self._pki / "ca.crt"))
        context.set_alpn_protocols(["h2"])
        context.load_cert_chain(self._pki / "admin.crt", self._pki / "admin.key")
        return context

    def shake(self, port, context):
        with socket.create_connection(("127.0.0.1", port), timeout=harness.PATIENCE) as plain:
            with context.wrap_socket(plain, server_hostname="localhost") as secured:
                # With TLS 1.3 a certificate that is not liked is told with the first bytes.
                secured.settimeout(0.05)
                try:
                    secured.recv(1)
                except TimeoutError:
                    pass

    def once(self):
        """What failed."""
        context = self._context()
        failures = []
        for port in self._ports:
            try:
                self.shake(port, context)
            except OSError as error:
                failures.append(f"{port}: {error!r}")
        return failures

    def _run(self):
        while not self._stopping.wait(0.02):
            self.failures += self.once()
            self.count += 1

    def stop(self):
        self._stopping.set()
        self._thread.join()
        return self.failures


class Rotation(identities.WithShortCertificates):
    """With the embedded store."""

    def setUp(self):
        super().setUp()
        self.pki = self.all.data() / "pki"
        self.before = self.all.directory / "before"  # Who hears nothing of a rotation.
        self.before.mkdir()
        for name in ("ca.crt", "admin.crt", "admin.key"):
            shutil.copy(self.pki / name, self.before / name)

    def authorities(self, at=1):
        return json.loads(self.all.apkctl("authority", "show", "-o", "json", at=at).stdout)

    def states(self, at=1):
        return [authority["state"] for authority in self.authorities(at)["authorities"]]

    def fingerprint(self, state, at=1):
        return next(authority["fingerprint"] for authority in self.authorities(at)["authorities"]
                    if authority["state"] == state)

    def join(self, name, token, address="127.0.0.1"):
        self.all.start_agent(name, "--join-token", token, address=address)
        self.connected(name)

    def connected(self, name):
        eventually(lambda: any(self.all.agent(name, at)["connected"] for at in self.all.ports), f"{name} is connected")

    def is_signed_by(self, name, fingerprint):
        """Whether the agent's certificate is, whose chain ends with the authority's."""
        chain = (self.all.identity(name) / "agent.pem").read_text()
        last = "-----BEGIN CERTIFICATE-----" + chain.rsplit("-----BEGIN CERTIFICATE-----", 1)[1]
        hashed = subprocess.run(["openssl", "x509", "-noout", "-fingerprint", "-sha256"], input=last, check=True,
                                capture_output=True, text=True).stdout
        return hashed.split("=")[1].strip().replace(":", "").lower() == fingerprint

    def test_no_handshake_fails(self):
        self.join("stays", self.all.token())
        self.assertEqual(self.states(), ["Signing"])
        first = self.fingerprint("Signing")
        for step in ("use", "retire"):
            self.assertIn("apkctl authority add", self.all.apkctl("authority", step, check=False).stderr)
        requests, old, current = Requests(self.all), Handshakes(self.all, self.before), Handshakes(self.all, self.pki)
        self.addCleanup(old.stop)
        self.addCleanup(current.stop)
        early = self.all.token("--ttl", "10m")

        self.all.apkctl("authority", "add", at=self.other)
        eventually(lambda: self.states() == ["Signing", "Next"], "all control planes know of it")
        self.assertEqual(self.fingerprint("Signing"), first)
        self.assertIn("apkctl authority use", self.all.apkctl("authority", "add", check=False).stderr)
        eventually(lambda: (self.pki / "ca.crt").read_text().count("BEGIN CERTIFICATE") == 2, "both are trusted")

        self.all.apkctl("authority", "use")
        eventually(lambda: self.states(self.other) == ["Signing", "Previous"], "all control planes sign by it")
        second = self.fingerprint("Signing")
        self.assertNotEqual(second, first)
        # Agents that join come by the new one, whichever authority is in their token.
        self.join("early", early, "127.0.0.2")
        self.join("late", self.all.token(at=self.other), "127.0.0.3")
        self.assertTrue(self.is_signed_by("early", second))
        self.assertTrue(self.is_signed_by("late", second))
        eventually(lambda: self.is_signed_by("stays", second), "it has renewed its certificate", LIFE + harness.PATIENCE)
        eventually(lambda: not self.authorities()["waiting"], "nobody needs the previous one")
        self.assertEqual(set(requests.stop()), {200})
        self.all.agents["stays"].stop()
        self.all.start_agent("stays", wait=True)
        self.connected("stays")
        count = current.count
        eventually(lambda: current.count > count + 5, "further handshakes")
        self.assertEqual(old.stop(), [])
        self.assertGreater(old.count, 20)

        self.all.apkctl("authority", "retire", at=self.other)
        eventually(lambda: self.states() == ["Signing"], "all control planes have forgotten it")
        eventually(lambda: len(old.once()) == 3 * len(self.all.ports), "who knows the first alone is out")
        for name in ("stays", "early", "late"):
            self.all.agents[name].stop()
            self.all.start_agent(name, address={"early": "127.0.0.2", "late": "127.0.0.3"}.get(name, "127.0.0.1"),
                                 wait=True)
            self.connected(name)
        self.assertEqual(current.stop(), [])
        self.assertGreater(current.count, 20)

        # It is the authority after a restart, too, and of certificates by hand.
        for number in self.all.ports:
            self.all.control_planes[number].stop()
        for number in self.all.ports:
            self.all.start_control_plane(number)
        self.assertEqual(self.fingerprint("Signing"), second)
        self.all.apkctl("get", "ns", config=self.all.user("alice"))
        self.connected("stays")

    def test_what_would_shut_out_agents_is_refused(self):
        self.join("waits", self.all.token())
        agent = self.all.agents["waits"]
        agent.stop()  # It renews nothing.
        self.all.apkctl("authority", "add")
        self.all.apkctl("authority", "use")
        self.assertEqual(self.authorities()["waiting"], ["waits"])
        refused = self.all.apkctl("authority", "retire", check=False)
        self.assertIn("1 agent would be shut out (waits)", refused.stderr)
        self.assertIn("waits", self.all.apkctl("authority", "show").stdout)
        self.all.apkctl("authority", "retire", "--force")
        self.assertEqual(self.states(), ["Signing"])


@unittest.skipUnless(os.access(ETCD, os.X_OK), "etcd is not installed")
class RotationOnEtcd(Rotation):
    """What is done at one control plane the other one follows."""
    etcd = True


if __name__ == "__main__":
    harness.main()
