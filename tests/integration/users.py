"""Users with certificates of their own: by apkctl, and by the Kubernetes API over plain HTTPS."""
import contextlib
import http.client
import json
import pathlib
import ssl
import subprocess

import harness


class User:
    def __init__(self, gateway, name):
        self.gateway, self.name = gateway, name
        self.directory = pathlib.Path(gateway.directory) / f"user-{name}"
        flags = list(gateway.control_plane_flags)
        store = flags[flags.index("--store"):][:2] if "--store" in flags else []
        subprocess.run([str(harness.BIN / "apk-control-plane"), "issue-certificate", "--data-dir", str(gateway.data),
                        *store, "--user", name, "--out", str(self.directory)], check=True, capture_output=True)
        self.certificate, self.key = self.directory / f"{name}.crt", self.directory / f"{name}.key"
        self.config = self.directory / "apkctl.yaml"
        self.config.write_text(
            f"currentContext: own\ncontexts:\n- name: own\n  server: 127.0.0.1:{gateway.grpc_port}\n"
            f"  certificateAuthority: ca.crt\n  clientCertificate: {name}.crt\n  clientKey: {name}.key\n")

    def apkctl(self, *arguments, stdin=None):
        return subprocess.run([str(harness.BIN / "apkctl"), "--config", str(self.config), *map(str, arguments)],
                              input=stdin, capture_output=True, text=True, timeout=harness.PATIENCE)

    @contextlib.contextmanager
    def connection(self):
        context = ssl.create_default_context(cafile=str(self.gateway.data / "pki/ca.crt"))
        context.load_cert_chain(str(self.certificate), str(self.key))
        made = http.client.HTTPSConnection("127.0.0.1", self.gateway.kubernetes_port, context=context,
                                           timeout=harness.PATIENCE)
        try:
            yield made
        finally:
            made.close()

    def kubernetes(self, method, path, body=None, content_type="application/json"):
        """(status, object)"""
        with self.connection() as connection:
            connection.request(method, path, None if body is None else json.dumps(body),
                               {"Content-Type": content_type, "User-Agent": "test/1"})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"null")
