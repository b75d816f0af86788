"""What the authority says of a listener's certificate is passed on to clients, and only while it is fit."""
import json
import subprocess
import unittest

import harness
from certificates import Authority
from harness import FakeBackend, Gateway, backend, eventually, free_port, reference, route

HOST = "a.example"


class Ocsp(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway()
        cls.addClassCleanup(cls.gateway.close)
        cls.authority = Authority()
        cls.pair = cls.authority.issue(HOST)
        cls.backend = FakeBackend()
        cls.addClassCleanup(cls.backend.close)
        cls.port = free_port()
        cls.apply_secret(None)
        cls.gateway.apply(harness.secured_gateway(cls.port, "certificate") + backend("origin", cls.backend.port)
                          + route("all", f"  - backendRefs: [{reference('origin')}]\n", parent="secured"))

    @classmethod
    def apply_secret(cls, response):
        cls.gateway.apply(json.dumps(cls.pair.secret("certificate", ocsp=response)))

    def response(self, pair=None, **options):
        return self.authority.ocsp_response(pair or self.pair, **options)

    def shown(self):
        """What openssl makes of the handshake."""
        done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{self.port}", "-servername", HOST, "-status",
                               "-CAfile", str(self.authority.certificate), "-verify_return_error"],
                              input="", capture_output=True, text=True, timeout=harness.PATIENCE)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def said(self, text):
        eventually(lambda: text in self.gateway.agents[1].tail(), f"the agent says: {text}")

    def metric(self):
        return self.gateway.metrics().get("apk_ocsp_staple_expires_timestamp_seconds")

    def test_it_is_stapled_and_replaced_by_the_next_one(self):
        self.apply_secret(None)
        self.assertIn("OCSP response: no response sent", self.shown())
        self.assertIsNone(self.metric())
        ends = []
        for days in (1, 2):
            self.apply_secret(self.response(days=days))
            shown = self.shown()
            self.assertIn("Cert Status: good", shown)
            ends.append(self.metric())
        self.assertAlmostEqual(ends[1] - ends[0], 86400, delta=60)
        self.apply_secret(None)
        self.assertIn("OCSP response: no response sent", self.shown())

    def test_what_is_unfit_is_left_out_and_said(self):
        other = self.authority.issue("b.example")
        for response, reason in ((b"garbage", "it is no OCSP response in DER"),
                                 (self.response(other), "it is about another certificate"),
                                 (self.response(revoked=True), "it says that the certificate is revoked")):
            self.apply_secret(response)
            self.said(reason)
            self.assertIn("OCSP response: no response sent", self.shown())
            self.assertIsNone(self.metric())

    def test_connections_stay_when_it_changes(self):
        client = subprocess.Popen(["openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{self.port}", "-servername",
                                   HOST], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.addCleanup(client.wait)
        self.addCleanup(client.stdout.close)
        self.addCleanup(client.stdin.close)
        for days in (1, 2):
            self.apply_secret(self.response(days=days))
            client.stdin.write(f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
            client.stdin.flush()
            head = harness.read_head(client.stdout)
            self.assertIn(b" 200 ", head)
            harness.read_body(client.stdout, head)


if __name__ == "__main__":
    harness.main()
