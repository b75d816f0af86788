"""A token issuer that changes its keys."""
import signal
import time
import unittest

import harness
from harness import FakeBackend, Gateway, RawClient, backend, eventually, free_port, plain_gateway, reference, route
from token_keys import Issuer, Key


class Tokens(unittest.TestCase):
    """An API at /api/1.0 that takes the tokens of one issuer."""

    def setUp(self):
        self.gateway = Gateway()
        self.addCleanup(self.gateway.close)
        self.issuer = Issuer()
        self.addCleanup(self.issuer.close)
        origin = FakeBackend()
        self.addCleanup(origin.close)
        self.old, self.new, self.forged = (Key(self.gateway.directory, name) for name in ("old", "new", "forged"))
        self.issuer.keys = [self.old]
        self.port = free_port()
        self.gateway.apply(plain_gateway(self.port) + backend("origin", origin.port) + route("api", f"""
  - backendRefs: [{reference("origin")}]
""") + f"""
---
apiVersion: dp.wso2.com/v1alpha2
kind: API
metadata: {{name: api}}
spec: {{apiName: api, apiType: REST, apiVersion: "1.0", basePath: /api/1.0, organization: turning, production: [{{routeRefs: [api]}}]}}
---
apiVersion: dp.wso2.com/v1alpha2
kind: TokenIssuer
metadata: {{name: turning}}
spec:
  name: turning
  organization: turning
  issuer: https://issuer.test/
  consumerKeyClaim: azp
  scopesClaim: scope
  signatureValidation: {{jwks: {{url: "http://127.0.0.1:{self.issuer.port}/jwks"}}}}
""")
        claims = {"iss": "https://issuer.test/", "exp": int(time.time()) + 3600}
        self.tokens = {key.id: key.sign(claims) for key in (self.old, self.new, self.forged)}
        eventually(lambda: self.status(self.old) == 200, "the first key is known")

    def status(self, key):
        with RawClient("127.0.0.1", self.port) as client:
            client.send(f"GET /api/1.0/ HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {self.tokens[key.id]}\r\n\r\n")
            return client.read_response()[0]

    def test_a_token_of_a_new_key_has_the_keys_fetched_again_but_not_for_each_request(self):
        self.issuer.keys = [self.new]
        # Its keys are fetched every five minutes otherwise.
        eventually(lambda: self.status(self.new) == 200, "the new key is known")
        self.assertEqual(self.status(self.old), 401)
        before = self.issuer.fetches
        for _ in range(200):
            self.assertEqual(self.status(self.forged), 401)
        self.assertLessEqual(self.issuer.fetches - before, 2)
        self.assertEqual(self.status(self.new), 200)

    def test_keys_outlive_the_agent_where_neither_issuer_nor_control_plane_can_be_reached(self):
        path = self.gateway.directory / "agent-1" / "token-issuer-keys"
        eventually(path.exists, "the keys are on disk")
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        self.gateway.control_plane.stop(signal.SIGKILL)
        self.issuer.close()
        self.restart_agent()
        self.assertEqual((self.status(self.old), self.status(self.forged)), (200, 401))
        whole = path.read_bytes()
        for damaged in whole[:-1], whole[:50] + b"x" + whole[51:], b"":
            path.write_bytes(damaged)
            self.restart_agent()
            self.assertEqual(self.status(self.old), 503)
            self.assertIn("saved keys of token issuers are damaged", self.gateway.agents[1].tail())
        # As if they were another issuer's: those of another URL.
        path.write_bytes(whole)
        self.gateway.start_control_plane()
        self.gateway.apply("""
apiVersion: dp.wso2.com/v1alpha2
kind: TokenIssuer
metadata: {name: turning}
spec:
  name: turning
  organization: turning
  issuer: https://issuer.test/
  consumerKeyClaim: azp
  scopesClaim: scope
  signatureValidation: {jwks: {url: "http://127.0.0.1:1/jwks"}}
""")
        self.gateway.agents[1].stop(signal.SIGKILL)
        path.write_bytes(whole)
        self.gateway.start_agent()
        self.assertEqual(self.status(self.old), 503)

    def restart_agent(self):
        self.gateway.agents[1].stop(signal.SIGKILL)
        self.gateway.start_agent()


if __name__ == "__main__":
    harness.main()
