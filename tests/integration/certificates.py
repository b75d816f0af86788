"""Certificates for tests, made by the openssl command."""
import base64
import pathlib
import subprocess
import tempfile


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class KeyPair:
    """A certificate and its key, as files and as text."""

    def __init__(self, certificate, key):
        self.certificate = certificate
        self.key = key
        self.files = (str(certificate), str(key))

    @property
    def pem(self):
        return self.certificate.read_text()

    @property
    def key_pem(self):
        return self.key.read_text()

    def secret(self, name, namespace="default", ocsp=None):
        """As a Secret of Kubernetes."""
        secret = {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
                  "metadata": {"name": name, "namespace": namespace},
                  "stringData": {"tls.crt": self.pem, "tls.key": self.key_pem}}
        if ocsp is not None:
            secret["data"] = {"tls.ocsp": base64.b64encode(ocsp).decode()}
        return secret


class Authority(KeyPair):
    """Signs certificates; everything is in a directory that goes when this does."""

    def __init__(self, name="authority"):
        self._directory = tempfile.TemporaryDirectory(prefix="apk-certificates-")
        self._path = pathlib.Path(self._directory.name)
        self._count = 0
        super().__init__(self._path / "ca.crt", self._path / "ca.key")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-subj", f"/CN={name}", "-keyout", self.key, "-out", self.certificate,
                "-addext", "basicConstraints=critical,CA:TRUE")

    def issue(self, name, *alternatives, kind="ec"):
        """`alternatives`: "DNS:a.example", "URI:spiffe://a/b", …; none: DNS:name."""
        self._count += 1
        base = self._path / str(self._count)
        key, request, certificate = (base.with_suffix(s) for s in (".key", ".csr", ".crt"))
        options = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"] if kind == "ec" else ["rsa:2048"]
        openssl("req", "-new", "-newkey", *options, "-nodes", "-subj", f"/CN={name}", "-keyout", key,
                "-out", request, "-addext", f"subjectAltName={','.join(alternatives or (f'DNS:{name}',))}")
        openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-days", "2",
                "-set_serial", str(1000 + self._count), "-copy_extensions", "copy", "-out", certificate)
        return KeyPair(certificate, key)

    def ocsp_response(self, pair, revoked=False, days=1):
        """What it says of one that it has issued, as a responder does."""
        request, index, answer = (pair.certificate.with_suffix(suffix) for suffix in (".req", ".index", ".ocsp"))
        openssl("ocsp", "-issuer", self.certificate, "-cert", pair.certificate, "-reqout", request, "-no_nonce")
        serial = subprocess.run(["openssl", "x509", "-in", pair.certificate, "-noout", "-serial"], check=True,
                                capture_output=True, text=True).stdout.strip().partition("=")[2]
        state = "R\t340101000000Z\t250101000000Z" if revoked else "V\t340101000000Z\t"
        index.write_text(f"{state}\t{serial}\tunknown\t/CN=x\n")
        openssl("ocsp", "-index", index, "-CA", self.certificate, "-rsigner", self.certificate, "-rkey", self.key,
                "-reqin", request, "-respout", answer, "-ndays", days)
        return answer.read_bytes()

    def config_map(self, name, namespace="default"):
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace},
                "data": {"ca.crt": self.pem}}
