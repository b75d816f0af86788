"""A token issuer that changes its keys."""
import base64
import http.server
import json
import subprocess
import threading
import time
import unittest

import harness
from harness import FakeBackend, Gateway, RawClient, backend, eventually, free_port, plain_gateway, reference, route


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Key:
    """An RSA key that signs tokens and shows its public half."""

    def __init__(self, directory, name):
        self.id = name
        self._file = directory / f"{name}.key"
        subprocess.run(["openssl", "genrsa", "-out", self._file, "2048"], check=True, capture_output=True)

    def public(self):
        modulus = subprocess.run(["openssl", "rsa", "-in", self._file, "-noout", "-modulus"], check=True,
                                 capture_output=True, text=True).stdout.strip().split("=")[1]
        return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.id, "e": "AQAB",
                "n": base64url(bytes.fromhex(modulus))}

    def sign(self, claims):
        head = {"alg": "RS256", "kid": self.id}
        text = ".".join(base64url(json.dumps(part).encode()) for part in (head, claims))
        signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self._file], input=text.encode(),
                                   check=True, capture_output=True).stdout
        return f"{text}.{base64url(signature)}"


class Issuer:
    """Serves the keys of `keys`."""

    def __init__(self):
        self.keys = []
        self.fetches = 0
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.fetches += 1
                body = json.dumps({"keys": [key.public() for key in issuer.keys]}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


class Rotation(unittest.TestCase):
    def test_a_token_of_a_new_key_has_the_keys_fetched_again_but_not_for_each_request(self):
        gateway = Gateway()
        self.addCleanup(gateway.close)
        issuer = Issuer()
        self.addCleanup(issuer.close)
        origin = FakeBackend()
        self.addCleanup(origin.close)
        old, new, forged = (Key(gateway.directory, name) for name in ("old", "new", "forged"))
        issuer.keys = [old]
        port = free_port()
        gateway.apply(plain_gateway(port) + backend("origin", origin.port) + route("api", f"""
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
  signatureValidation: {{jwks: {{url: "http://127.0.0.1:{issuer.port}/jwks"}}}}
""")
        claims = {"iss": "https://issuer.test/", "exp": int(time.time()) + 3600}

        def status(key):
            with RawClient("127.0.0.1", port) as client:
                client.send(f"GET /api/1.0/ HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {tokens[key.id]}\r\n\r\n")
                return client.read_response()[0]
        tokens = {key.id: key.sign(claims) for key in (old, new, forged)}
        eventually(lambda: status(old) == 200, "the first key is known")
        issuer.keys = [new]
        # Its keys are fetched every five minutes otherwise.
        eventually(lambda: status(new) == 200, "the new key is known")
        self.assertEqual(status(old), 401)
        before = issuer.fetches
        for _ in range(200):
            self.assertEqual(status(forged), 401)
        self.assertLessEqual(issuer.fetches - before, 2)
        self.assertEqual(status(new), 200)


if __name__ == "__main__":
    harness.main()
