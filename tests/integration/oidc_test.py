"""Bearer tokens of an identity provider: who they are, what they may, and when that ends."""
import contextlib
import hashlib
import hmac
import json
import os
import pathlib
import socket
import ssl
import subprocess
import tempfile
import time
import unittest

import harness
from certificates import Authority
from harness import BIN, Gateway, eventually
from token_keys import CurveKey, Issuer, Key, base64url

SOON = float(os.environ.get("APK_SOON", "3"))
LEEWAY = 30  # Seconds by which clocks may differ.
KUBECTL = sorted((harness.ROOT / "build/kubectl").glob("*/kubectl"))
ROLES = """
bindings:
- {role: admin, users: [admin, "oidc:root@example.org"]}
- {role: editor, groups: ["oidc:shop"], namespaces: [shop]}
- {role: viewer, groups: ["oidc:readers"]}
"""


def config_map(name, namespace):
    return (f"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: {namespace}}}\n"
            "data: {key: '1'}\n")


class Provider:
    """Tokens, an HTTPS server with the keys, and where they are."""

    def __init__(self, directory):
        self.authority = Authority()
        pair = self.authority.issue("localhost", "DNS:localhost", "IP:127.0.0.1")
        self.certificate = (pair.certificate, pair.key)
        self.server = Issuer(self.certificate)
        self.issuer = f"https://localhost:{self.server.port}/realm"
        self.key, self.curve, self.new, self.forged = (
            kind(directory, name) for kind, name in ((Key, "first"), (CurveKey, "curve"), (Key, "new"), (Key, "forged")))
        self.server.keys = [self.key, self.curve]
        self.server.documents["/realm/.well-known/openid-configuration"] = {
            "issuer": self.issuer, "jwks_uri": f"https://localhost:{self.server.port}/keys"}

    def claims(self, user="ann@example.org", groups=("shop",), seconds=3600, **changes):
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": "apk", "exp": now + seconds, "iat": now, "sub": "123", "email": user,
                  "email_verified": True, "groups": list(groups), **changes}
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, *arguments, key=None, **changes):
        return (key or self.key).sign(self.claims(*arguments, **changes))


class Oidc(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory(prefix="apk-oidc-")
        cls.addClassCleanup(scratch.cleanup)
        cls.scratch = pathlib.Path(scratch.name)
        cls.provider = Provider(cls.scratch)
        cls.addClassCleanup(cls.provider.server.close)
        cls.roles = cls.scratch / "roles.yaml"
        cls.roles.write_text(ROLES)
        cls.audit = cls.scratch / "audit.log"
        cls.gateway = Gateway(agents=1, control_plane_flags=(
            "--roles", cls.roles, "--audit-log", cls.audit, "--oidc-issuer", cls.provider.issuer, "--oidc-audience",
            "apk", "--oidc-ca", cls.provider.authority.certificate, "--oidc-username-claim", "email",
            *cls.more_flags()))
        cls.addClassCleanup(cls.gateway.close)
        cls.gateway.apply("".join(f"---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n"
                                  for name in ("shop", "bakery")) + config_map("shelf", "shop")
                          + config_map("oven", "bakery"), settle=False)
        cls.config = cls.scratch / "apkctl.yaml"
        cls.write_config(cls.config, token="not-a-token")

    @classmethod
    def more_flags(cls):
        return ()

    @classmethod
    def write_config(cls, path, **token):
        path.write_text(json.dumps({"currentContext": "c", "contexts": [{
            "name": "c", "server": f"127.0.0.1:{cls.gateway.grpc_port}", "namespace": "shop",
            "certificateAuthority": str(cls.gateway.data / "pki/ca.crt"), **token}]}))
        return path

    def apkctl(self, *arguments, token=None, stdin=None, config=None, **environment):
        flags = ("--token", token) if token else ()
        return subprocess.run([str(BIN / "apkctl"), "--config", str(config or self.config), *flags,
                               *map(str, arguments)], input=stdin, capture_output=True, text=True,
                              timeout=harness.PATIENCE, env={**os.environ, **environment})

    def done(self, result):
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def refused(self, result, words, kind="Unauthorized"):
        self.assertEqual(result.returncode, 1, result.stdout)
        self.assertIn(f"Error from server ({kind}): ", result.stderr)
        self.assertIn(words, result.stderr)

    def kubernetes(self, path, token, method="GET"):
        """(status, fields, object)"""
        context = ssl.create_default_context(cafile=str(self.gateway.data / "pki/ca.crt"))
        connection = harness.http_client(self.gateway.kubernetes_port, context)
        try:
            fields = {} if token is None else {"Authorization": f"Bearer {token}"}
            connection.request(method, path, headers=fields)
            answer = connection.getresponse()
            return answer.status, answer.headers, json.loads(answer.read() or b"null")
        finally:
            connection.close()


class Tokens(Oidc):
    def test_a_token_is_its_user_and_its_groups(self):
        ann = self.provider.token()
        self.done(self.apkctl("apply", "-f", "-", token=ann, stdin=config_map("mine", "shop")))
        self.refused(self.apkctl("apply", "-f", "-", token=ann, stdin=config_map("theirs", "bakery")),
                     'User "oidc:ann@example.org" cannot apply resource "configmaps"', kind="Forbidden")
        eve = self.provider.token("eve@example.org", ["readers", "others"], key=self.provider.curve)
        self.assertIn("oven", self.done(self.apkctl("get", "cm", "-A", token=eve)))
        self.refused(self.apkctl("delete", "cm", "shelf", token=eve), 'User "oidc:eve@example.org" cannot delete',
                     kind="Forbidden")
        root = self.provider.token("root@example.org", [])
        self.done(self.apkctl("revocations", token=root))
        # Names of certificates are not to be had by a token, nor groups of the file.
        for user, groups in (("admin", ()), ("spiffe://apk/user/admin", ()), ("*", ()), ("x", ["oidc:shop"])):
            self.refused(self.apkctl("get", "cm", token=self.provider.token(user, groups)), "is forbidden",
                         kind="Forbidden")
        history = json.loads(self.gateway.apkctl("history", "-o", "json").stdout)
        self.assertIn("oidc:ann@example.org", [revision["author"] for revision in history["revisions"]])
        noted = [json.loads(line) for line in self.audit.read_text().splitlines()]
        self.assertIn(("oidc:ann@example.org", "apply", "OK"),
                      [(entry["user"], entry["verb"], entry["result"]) for entry in noted])
        self.assertIn(("oidc:eve@example.org", "delete", "Forbidden"),
                      [(entry["user"], entry["verb"], entry["result"]) for entry in noted])

    def test_every_way_to_give_it(self):
        good = self.provider.token()
        file = self.scratch / "token"
        file.write_text(good + "\n")
        for given in (
                self.apkctl("get", "cm", "--token-file", file), self.apkctl("get", "cm", APKCTL_TOKEN=good),
                self.apkctl("get", "cm", APKCTL_TOKEN_FILE=str(file)),
                self.apkctl("get", "cm", config=self.write_config(self.scratch / "a.yaml", token=good)),
                self.apkctl("get", "cm", config=self.write_config(self.scratch / "b.yaml", tokenFile="token")),
                self.apkctl("get", "cm", token=good, APKCTL_TOKEN="worse")):
            self.assertIn("shelf", self.done(given))
        file.write_text("two words\n")
        wrong = self.apkctl("get", "cm", "--token-file", file)
        self.assertIn(f"error: the token file {file} holds something else than a bearer token", wrong.stderr)
        self.assertNotIn("two words", wrong.stderr)
        self.assertIn("error: the token file: can't read ", self.apkctl("get", "cm", "--token-file", "/absent").stderr)
        none = self.apkctl("get", "cm", config=self.write_config(self.scratch / "c.yaml"))
        self.assertIn("a context needs clientCertificate, or a tokenFile", none.stderr)

    def test_what_is_wrong_with_a_token_is_said_and_the_token_never(self):
        provider, now = self.provider, int(time.time())
        head = base64url(b'{"alg":"none"}')
        body = base64url(json.dumps(provider.claims()).encode())
        hs = base64url(b'{"alg":"HS256","kid":"first"}')
        mac = hmac.new(provider.key.public_pem(), f"{hs}.{body}".encode(), hashlib.sha256).digest()
        good = provider.token()
        cases = (
            (provider.token(seconds=-LEEWAY - 1), "the bearer token expired on 20"),
            (provider.token(exp=None), "is malformed"),
            (provider.token(nbf=now + 3600), "is not valid yet"),
            (provider.token(aud="another"), "is for another audience than apk"),
            (provider.token(aud=None), "is for another audience than apk"),
            (provider.token(iss="https://another.example"), f"is not of the issuer {provider.issuer}"),
            (provider.token(email=None), 'has no claim "email" that names its user (--oidc-username-claim)'),
            (provider.token(email=["a"]), 'has no claim "email"'),
            (provider.token("new\nline"), 'has no claim "email"'),
            (provider.token(email_verified=False), "names an address that is not verified"),
            (provider.token(groups=[["a"]]), 'has a claim "groups"'),
            (f"{head}.{body}.", "is signed by an algorithm that is not taken here"),
            (f"{hs}.{body}.{base64url(mac)}", "is signed by an algorithm that is not taken here"),
            (provider.forged.sign(provider.claims(), kid="first"), "has a signature that does not fit"),
            (good[:-8] + "AAAAAAAA", "has a signature that does not fit"),
            (good + ".x", "is malformed"), ("garbage", "is malformed"))
        for token, words in cases:
            with self.subTest(words):
                answer = self.apkctl("get", "cm", token=token)
                self.refused(answer, words)
                self.assertNotIn(token, answer.stderr)
                status, fields, told = self.kubernetes("/api/v1/namespaces/shop/configmaps", token)
                self.assertEqual((status, told["reason"]), (401, "Unauthorized"))
                self.assertIn(words.split(" (")[0], told["message"])
                self.assertIn("Bearer", fields["WWW-Authenticate"])
                if len(token) > 20:
                    self.assertNotIn(token[-20:], self.gateway.control_plane.tail())

    def test_a_good_certificate_does_not_make_up_for_a_bad_token(self):
        pki = self.gateway.data / "pki"
        context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        connection = harness.http_client(self.gateway.kubernetes_port, context)
        self.addCleanup(connection.close)
        for fields, wanted in (({}, 200), ({"Authorization": "Bearer x"}, 401)):
            connection.request("GET", "/api/v1/namespaces", headers=fields)
            answer = connection.getresponse()
            answer.read()
            self.assertEqual(answer.status, wanted)

    def test_who_shows_nothing_is_nobody(self):
        status, _, told = self.kubernetes("/version", None)
        self.assertEqual((status, told["reason"]), (401, "Unauthorized"))
        for method in ("apk.v1.AdminService/GetServerInfo", "apk.v1.BackupService/Backup",
                       "apk.v1.IdentityService/ListRevocations", "grpc.health.v1.Health/Check",
                       "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                       "apk.v1.DiscoveryService/Stream"):
            answer = subprocess.run(
                ["curl", "-sS", "--http2", "--max-time", "10", "--cacert", str(self.gateway.data / "pki/ca.crt"), "-H",
                 "content-type: application/grpc", "-H", "te: trailers", "--data-binary", "@-", "-D", "/dev/stderr",
                 f"https://127.0.0.1:{self.gateway.grpc_port}/{method}"], input=b"\0\0\0\0\0",
                capture_output=True)
            self.assertEqual(answer.stdout, b"", method)
            self.assertNotIn("grpc-status: 0", answer.stderr.decode(), method)

    def test_two_tokens_are_none(self):
        ann, eve = self.provider.token(), self.provider.token("eve@example.org", ["readers"])
        for first, second in ((ann, eve), (eve, ann), (ann, ann)):
            context = ssl.create_default_context(cafile=str(self.gateway.data / "pki/ca.crt"))
            connection = harness.http_client(self.gateway.kubernetes_port, context)
            self.addCleanup(connection.close)
            connection.putrequest("GET", "/api/v1/namespaces/shop/configmaps")
            for token in (first, second):
                connection.putheader("Authorization", f"Bearer {token}")
            connection.endheaders()
            self.assertEqual(connection.getresponse().status, 401)
            called = subprocess.run(
                ["curl", "-sS", "--http2", "--max-time", "10", "--cacert", str(self.gateway.data / "pki/ca.crt"), "-H",
                 "content-type: application/grpc", "-H", "te: trailers", "-H", f"authorization: Bearer {first}", "-H",
                 f"authorization: Bearer {second}", "--data-binary", "@-", "-D", "/dev/stderr",
                 f"https://127.0.0.1:{self.gateway.grpc_port}/apk.v1.AdminService/GetServerInfo"],
                input=b"\0\0\0\0\0", capture_output=True)
            self.assertEqual(called.stdout, b"")
            self.assertNotIn("grpc-status: 0", called.stderr.decode())

    def raw(self, text, source="127.0.0.1", token=None):
        """A TLS connection without a certificate on which `text` has been said."""
        context = ssl.create_default_context(cafile=str(self.gateway.data / "pki/ca.crt"))
        plain = socket.create_connection(("127.0.0.1", self.gateway.kubernetes_port), timeout=harness.PATIENCE,
                                         source_address=(source, 0))
        connection = context.wrap_socket(plain, server_hostname="localhost")
        self.addCleanup(connection.close)
        if token:
            text = text.replace("\r\n\r\n", f"\r\nAuthorization: Bearer {token}\r\n\r\n")
        connection.sendall(text.encode())
        return connection

    def test_strangers_at_one_address_do_not_keep_others_out_of_the_https_port(self):
        with contextlib.ExitStack() as held:
            for _ in range(300):  # More than there may be in all.
                held.enter_context(socket.create_connection(("127.0.0.1", self.gateway.kubernetes_port),
                                                            timeout=harness.PATIENCE))
            eventually(lambda: "--limit-connections-per-address" in self.gateway.control_plane.tail(),
                       "connections are refused")
            asked = self.raw("GET /version HTTP/1.1\r\nHost: a\r\n\r\n", "127.0.0.2", self.provider.token())
            self.assertIn(b" 200 OK", asked.recv(4096))

    def test_who_says_nothing_is_not_waited_for_long(self):
        begin = time.monotonic()
        silent, slow = self.raw(""), self.raw("GET /version HTTP/1.1\r\nHo")
        self.assertEqual((silent.recv(1), slow.recv(1)), (b"", b""))
        self.assertLess(time.monotonic() - begin, 25)

    def test_the_body_is_read_of_those_alone_who_may(self):
        head = ("POST /api/v1/namespaces/{}/configmaps HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                "Content-Length: {}\r\nExpect: 100-continue\r\n\r\n")
        self.assertIn(b" 401 ", self.raw(head.format("shop", 3_000_000)).recv(4096))
        self.assertIn(b" 401 ", self.raw(head.format("shop", 3_000_000), token="made-up").recv(4096))
        ann = self.provider.token()
        self.assertIn(b" 403 ", self.raw(head.format("bakery", 3_000_000), token=ann).recv(4096))
        body = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "awaited"}}).encode()
        good = self.raw(head.format("shop", len(body)), token=ann)
        self.assertEqual(good.recv(4096), b"HTTP/1.1 100 Continue\r\n\r\n")
        good.sendall(body)
        self.assertIn(b" 201 Created", good.recv(4096))

    def test_agents_come_in_beside_it(self):
        eventually(lambda: self.gateway.fleet()["agents"][0]["upToDate"], "the agent runs the newest snapshot")

    def test_a_new_key_is_fetched_when_a_token_names_it_but_not_for_each_token(self):
        self.addCleanup(setattr, self.provider.server, "keys", list(self.provider.server.keys))
        fresh = self.provider.token(key=self.provider.new)
        # The one before may have been fetched just now.
        self.provider.server.keys.append(self.provider.new)
        eventually(lambda: self.apkctl("get", "cm", token=fresh).returncode == 0, "the new key is known")
        before = self.provider.server.fetches
        forged = self.provider.token(key=self.provider.forged)
        for _ in range(20):
            self.refused(self.apkctl("get", "cm", token=forged), "is signed by a key that")
        self.assertLessEqual(self.provider.server.fetches - before, 1)

    def test_who_is_revoked_is_shut_out_by_name(self):
        bob = self.provider.token("bob@example.org", ["readers"])
        self.done(self.apkctl("get", "cm", token=bob))
        self.gateway.apkctl("users", "revoke", "oidc:bob@example.org", "--reason", "he left")
        self.refused(self.apkctl("get", "cm", token=bob), "user oidc:bob@example.org was revoked on", kind="Forbidden")
        self.assertEqual(self.kubernetes("/api/v1/configmaps", bob)[0], 403)
        self.gateway.apkctl("users", "unrevoke", "oidc:bob@example.org")
        self.done(self.apkctl("get", "cm", token=bob))

    def watch(self, token):
        process = subprocess.Popen([str(BIN / "apkctl"), "--config", str(self.config), "--token", token, "get", "cm",
                                    "-n", "shop", "-w"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.kill)
        self.assertIn("NAME", process.stdout.readline())
        return process

    def kubernetes_watch(self, token):
        context = ssl.create_default_context(cafile=str(self.gateway.data / "pki/ca.crt"))
        connection = harness.http_client(self.gateway.kubernetes_port, context)
        self.addCleanup(connection.close)
        connection.request("GET", "/api/v1/namespaces/shop/configmaps?watch=true",
                           headers={"Authorization": f"Bearer {token}"})
        return connection.getresponse()

    def test_watches_end_with_their_token(self):
        token = self.provider.token(seconds=2 - LEEWAY)
        end = time.time() + 2
        watch, answer = self.watch(token), self.kubernetes_watch(token)
        events = [json.loads(line) for line in answer]
        self.assertLess(time.time() - end, SOON)
        self.assertEqual((events[-1]["type"], events[-1]["object"]["code"]), ("ERROR", 401))
        self.assertIn("the bearer token expired on", events[-1]["object"]["message"])
        eventually(lambda: watch.poll() is not None, "the watch ends")
        self.assertLess(time.time() - end, SOON)
        self.assertIn("Error from server (Unauthorized): the bearer token expired on", watch.stderr.read())

    def test_watches_end_with_the_right_of_the_group(self):
        self.addCleanup(self.roles.write_text, ROLES)
        watch = self.watch(self.provider.token("carl@example.org", ["shop"]))
        begin = time.monotonic()
        self.roles.write_text(ROLES.replace("oidc:shop", "oidc:nobody"))
        eventually(lambda: watch.poll() is not None, "the watch ends")
        self.assertLess(time.monotonic() - begin, SOON)
        self.assertIn('User "oidc:carl@example.org" cannot watch', watch.stderr.read())

    @unittest.skipUnless(KUBECTL, "no kubectl: tests/run fetches it where npm reaches a registry")
    def test_kubectl_with_a_token_and_with_a_plugin(self):
        good = self.provider.token()
        (self.scratch / "token").write_text(good)
        home = self.scratch / "home"
        home.mkdir(exist_ok=True)
        config = home / "kubeconfig"

        def kubectl(*arguments):
            return subprocess.run([str(KUBECTL[-1]), "--kubeconfig", str(config), "-n", "shop", *arguments],
                                  capture_output=True, text=True, timeout=harness.PATIENCE,
                                  env={"PATH": os.environ["PATH"], "HOME": str(home)})
        for flags, words in (((), "tokenFile: "), (("--flatten",), "token: ")):
            made = self.apkctl("kubeconfig", "--token-file", self.scratch / "token", *flags)
            config.write_text(self.done(made))
            self.assertIn(words, made.stdout)
            self.assertIn("shelf", self.done(kubectl("get", "cm")))
        forbidden = kubectl("get", "cm", "-n", "bakery")
        self.assertIn('User "oidc:ann@example.org" cannot list resource "configmaps"', forbidden.stderr)
        config.write_text(made.stdout.replace(good, self.provider.token(seconds=-100)))
        self.assertIn("the bearer token expired on", kubectl("get", "cm").stderr)
        credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
                      "status": {"token": good}}
        plugin = home / "plugin"
        plugin.write_text(f"#!/bin/sh\necho '{json.dumps(credential)}'\n")
        plugin.chmod(0o755)
        user = json.dumps({"exec": {"apiVersion": credential["apiVersion"], "command": str(plugin),
                                    "interactiveMode": "Never"}})
        config.write_text(made.stdout.replace(f'token: "{good}"', f"exec: {user[9:-1]}")
                          .replace(f"token: {good}", f"exec: {user[9:-1]}"))
        self.assertIn("shelf", self.done(kubectl("get", "cm")))


class ProviderIsGone(Oidc):
    """Keys that were fetched are good for three seconds here."""

    @classmethod
    def more_flags(cls):
        return ("--oidc-keys-kept", "3s")

    def test_keys_are_good_for_a_while(self):
        good = self.provider.token()
        self.done(self.apkctl("get", "cm", token=good))
        self.provider.server.close()
        self.addCleanup(setattr, self.provider, "server", self.provider.server)
        self.done(self.apkctl("get", "cm", token=good))
        eventually(lambda: self.apkctl("get", "cm", token=good).returncode != 0, "the keys are too old")
        self.assertIn("error: bearer tokens can't be checked: the keys of https://localhost",
                      self.apkctl("get", "cm", token=good).stderr)
        status, _, told = self.kubernetes("/api/v1/namespaces/shop/configmaps", good)
        self.assertEqual((status, told["reason"]), (503, "ServiceUnavailable"))
        self.gateway.apkctl("get", "cm")  # Certificates do as ever.
        again = Issuer(self.provider.certificate, port=self.provider.server.port)
        self.provider.server = again
        again.keys, again.documents = [self.provider.key], {
            "/realm/.well-known/openid-configuration": {"issuer": self.provider.issuer,
                                                        "jwks_uri": f"https://localhost:{again.port}/keys"}}
        eventually(lambda: self.apkctl("get", "cm", token=good).returncode == 0, "the keys are there again")


class AdminPort(Oidc):
    """Users and agents at ports of their own."""

    @classmethod
    def more_flags(cls):
        cls.admin_port = harness.free_port()
        return ("--admin-listen", f"127.0.0.1:{cls.admin_port}")

    @classmethod
    def write_config(cls, path, **token):
        super().write_config(path, **token)
        path.write_text(path.read_text().replace(f":{cls.gateway.grpc_port}", f":{cls.admin_port}"))
        return path

    def test_the_port_of_agents_is_closed_to_whoever_has_no_certificate_and_has_no_admin_api(self):
        self.assertIn("shelf", self.done(self.apkctl("get", "cm", token=self.provider.token())))
        self.gateway.apkctl("get", "cm")  # Its configuration names the right port.
        eventually(lambda: self.gateway.fleet()["agents"][0]["upToDate"], "the agent runs the newest snapshot")
        pki = self.gateway.data / "pki"
        at_agents = ("--server", f"127.0.0.1:{self.gateway.grpc_port}")
        refused = self.apkctl(*at_agents, "get", "cm", token=self.provider.token())
        self.assertIn("takes no bearer tokens", refused.stderr)
        refused = self.gateway.apkctl(*at_agents, "get", "cm", check=False)
        self.assertEqual(refused.returncode, 1)
        answer = subprocess.run(
            ["curl", "-sS", "--http2", "--max-time", "10", "--cacert", str(pki / "ca.crt"), "--cert",
             str(pki / "admin.crt"), "--key", str(pki / "admin.key"), "-H", "content-type: application/grpc", "-H",
             "te: trailers", "--data-binary", "@-", "-D", "/dev/stderr",
             f"https://127.0.0.1:{self.gateway.grpc_port}/apk.v1.AdminService/GetServerInfo"], input=b"\0\0\0\0\0",
            capture_output=True)
        self.assertIn("grpc-status: 12", answer.stderr.decode())


class Flags(unittest.TestCase):
    def test_what_would_not_be_safe_does_not_start(self):
        with tempfile.TemporaryDirectory() as directory:
            roles = pathlib.Path(directory) / "roles.yaml"
            roles.write_text(ROLES)
            jwks = pathlib.Path(directory) / "jwks.json"
            jwks.write_text('{"keys": []}')
            issuer = ("--oidc-issuer", "https://id.example")
            for flags, words in (
                    (("--oidc-audience", "a"), "--oidc-issuer is missing"),
                    ((*issuer, "--roles", roles), "--oidc-audience is missing"),
                    ((*issuer, "--oidc-audience", "a"), "--oidc-issuer needs --roles"),
                    (("--oidc-issuer", "http://id.example", "--oidc-audience", "a", "--roles", roles),
                     "must be an https:// URL"),
                    ((*issuer, "--oidc-audience", "a", "--roles", roles, "--oidc-jwks", "http://id.example/k"),
                     "--oidc-jwks http://id.example/k: must be an https:// URL or a file"),
                    ((*issuer, "--oidc-audience", "a", "--roles", roles, "--oidc-jwks", jwks),
                     f"--oidc-jwks: {jwks}: JWKS has no usable key"),
                    ((*issuer, "--oidc-audience", "a", "--roles", roles, "--oidc-ca", "/absent"), "--oidc-ca: ")):
                run = subprocess.run([str(BIN / "apk-control-plane"), "--data-dir", directory + "/data", "--listen",
                                      "127.0.0.1:0", "--token-issuer-listen", "127.0.0.1:0", "--kubernetes-listen",
                                      "off", *map(str, flags)], capture_output=True, text=True,
                                     timeout=harness.PATIENCE)
                self.assertEqual(run.returncode, 1, words)
                self.assertIn(words, run.stderr)

    def test_tokens_are_not_taken_where_nobody_issues_them(self):
        with Gateway(agents=0) as gateway:
            refused = gateway.apkctl("--token", "abc", "get", "cm", check=False)
            self.assertEqual(refused.returncode, 1)
            self.assertIn("takes no bearer tokens", refused.stderr)


if __name__ == "__main__":
    harness.main()
