"""Keys that sign tokens, made by the openssl command, and who publishes them."""
import base64
import http.server
import json
import ssl
import subprocess
import threading


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*arguments, **options):
    return subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, **options).stdout


class Key:
    """An RSA key that signs tokens and shows its public half."""
    algorithm = "RS256"

    def __init__(self, directory, name):
        self.id = name
        self._file = directory / f"{name}.key"
        self._generate()

    def _generate(self):
        openssl("genrsa", "-out", self._file, "2048")

    def public(self):
        modulus = openssl("rsa", "-in", self._file, "-noout", "-modulus", text=True).strip().split("=")[1]
        return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.id, "e": "AQAB",
                "n": base64url(bytes.fromhex(modulus))}

    def public_pem(self):
        return openssl("pkey", "-in", self._file, "-pubout")

    def sign(self, claims, **head):
        text = ".".join(base64url(json.dumps(part).encode())
                        for part in ({"alg": self.algorithm, "kid": self.id, **head}, claims))
        return f"{text}.{base64url(self._signature(text.encode()))}"

    def _signature(self, text):
        return openssl("dgst", "-sha256", "-sign", self._file, input=text)


class CurveKey(Key):
    """The same on P-256."""
    algorithm = "ES256"

    def _generate(self):
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self._file)

    def public(self):
        point = openssl("pkey", "-in", self._file, "-pubout", "-outform", "DER")[-64:]
        return {"kty": "EC", "use": "sig", "crv": "P-256", "kid": self.id, "x": base64url(point[:32]),
                "y": base64url(point[32:])}

    def _signature(self, text):
        der, raw, at = super()._signature(text), b"", 2
        for _ in range(2):
            size = der[at + 1]
            raw += int.from_bytes(der[at + 2:at + 2 + size], "big").to_bytes(32, "big")
            at += 2 + size
        return raw


class Issuer:
    """Serves the keys of `keys` at any path, and what `documents` has at its own; over TLS with a certificate
    (certificate and key files)."""

    def __init__(self, certificate=None, port=0):
        self.keys = []
        self.documents = {}
        self.fetches = 0
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                if self.path in issuer.documents:
                    body = issuer.documents[self.path]
                else:
                    issuer.fetches += 1
                    body = {"keys": [key.public() for key in issuer.keys]}
                body = json.dumps(body).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_):
                pass  # Who does not trust it ends the handshake.
        self._server = Server(("127.0.0.1", port), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
