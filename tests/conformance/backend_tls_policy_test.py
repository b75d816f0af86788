"""BackendTLSPolicy, and the certificate that a Gateway shows to backends."""
import unittest

import suite
from suite import ACCEPTED, documents, endpoint_slice, gateway, http_route, own_address, service, to
from tls_suite import Authority, TlsEcho, ca_refs, policy

CONTROLLER = suite.CONTROLLER


class Policies(suite.SuiteTest):
    GATEWAYS = {"same": [{}]}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ca = Authority()
        cls.other = Authority("other")
        cls.clients = Authority("clients")
        cls.echoes = {}
        cls.suite.apply(documents(cls.ca.config_map("ca"), cls.other.config_map("other"),
                                  cls.clients.issue("gateway").secret("shown")))

    def backend(self, name, *alternatives, ports=None, **extra):
        """A TLS backend behind a Service of that name, with a route /name to it."""
        echo = TlsEcho(name, self.ca.issue(name, *(alternatives or [f"DNS:{name}.test"])),
                       client_authority=self.clients)
        self.addCleanup(echo.close)
        self.suite.apply(documents(
            service(name, ports=ports, **extra), endpoint_slice(name, ["127.0.0.1"], echo.port),
            http_route(name, ["same"], [{"matches": [suite.path(f"/{name}")], "backendRefs": [to(name)]}])))
        return echo

    def expect_policy(self, name, expected, ancestor="same"):
        def read():
            status, generation = self.suite.status("backendtlspolicy", name)
            for entry in status.get("ancestors", []):
                if entry["ancestorRef"]["name"] == ancestor:
                    self.assertEqual(CONTROLLER, entry["controllerName"])
                    self.assertEqual(("Gateway", "default"),
                                     (entry["ancestorRef"]["kind"], entry["ancestorRef"]["namespace"]))
                    return entry["conditions"], generation
            return [], generation
        self.expect_conditions(read, expected, f"BackendTLSPolicy {name} for {ancestor}")

    def expect_failure(self, name):
        reply = self.send("same", f"/{name}")
        self.assertIn(reply.status, (500, 502, 503), reply)

    def test_the_backend_is_verified_and_asked_for_the_name(self):
        echo = self.backend("verified")
        self.suite.apply(documents(policy("verified", ["verified"], hostname="verified.test",
                                          caCertificateRefs=ca_refs("ca"))))
        self.expect_policy("verified", ACCEPTED)
        self.expect_backend("verified", "same", "/verified")
        self.assertEqual("verified.test", echo.server_names[-1])
        self.expect_parent("verified", ACCEPTED)

    def test_another_authority_or_name_is_not_believed(self):
        echo = self.backend("doubted")
        self.suite.apply(documents(policy("doubted", ["doubted"], hostname="doubted.test",
                                          caCertificateRefs=ca_refs("other"))))
        self.expect_policy("doubted", ACCEPTED)
        self.expect_failure("doubted")
        log = self.suite.agents[1].tail()
        self.assertIn(f'server=127.0.0.1:{echo.port} name=doubted.test reason="its certificate is not accepted: ', log)
        self.suite.apply(documents(policy("doubted", ["doubted"], hostname="else.test",
                                          caCertificateRefs=ca_refs("ca"))))
        self.expect_failure("doubted")
        self.assertIn('reason="its certificate is not accepted: hostname mismatch"', self.suite.agents[1].tail())
        self.assertEqual([], echo.requests)

    def test_alternative_names_stand_instead_of_the_hostname(self):
        echo = self.backend("named", "DNS:a.names.test", "URI:spiffe://names/a")
        for names, believed in (([{"type": "Hostname", "hostname": "a.names.test"}], True),
                                ([{"type": "Hostname", "hostname": "b.names.test"}], False),
                                ([{"type": "Hostname", "hostname": "*.names.test"}], True),
                                ([{"type": "URI", "uri": "spiffe://names/a"}], True),
                                ([{"type": "URI", "uri": "spiffe://names/b"},
                                  {"type": "Hostname", "hostname": "a.names.test"}], True),
                                ([{"type": "URI", "uri": "spiffe://names/ab"}], False)):
            self.suite.apply(documents(policy("named", ["named"], hostname="sni.test", subjectAltNames=names,
                                              caCertificateRefs=ca_refs("ca"))))
            if believed:
                self.expect_backend("named", "same", "/named")
            else:
                self.expect_failure("named")
            self.assertEqual("sni.test", echo.server_names[-1])

    def test_a_policy_that_is_invalid_lets_nothing_through(self):
        echo = self.backend("invalid")
        for validation, accepted, resolved in (
                ({"caCertificateRefs": ca_refs("nowhere")}, "NoValidCACertificate", "InvalidCACertificateRef"),
                ({"caCertificateRefs": ca_refs("ca", kind="Service")}, "NoValidCACertificate", "InvalidKind"),
                ({"wellKnownCACertificates": "example.org/mine"}, "Invalid", None)):
            self.suite.apply(documents(policy("invalid", ["invalid"], hostname="invalid.test", **validation)))
            self.expect_policy("invalid", {
                "Accepted": ("False", accepted),
                "ResolvedRefs": ("False", resolved) if resolved else ("True", "ResolvedRefs")})
            self.expect_failure("invalid")
        self.assertEqual([], echo.requests)
        self.suite.apply(documents(policy("invalid", ["invalid"], hostname="invalid.test",
                                          caCertificateRefs=ca_refs("nowhere", "ca"))))
        self.expect_policy("invalid", {"Accepted": ("True", "Accepted"),
                                       "ResolvedRefs": ("False", "InvalidCACertificateRef")})
        self.expect_backend("invalid", "same", "/invalid")

    def test_the_systems_roots_do_not_know_a_test_authority(self):
        self.backend("system")
        self.suite.apply(documents(policy("system", ["system"], hostname="system.test",
                                          wellKnownCACertificates="System")))
        self.expect_policy("system", ACCEPTED)
        self.expect_failure("system")

    def test_the_oldest_wins_and_the_others_are_told(self):
        self.backend("contested")
        self.suite.apply(documents(policy("contested-a", ["contested"], hostname="contested.test",
                                          caCertificateRefs=ca_refs("ca"))))
        self.suite.apply(documents(policy("contested-b", ["contested"], hostname="contested.test",
                                          caCertificateRefs=ca_refs("other"))))
        self.expect_policy("contested-a", ACCEPTED)
        self.expect_policy("contested-b", {"Accepted": ("False", "Conflicted")})
        self.expect_backend("contested", "same", "/contested")
        self.suite.delete("backendtlspolicy", "contested-a")
        self.expect_policy("contested-b", ACCEPTED)
        self.expect_failure("contested")

    def test_a_port_goes_before_the_service(self):
        ports = [{"name": "http", "port": 8080, "targetPort": 3000}, {"name": "more", "port": 8081}]
        self.backend("sections", ports=ports)
        section = {"group": "", "kind": "Service", "name": "sections", "sectionName": "http"}
        self.suite.apply(documents(
            policy("sections-all", ["sections"], hostname="sections.test", caCertificateRefs=ca_refs("other")),
            policy("sections-http", [section], hostname="sections.test", caCertificateRefs=ca_refs("ca"))))
        self.expect_policy("sections-all", ACCEPTED)
        self.expect_policy("sections-http", ACCEPTED)
        self.expect_backend("sections", "same", "/sections")
        self.suite.apply(documents(policy("sections-http", [{**section, "sectionName": "none"}],
                                          hostname="sections.test", caCertificateRefs=ca_refs("ca"))))
        self.expect_policy("sections-http", {"Accepted": ("False", "TargetNotFound")})

    def test_mirrors_are_reached_by_tls_too(self):
        mirror = self.backend("mirrored")
        self.backend("primary")
        self.suite.apply(documents(
            policy("mirrored", ["mirrored", "primary"], hostname="any.test", caCertificateRefs=ca_refs("ca"),
                   subjectAltNames=[{"type": "Hostname", "hostname": "mirrored.test"},
                                    {"type": "Hostname", "hostname": "primary.test"}]),
            http_route("primary", ["same"], [{
                "matches": [suite.path("/primary")], "backendRefs": [to("primary")],
                "filters": [{"type": "RequestMirror", "requestMirror": {"backendRef": to("mirrored")}}]}])))
        self.expect_backend("primary", "same", "/primary")
        self.assertEqual("/primary", mirror.wait_for(1)[0].target)

    def test_each_gateway_shows_its_own_certificate(self):
        echo = self.backend("asking")
        address = own_address()
        self.suite.apply(documents(
            policy("asking", ["asking"], hostname="asking.test", caCertificateRefs=ca_refs("ca")),
            gateway("showing", address, [{}], tls={"backend": {"clientCertificateRef": {"name": "shown"}}}),
            http_route("asking", ["same", "showing"], [{"matches": [suite.path("/asking")],
                                                        "backendRefs": [to("asking")]}])))
        self.expect_object("gateway", "showing", {"ResolvedRefs": ("True", "ResolvedRefs")})
        self.expect_backend("asking", address, "/asking")
        self.assertEqual("gateway", echo.clients[-1])
        self.expect_backend("asking", "same", "/asking")
        self.assertIsNone(echo.clients[-1])
        self.expect_policy("asking", ACCEPTED, "showing")

    def test_a_certificate_that_can_not_be_shown_is_named(self):
        for name, reference, reason in (
                ("nothing", {"name": "nowhere"}, "InvalidClientCertificateRef"),
                ("foreign", {"name": "shown", "namespace": "kube-system"}, "RefNotPermitted")):
            self.suite.apply(documents(gateway(name, own_address(), [{}],
                                               tls={"backend": {"clientCertificateRef": reference}})))
            self.expect_object("gateway", name, {"ResolvedRefs": ("False", reason)})


if __name__ == "__main__":
    unittest.main(verbosity=2)
