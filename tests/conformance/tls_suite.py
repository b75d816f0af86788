"""What the TLS tests share on top of suite: clients and backends that speak TLS."""
import json
import ssl

import suite
from certificates import Authority  # noqa: F401 (for the tests)
from harness import PATIENCE, RawClient
from suite import GATEWAY_GROUP, Reply, documents, metadata

HTTPS = 8443


def context(authority=None, client=None, **settings):
    """Verifies the gateway with `authority`, shows `client`; None: verifies nothing, shows nothing."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if authority is None:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    else:
        made.load_verify_locations(cadata=authority.pem)
    if client is not None:
        made.load_cert_chain(*client.files)
    for name, value in settings.items():
        setattr(made, name, value)
    return made


class TlsClient(RawClient):
    """A client that asks for `server_name`; the connection stays open for several requests."""

    def __init__(self, address, port, server_name, tls, session=None):
        super().__init__(address, port)
        self.socket = tls.wrap_socket(self.socket, server_hostname=server_name, session=session)
        self.stream.close()
        self.stream = self.socket.makefile("rb")

    def request(self, target="/", host="example.com"):
        self.send(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")
        return Reply(*self.read_response())

    def shown(self):
        """The alternative names of the certificate that the gateway showed; with a verifying context."""
        return {value for _, value in self.socket.getpeercert()["subjectAltName"]}


def send(address, port, server_name, tls, target="/", host=None):
    with TlsClient(address, port, server_name, tls) as client:
        return client.request(target, host or server_name)


def is_refused(address, port, server_name, tls):
    """The gateway ends the connection, in the handshake or (TLS 1.3) right after it, without an answer."""
    try:
        return send(address, port, server_name, tls).status == 0
    except (ssl.SSLError, ConnectionError):
        return True


class TlsEcho(suite.Echo):
    """An echo backend with TLS; with `client_authority` it asks for a certificate and tells whose came."""

    def __init__(self, name, pair, client_authority=None):
        super().__init__(name, certificate=pair.files)
        if client_authority is not None:
            self._context.verify_mode = ssl.CERT_OPTIONAL
            self._context.load_verify_locations(cadata=client_authority.pem)
        self.clients = []

    def _serve_requests(self, connection, number):
        shown = connection.getpeercert()
        self.clients.append(dict(pair[0] for pair in shown["subject"])["commonName"] if shown else None)
        super()._serve_requests(connection, number)


def https_listener(name="https", hostname=None, certificates=("certificate",), port=HTTPS, **tls):
    listener = {"name": name, "port": port, "protocol": "HTTPS",
                "tls": {"certificateRefs": [c if isinstance(c, dict) else {"name": c} for c in certificates], **tls}}
    return {**listener, "hostname": hostname} if hostname else listener


def policy(name, targets, **validation):
    """`targets`: names of Services, or whole targetRefs."""
    refs = [t if isinstance(t, dict) else {"group": "", "kind": "Service", "name": t} for t in targets]
    return {"apiVersion": f"{GATEWAY_GROUP}/v1", "kind": "BackendTLSPolicy", "metadata": metadata(name),
            "spec": {"targetRefs": refs, "validation": validation}}


def ca_refs(*names, kind="ConfigMap"):
    return [{"group": "", "kind": kind, "name": name} for name in names]


def grant(name, namespace, from_kind, from_namespace, to_kind):
    return {"apiVersion": f"{GATEWAY_GROUP}/v1beta1", "kind": "ReferenceGrant",
            "metadata": metadata(name, namespace),
            "spec": {"from": [{"group": GATEWAY_GROUP, "kind": from_kind, "namespace": from_namespace}],
                     "to": [{"group": "", "kind": to_kind}]}}


def tls_route(name, parents, hostnames, backends):
    return {"apiVersion": f"{GATEWAY_GROUP}/v1", "kind": "TLSRoute", "metadata": metadata(name),
            "spec": {"parentRefs": [{"name": p} if isinstance(p, str) else p for p in parents],
                     "hostnames": list(hostnames), "rules": [{"backendRefs": backends}]}}


__all__ = [name for name in dir() if not name.startswith("_") and name not in ("json", "ssl", "suite")]
