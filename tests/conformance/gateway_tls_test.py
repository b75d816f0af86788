"""HTTPS listeners: certificates and who gets which, requests that belong elsewhere, clients' certificates."""
import ssl
import subprocess
import unittest

import suite
from suite import ACCEPTED, documents, gateway, http_route, namespace, own_address, to
from tls_suite import (HTTPS, Authority, TlsClient, ca_refs, context, grant, https_listener, is_refused, send)


class Certificates(suite.SuiteTest):
    BACKENDS = ["echo"]
    GATEWAYS = {}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ca = Authority()
        cls.address = own_address()
        cls.suite.apply(documents(
            namespace("certs"),
            cls.ca.issue("default.test").secret("certificate"),
            cls.ca.issue("a.test").secret("a"),
            cls.ca.issue("wild", "DNS:*.wild.test").secret("wild"),
            cls.ca.issue("rsa", "DNS:both.test", kind="rsa").secret("rsa"),
            cls.ca.issue("ecdsa", "DNS:both.test").secret("ecdsa"),
            gateway("same", cls.address, [https_listener(certificates=["certificate", "a", "wild", "rsa", "ecdsa"])]),
            http_route("all", ["same"], [{"backendRefs": [to("echo")]}])))

    def shown(self, server_name):
        with TlsClient(self.address, HTTPS, server_name, context(self.ca)) as client:
            return client.shown()

    def test_the_name_chooses_among_certificates(self):
        self.assertEqual({"a.test"}, self.shown("a.test"))
        self.assertEqual({"*.wild.test"}, self.shown("b.wild.test"))
        self.assertEqual({"default.test"}, self.shown("default.test"))

    def test_the_client_chooses_the_type_of_key(self):
        for ciphers, issued in (("ECDHE-RSA-AES128-GCM-SHA256", "rsa"), ("ECDHE-ECDSA-AES128-GCM-SHA256", "ecdsa")):
            tls = context(self.ca, maximum_version=ssl.TLSVersion.TLSv1_2)
            tls.set_ciphers(ciphers)
            with TlsClient(self.address, HTTPS, "both.test", tls) as client:
                self.assertEqual(ciphers, client.socket.cipher()[0])
                subject = dict(pair[0] for pair in client.socket.getpeercert()["subject"])
                self.assertEqual(issued, subject["commonName"])

    def test_old_versions_are_refused(self):
        tls = context()
        tls.set_ciphers("ALL:@SECLEVEL=0")
        tls.minimum_version = ssl.TLSVersion.TLSv1
        tls.maximum_version = ssl.TLSVersion.TLSv1_1
        with self.assertRaises(ssl.SSLError):
            TlsClient(self.address, HTTPS, "a.test", tls)

    def test_sessions_are_resumed(self):
        tls = context(self.ca, maximum_version=ssl.TLSVersion.TLSv1_2)
        with TlsClient(self.address, HTTPS, "a.test", tls) as client:
            self.assertEqual(200, client.request(host="a.test").status)
            session = client.socket.session
            self.assertFalse(client.socket.session_reused)
        with TlsClient(self.address, HTTPS, "a.test", tls, session) as client:
            self.assertEqual(200, client.request(host="a.test").status)
            self.assertTrue(client.socket.session_reused)

    def test_a_new_certificate_leaves_open_connections_alone(self):
        address = own_address()
        self.suite.apply(documents(
            self.ca.issue("old", "DNS:turn.test", "DNS:old.test").secret("turning"),
            gateway("turning", address, [https_listener(certificates=["turning"])]),
            http_route("turning", ["turning"], [{"backendRefs": [to("echo")]}])))
        with TlsClient(address, HTTPS, "turn.test", context(self.ca)) as before:
            self.assertEqual(200, before.request(host="turn.test").status)
            self.suite.apply(documents(self.ca.issue("new", "DNS:turn.test", "DNS:new.test").secret("turning")))
            with TlsClient(address, HTTPS, "turn.test", context(self.ca)) as after:
                self.assertIn("new.test", after.shown())
                self.assertEqual(200, after.request(host="turn.test").status)
            self.assertEqual(200, before.request(host="turn.test").status)

    def test_certificates_of_other_namespaces_need_a_grant(self):
        address = own_address()
        elsewhere = {"name": "elsewhere", "namespace": "certs"}
        self.suite.apply(documents(
            self.ca.issue("elsewhere.test").secret("elsewhere", "certs"),
            gateway("borrowing", address, [https_listener(certificates=[elsewhere])]),
            http_route("borrowing", ["borrowing"], [{"backendRefs": [to("echo")]}])))
        self.expect_listener("borrowing", "https", {"ResolvedRefs": ("False", "RefNotPermitted"),
                                                    "Programmed": ("False", "Invalid")})
        self.expect_closed((address, HTTPS))
        self.suite.apply(documents(grant("gateways", "certs", "Gateway", "default", "Secret")))
        self.expect_listener("borrowing", "https", {"ResolvedRefs": ("True", "ResolvedRefs"),
                                                    "Programmed": ("True", "Programmed")})
        self.assertEqual(200, send(address, HTTPS, "elsewhere.test", context(self.ca)).status)
        self.suite.delete("referencegrant", "gateways", "certs")
        self.expect_listener("borrowing", "https", {"ResolvedRefs": ("False", "RefNotPermitted")})

    def test_references_that_can_not_be_used_say_why(self):
        broken = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "broken"}, "type": "kubernetes.io/tls",
                  "stringData": {"tls.crt": "hello", "tls.key": "world"}}
        address = own_address()
        self.suite.apply(documents(broken, gateway("invalid", address, [
            https_listener("missing", certificates=["nowhere"], port=8501),
            https_listener("broken", certificates=["broken"], port=8502),
            https_listener("kind", certificates=[{"group": "example.org", "kind": "Vault", "name": "a"}], port=8503),
            https_listener("some", certificates=["nowhere", "a"], port=8504)])))
        for name in ("missing", "broken", "kind"):
            self.expect_listener("invalid", name, {"ResolvedRefs": ("False", "InvalidCertificateRef"),
                                                   "Accepted": ("True", "Accepted"),
                                                   "Programmed": ("False", "Invalid")})
        # One that can be used keeps the listener up.
        self.expect_listener("invalid", "some", {"ResolvedRefs": ("False", "InvalidCertificateRef"),
                                                 "Programmed": ("True", "Programmed")})
        with TlsClient(address, 8504, "a.test", context(self.ca)) as client:
            self.assertEqual({"a.test"}, client.shown())

    def test_who_takes_the_port_for_plain_http_is_told(self):
        answer = subprocess.run(["curl", "-s", "-i", "--max-time", "10", f"http://{self.address}:{HTTPS}/path"],
                                capture_output=True, text=True)
        self.assertEqual(0, answer.returncode, answer.stderr)
        self.assertTrue(answer.stdout.startswith("HTTP/1.1 400 Bad Request"), answer.stdout)
        self.assertTrue(answer.stdout.endswith("This port speaks HTTPS: send the request to https://\n"), answer.stdout)


class MisdirectedRequests(suite.SuiteTest):
    BACKENDS = ["one", "two"]
    GATEWAYS = {}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ca = Authority()
        cls.address = own_address()
        pair = cls.ca.issue("all", "DNS:one.test", "DNS:*.two.test", "DNS:three.test")
        cls.suite.apply(documents(
            pair.secret("certificate"),
            gateway("split", cls.address, [https_listener("one", "one.test"), https_listener("two", "*.two.test")]),
            http_route("one", [{"name": "split", "sectionName": "one"}], [{"backendRefs": [to("one")]}]),
            http_route("two", [{"name": "split", "sectionName": "two"}], [{"backendRefs": [to("two")]}])))

    def answer(self, server_name, host):
        reply = send(self.address, HTTPS, server_name, context(self.ca), host=host)
        return reply.backend or reply.status

    def test_the_host_of_another_listener_is_answered_421(self):
        self.assertEqual("one", self.answer("one.test", "one.test"))
        self.assertEqual("two", self.answer("a.two.test", "a.two.test"))
        self.assertEqual(421, self.answer("one.test", "a.two.test"))
        self.assertEqual(421, self.answer("a.two.test", "one.test"))

    def test_another_host_of_the_same_listener_is_served(self):
        self.assertEqual("two", self.answer("a.two.test", "b.two.test"))

    def test_the_host_of_no_listener_is_answered_404(self):
        self.assertEqual(404, self.answer("one.test", "three.test"))


class ClientCertificates(suite.SuiteTest):
    BACKENDS = ["echo"]
    GATEWAYS = {}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ca = Authority()
        cls.clients = Authority("clients")
        cls.others = Authority("others")
        cls.member = cls.clients.issue("member")
        cls.stranger = cls.others.issue("stranger")
        cls.suite.apply(documents(cls.ca.issue("a.test").secret("certificate"), cls.clients.config_map("clients"),
                                  cls.others.config_map("others")))

    def add(self, name, listeners, frontend):
        address = own_address()
        self.suite.apply(documents(
            gateway(name, address, listeners, tls={"frontend": frontend}),
            http_route(name, [name], [{"backendRefs": [to("echo")]}])))
        return address

    def admits(self, address, port, client):
        tls = context(self.ca, client)
        if is_refused(address, port, "a.test", tls):
            return False
        self.assertEqual("echo", send(address, port, "a.test", tls).backend)
        return True

    def test_only_valid_certificates_are_let_in(self):
        address = self.add("strict", [https_listener()], {"default": {"validation": {
            "caCertificateRefs": ca_refs("clients")}}})
        self.expect_listener("strict", "https", {**ACCEPTED, "Programmed": ("True", "Programmed")})
        self.assertTrue(self.admits(address, HTTPS, self.member))
        self.assertFalse(self.admits(address, HTTPS, self.stranger))
        self.assertFalse(self.admits(address, HTTPS, None))

    def test_a_port_overrides_the_default(self):
        address = self.add("ports", [https_listener("one"), https_listener("two", port=8444),
                                     https_listener("three", port=8445)],
                           {"default": {"validation": {"caCertificateRefs": ca_refs("clients")}},
                            "perPort": [{"port": 8444, "tls": {"validation": {"caCertificateRefs": ca_refs("others")}}},
                                        {"port": 8445, "tls": {}}]})
        self.assertTrue(self.admits(address, HTTPS, self.member))
        self.assertFalse(self.admits(address, 8444, self.member))
        self.assertTrue(self.admits(address, 8444, self.stranger))
        self.assertTrue(self.admits(address, 8445, None))

    def test_the_insecure_fallback_lets_everybody_in_and_says_so(self):
        address = self.add("lenient", [https_listener()], {"default": {"validation": {
            "caCertificateRefs": ca_refs("clients"), "mode": "AllowInsecureFallback"}}})
        self.expect_object("gateway", "lenient",
                           {"InsecureFrontendValidationMode": ("True", "ConfigurationChanged")})
        for client in (self.member, self.stranger, None):
            self.assertTrue(self.admits(address, HTTPS, client))

    def test_references_that_can_not_be_used_say_why(self):
        empty = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "empty"}, "data": {"x": "y"}}
        self.suite.apply(documents(empty))
        for name, refs, reason in (("missing", ca_refs("nowhere"), "InvalidCACertificateRef"),
                                   ("empty", ca_refs("empty"), "InvalidCACertificateRef"),
                                   ("kind", ca_refs("clients", kind="Service"), "InvalidCACertificateKind"),
                                   ("foreign", [{**ca_refs("clients")[0], "namespace": "kube-system"}],
                                    "RefNotPermitted")):
            address = self.add(name, [https_listener()], {"default": {"validation": {"caCertificateRefs": refs}}})
            self.expect_listener(name, "https", {"Accepted": ("False", "NoValidCACertificate"),
                                                 "ResolvedRefs": ("False", reason),
                                                 "Programmed": ("False", "Invalid")})
            self.expect_closed((address, HTTPS))
        self.add("some", [https_listener()], {"default": {"validation": {
            "caCertificateRefs": ca_refs("nowhere", "clients")}}})
        self.expect_listener("some", "https", {"Accepted": ("True", "Accepted"),
                                               "ResolvedRefs": ("False", "InvalidCACertificateRef")})

    def test_a_connection_from_before_the_rule_is_sent_away(self):
        address = self.add("tightened", [https_listener()], {"default": {}})
        with TlsClient(address, HTTPS, "a.test", context(self.ca)) as client:
            self.assertEqual("echo", client.request(host="a.test").backend)
            self.suite.apply(documents(gateway("tightened", address, [https_listener()], tls={"frontend": {
                "default": {"validation": {"caCertificateRefs": ca_refs("clients")}}}})))
            self.assertEqual(421, client.request(host="a.test").status)
        self.assertTrue(self.admits(address, HTTPS, self.member))


if __name__ == "__main__":
    unittest.main(verbosity=2)
