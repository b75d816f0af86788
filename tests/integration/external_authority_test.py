"""Certificates of an authority that others run, instead of the built-in one."""
import socket
import ssl
import subprocess
import tempfile
import unittest

import harness
from certificates import Authority
from harness import BIN, eventually, free_port
from identities import ROUTE, Installation


class ExternalAuthority(unittest.TestCase):
    def setUp(self):
        self.authority = Authority("an authority of ours")
        self.server = self.authority.issue("control-plane", "IP:127.0.0.1", "DNS:localhost")
        self.backend = harness.FakeBackend()
        self.addCleanup(self.backend.close)

    def start(self, *flags):
        self.all = Installation(flags=("--ca-cert", self.authority.certificate, "--server-cert",
                                       self.server.certificate, "--server-key", self.server.key, *flags))
        self.addCleanup(self.all.close)

    def user(self, pair, authority=None):
        authority = authority or self.authority
        path = self.all.directory / f"{pair.certificate.name}.yaml"
        return self.all.client_config(path, authority.certificate, pair.certificate, pair.key)

    def test_agents_and_users_are_who_their_certificates_say(self):
        self.start()
        dave = self.user(self.authority.issue("whatever", "URI:spiffe://apk/user/dave"))
        erin = self.user(self.authority.issue("erin/O=apk:users", "DNS:erin.example"))
        for config in (dave, erin):
            self.all.apkctl("apply", "-f", "-", config=config, stdin=harness.plain_gateway(self.all.port)
                            + harness.backend("web", self.backend.port) + ROUTE)
        authors = self.all.apkctl("history", config=dave).stdout
        self.assertIn("spiffe://apk/user/dave", authors)
        for pair, reason in ((self.authority.issue("nobody", "DNS:web.example"), "needs a user's certificate"),
                             (self.authority.issue("n1/O=apk:agents", "DNS:n"), "needs a user's certificate")):
            refused = self.all.apkctl("get", "gateways", config=self.user(pair), check=False)
            self.assertIn(reason, refused.stderr)
        for name, pair in (("node-1", self.authority.issue("x", "URI:spiffe://apk/agent/node-1")),
                           ("node-2", self.authority.issue("node-2/O=apk:agents", "DNS:node-2"))):
            self.all.start_agent(name, "--ca", self.authority.certificate, "--cert", pair.certificate, "--key", pair.key,
                                 wait=True)
            self.assertEqual(self.all.ask(), 200)
            before = len(self.all.log(name))
            self.all.apkctl("agents", "revoke", name, config=erin)
            self.all.wait_log(name, f"the certificate of agent {name} was revoked", after=before)
            self.all.stop_agents()
        self.all.apkctl("users", "revoke", "erin", config=dave)
        refused = self.all.apkctl("get", "gateways", config=erin, check=False)
        self.assertIn("the certificate of user erin was revoked", refused.stderr)

    def test_the_built_in_authority_and_others_let_nobody_in(self):
        self.start()
        out = self.all.directory / "built-in"
        subprocess.run([str(BIN / "apk-control-plane"), "issue-certificate", "--data-dir", str(self.all.data()),
                        "--user", "eve", "--out", str(out)], check=True)
        built_in = self.all.client_config(out / "apkctl.yaml", self.authority.certificate, out / "eve.crt",
                                          out / "eve.key")
        other = Authority("another authority")
        for config in (built_in, self.user(other.issue("eve", "URI:spiffe://apk/user/eve"))):
            refused = self.all.apkctl("get", "gateways", config=config, check=False)
            self.assertNotEqual(refused.returncode, 0)
            self.assertIn("it does not take the client certificate", refused.stderr)

    def test_without_its_key_enrolment_is_off_and_says_so(self):
        self.start()
        config = self.user(self.authority.issue("x", "URI:spiffe://apk/user/dave"))
        refused = self.all.apkctl("agents", "token", "create", config=config, check=False)
        self.assertIn("enrolment is off: this control plane has no key of the authority", refused.stderr)

    def test_with_its_key_agents_join(self):
        self.start("--ca-key", self.authority.key)
        config = self.user(self.authority.issue("x", "URI:spiffe://apk/user/dave"))
        self.all.apkctl("apply", "-f", "-", config=config, stdin=harness.plain_gateway(self.all.port)
                        + harness.backend("web", self.backend.port) + ROUTE)
        token = self.all.apkctl("agents", "token", "create", config=config).stdout.strip()
        self.all.start_agent("joins", "--join-token", token, wait=True)
        eventually(lambda: self.all.ask() == 200, "it serves")
        verified = subprocess.run(["openssl", "verify", "-CAfile", str(self.authority.certificate),
                                   str(self.all.identity("joins") / "agent.pem")], capture_output=True, text=True)
        self.assertEqual(verified.returncode, 0, verified.stderr)
        self.assertEqual((self.all.identity("joins") / "ca.crt").read_text(), self.authority.pem)
        out = self.all.directory / "issued"
        subprocess.run([str(BIN / "apk-control-plane"), "issue-certificate", "--ca-cert", self.authority.certificate,
                        "--ca-key", self.authority.key, "--user", "frank", "--out", str(out)], check=True)
        frank = self.all.client_config(out / "apkctl.yaml", out / "ca.crt", out / "frank.crt", out / "frank.key")
        self.all.apkctl("get", "gateways", config=frank)

    def test_its_uris_may_be_of_another_trust_domain(self):
        self.start("--ca-key", self.authority.key, "--trust-domain", "example.org")
        config = self.user(self.authority.issue("x", "URI:spiffe://example.org/user/dave"))
        token = self.all.apkctl("agents", "token", "create", config=config).stdout.strip()
        self.all.start_agent("joins", "--join-token", token, wait=False)
        fleet = ("agents", "-o", "json")
        eventually(lambda: '"connected": true' in self.all.apkctl(*fleet, config=config).stdout, "it is connected")
        text = subprocess.run(["openssl", "x509", "-in", str(self.all.identity("joins") / "agent.pem"), "-noout",
                               "-ext", "subjectAltName"], check=True, capture_output=True, text=True).stdout
        self.assertIn("URI:spiffe://example.org/agent/joins", text)
        refused = self.all.apkctl("get", "gateways", check=False,
                                  config=self.user(self.authority.issue("x", "URI:spiffe://apk/user/dave")))
        self.assertIn("needs a user's certificate", refused.stderr)

    def shown(self, port, client):
        """The certificate that the server shows on a new connection, as PEM."""
        tls = ssl.create_default_context(cafile=str(self.authority.certificate))
        tls.load_cert_chain(*client.files)
        with socket.create_connection(("127.0.0.1", port), timeout=harness.PATIENCE) as connection:
            with tls.wrap_socket(connection, server_hostname="localhost") as secured:
                return ssl.DER_cert_to_PEM_cert(secured.getpeercert(binary_form=True))

    def test_a_certificate_of_the_server_that_is_replaced_is_shown_from_then_on(self):
        self.start("--ca-key", self.authority.key)
        dave = self.authority.issue("x", "URI:spiffe://apk/user/dave")
        config = self.user(dave)
        token = self.all.apkctl("agents", "token", "create", config=config).stdout.strip()
        self.all.start_agent("stays", "--join-token", token)
        agents = ("agents", "-o", "json")
        eventually(lambda: '"connected": true' in self.all.apkctl(*agents, config=config).stdout, "it is connected")
        ports = (self.all.ports[1], self.all.kubernetes[1], self.all.enrollment[1])
        before = self.server.pem.strip()
        self.assertEqual({self.shown(port, dave).strip() for port in ports}, {before})
        other = self.authority.issue("control-plane", "IP:127.0.0.1", "DNS:localhost")
        self.server.key.write_text(other.key_pem)  # For a moment they do not belong together.
        log = self.all.directory / "apk-control-plane.1.log"

        def noticed():
            self.assertEqual(self.shown(ports[0], dave).strip(), before)
            return "the server's certificate is not renewed" in log.read_text()
        eventually(noticed, "the key alone is noticed")
        self.server.certificate.write_text(other.pem)
        for port in ports:
            eventually(lambda: self.shown(port, dave).strip() == other.pem.strip(), "the other one is shown")
        self.assertEqual(log.read_text().count("agent came agent=stays"), 1)
        self.assertNotIn("agent left", log.read_text())
        self.all.apkctl("get", "gateways", config=config)

    def test_files_that_do_not_fit_are_refused_at_the_start(self):
        other = Authority("another authority")
        foreign = other.issue("control-plane", "IP:127.0.0.1")
        ca, server = ("--ca-cert", self.authority.certificate), self.server
        for flags, reason in (
                (ca, "takes three files: --ca-cert, --server-cert and --server-key"),
                ((*ca, "--server-cert", server.certificate, "--server-key", foreign.key), "it is not the key of"),
                ((*ca, "--server-cert", foreign.certificate, "--server-key", foreign.key),
                 f"clients that trust {self.authority.certificate} would refuse it"),
                ((*ca, "--server-cert", server.key, "--server-key", server.key), "there is no certificate (PEM)"),
                (("--ca-cert", "/nowhere", "--server-cert", server.certificate, "--server-key", server.key),
                 "--ca-cert: can't read /nowhere"),
                ((*ca, "--server-cert", server.certificate, "--server-key", server.key, "--ca-key", other.key),
                 "it is not the key of a certificate in"),
                (("--trust-domain", "example.org"), "give --ca-cert, too"),
                ((*ca, "--trust-domain", "a/b"), "must be a name such as example.org")):
            with self.subTest(reason), tempfile.TemporaryDirectory() as directory:
                run = subprocess.run(
                    [str(BIN / "apk-control-plane"), "--data-dir", directory, "--listen", f"127.0.0.1:{free_port()}",
                     "--token-issuer-listen", "127.0.0.1:0", "--kubernetes-listen", "off", *map(str, flags)],
                    capture_output=True, text=True, timeout=harness.PATIENCE)
                self.assertEqual(run.returncode, 1)
                self.assertIn(reason, run.stderr)


if __name__ == "__main__":
    harness.main()
