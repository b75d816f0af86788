"""The user's page, step by step, with the real programs."""
import pathlib
import unittest

import harness
from harness import FakeBackend, Gateway, eventually, response

EXAMPLES = harness.ROOT / "deploy/examples"


def example(primary, mirror, inspector):
    text = ""
    for name in ("api.yaml", "backends.yaml", "httproute.yaml"):
        text += "---\n" + (EXAMPLES / name).read_text()
    for old, new in (("9701", primary), ("9702", mirror), ("9602", inspector)):
        text = text.replace(f"port: {old}", f"port: {new}")
    return text


class FiveSteps(unittest.TestCase):
    def setUp(self):
        self.gateway = Gateway(agents=2)
        self.addCleanup(self.gateway.close)

    def backend(self, *arguments, **named):
        made = FakeBackend(*arguments, **named)
        self.addCleanup(made.close)
        return made

    def test_the_complete_example_answers_and_mirrors_through_both_agents(self):
        primary = self.backend(lambda _: response(b'{"uuid": "1"}'))
        mirror, inspector = self.backend(), self.backend()
        result = self.gateway.apply(example(primary.port, mirror.port, inspector.port))
        self.assertIn("httproute.gateway.networking.k8s.io/production-httproute created", result.stdout)

        # Step 4, as the page that it links to has it.
        answer = self.gateway.curl("/oauth2/token", "-u", harness.CLIENT, "-d",
                                   "grant_type=client_credentials", host="idp.am.wso2.com")
        self.assertEqual(answer.status, 200, answer.body)
        token = answer.json()["access_token"]
        self.assertEqual(answer.json()["token_type"], "Bearer")

        # Step 5.
        def call(agent):
            return self.gateway.curl("/sample-api/0.1.0/uuid", "-H", f"Authorization: Bearer {token}",
                                     "-H", "X-Custom: 1", agent=agent)
        for agent in (1, 2):
            eventually(lambda: call(agent).status == 200, f"agent {agent} has the issuer's keys")
        before = len(primary.requests)
        for agent in (1, 2):
            self.assertEqual(call(agent).json(), {"uuid": "1"})
        seen = primary.wait_for(before + 2)[-1]
        self.assertEqual((seen.method, seen.target), ("GET", "/uuid"))
        self.assertEqual(seen.header("Host"), f"127.0.0.1:{primary.port}")
        self.assertIsNone(seen.header("Authorization"))
        copy = mirror.wait_for(before + 2)[-1]
        self.assertEqual((copy.method, copy.target), ("GET", "/uuid"))
        self.assertEqual(copy.header("Host"), f"127.0.0.1:{mirror.port}")
        self.assertEqual(copy.header("X-Custom"), "1")
        # The base path of the mirror's own Backend is honoured.
        self.assertEqual(inspector.wait_for(before + 2)[-1].target, "/sample-api-mirror/uuid")
        self.assertLessEqual(mirror.connections, before + 2)

    def test_a_request_that_the_gateway_rejects_is_not_mirrored(self):
        primary, mirror, inspector = self.backend(), self.backend(), self.backend()
        self.gateway.apply(example(primary.port, mirror.port, inspector.port))
        path = "/sample-api/0.1.0/uuid"
        missing = eventually(lambda: (a := self.gateway.curl(path)).status == 401 and a, "401")
        self.assertEqual(missing.json()["code"], 900902)
        self.assertEqual(missing.json()["error_message"], "Missing Credentials")
        forged = self.gateway.token()[:-8] + "AAAAAAAA"
        bad = eventually(lambda: (a := self.gateway.curl(path, "-H", f"Authorization: Bearer {forged}"))
                         .status == 401 and a, "401 for a forged token")
        self.assertEqual(bad.json()["code"], 900903)
        for wrong in ("/nothing", "/sample-api/0.1.0/uuidx", "/sample-api/0.1.0/a/uuid", "/uuid"):
            self.assertEqual(self.gateway.curl(wrong).status, 404, wrong)
        counts = self.gateway.mirror_counts("Backend default/mirror-backend")
        self.assertEqual(counts["matched"], counts["skipped/rejected"])
        self.assertEqual((primary.requests, mirror.requests, inspector.requests), ([], [], []))

    def test_the_documents_of_the_page_are_taken_verbatim(self):
        page = EXAMPLES / "page"
        result = self.gateway.apkctl("apply", "-f", page, "-n", "default")
        self.assertIn("backend.dp.wso2.com/mirror-backend created", result.stdout)
        self.assertIn("httproute.gateway.networking.k8s.io/production-httproute created", result.stdout)
        self.assertRegex(result.stderr, r"httproute\.yaml:\d+:\d+: spec\.rules\[0\]: has no backendRefs")

    def test_the_rule_of_the_page_answers_500_and_its_mirror_gets_the_copy_over_tls(self):
        # The page's mirror is a host of the internet: here one of ours takes its place.
        issued = self.gateway.directory / "mirror"
        certificate = harness.make_certificate(issued, "webhook.test")
        mirror = self.backend(certificate=certificate)
        page = (EXAMPLES / "page/httproute.yaml").read_text()
        ca = "".join(f"      {line}\n" for line in pathlib.Path(certificate[0]).read_text().splitlines())
        text = f"""{page}
---
apiVersion: "dp.wso2.com/v1alpha1"
kind: "Backend"
metadata:
  name: "mirror-backend"
spec:
  services:
    - host: "localhost"
      port: {mirror.port}
  basePath: "/30cd1472-d4ac-4440-ab8d-66fc0a789c7b"
  protocol: "https"
  tls:
    allowedSANs: ["webhook.test"]
    certificateInline: |
{ca}"""
        self.gateway.apply(text)
        answer = self.gateway.curl("/uuid")
        self.assertEqual(answer.status, 500)
        copy = mirror.wait_for(1)[0]
        self.assertEqual(copy.target, "/30cd1472-d4ac-4440-ab8d-66fc0a789c7b/uuid")
        self.assertEqual(copy.header("Host"), f"localhost:{mirror.port}")
        self.assertEqual(mirror.server_names[0], "localhost")
        counts = self.gateway.settled_mirror_counts("Backend default/mirror-backend", 1)
        self.assertEqual(counts["sent"], 1)


class Tokens(unittest.TestCase):
    def test_the_issuer_can_be_turned_off(self):
        with Gateway(control_plane_flags=("--development-token-issuer=false",)) as gateway:
            self.assertEqual(gateway.curl("/oauth2/token", "-d", "grant_type=client_credentials",
                                          host="idp.am.wso2.com").status, 404)
            result = gateway.apkctl("token", check=False)
            self.assertEqual(result.returncode, 1)
            self.assertIn("turned off", result.stderr)

    def test_authentication_can_be_disabled_for_an_api(self):
        with Gateway() as gateway:
            primary = FakeBackend()
            self.addCleanup(primary.close)
            gateway.apply(example(primary.port, 1, 1) + """
---
apiVersion: dp.wso2.com/v1alpha2
kind: Authentication
metadata: {name: open}
spec:
  default: {disabled: true}
  targetRef: {group: dp.wso2.com, kind: API, name: sample-api}
""")
            self.assertEqual(gateway.curl("/sample-api/0.1.0/uuid").status, 200)

    def test_errors_are_those_of_rfc_6749(self):
        with Gateway() as gateway:
            def ask(*arguments):
                return gateway.curl("/oauth2/token", *arguments, host="idp.am.wso2.com")
            good = ("-u", harness.CLIENT)
            for arguments, status, error in (
                    (good, 400, "invalid_request"),
                    ((*good, "-d", "grant_type=password"), 400, "unsupported_grant_type"),
                    (("-d", "grant_type=client_credentials"), 401, "invalid_client"),
                    (("-u", "a:b", "-d", "grant_type=client_credentials"), 401, "invalid_client"),
                    ((*good, "-d", "grant_type=client_credentials", "-d", "grant_type=x"), 400,
                     "invalid_request"),
                    ((*good, "-d", 'grant_type=client_credentials&scope=%22'), 400, "invalid_scope")):
                arguments = arguments if "-d" in arguments else (*arguments, "-d", "")
                answer = ask(*arguments)
                self.assertEqual((answer.status, answer.json()["error"]), (status, error), arguments)


if __name__ == "__main__":
    harness.main()
