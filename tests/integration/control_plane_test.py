"""The control plane by itself: what a start makes sure of, refuses and survives."""
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import tempfile
import unittest

import harness
from harness import CLIENT, Gateway, Process, eventually, free_port

ISSUER_OBJECTS = [("backend", "token-issuer", "apk-system"), ("httproute", "token-issuer", "apk-system"),
                  ("tokenissuer", "development-issuer", "default")]


def config_map(name, size=1):
    return f"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{key: '{'x' * size}'}}\n"


def run(*arguments):
    """The control plane with flags that keep it from starting."""
    return subprocess.run([str(harness.BIN / "apk-control-plane"), *map(str, arguments)],
                          capture_output=True, text=True, timeout=harness.PATIENCE)


class Start(unittest.TestCase):
    def setUp(self):
        self.gateway = Gateway(agents=0)
        self.addCleanup(self.gateway.close)

    def restart(self, *flags):
        self.gateway.control_plane.stop()
        self.gateway.control_plane_flags = flags
        self.gateway.start_control_plane()

    def refused(self, *flags):
        """The error of a start on the same data directory."""
        result = run("--data-dir", self.gateway.data, "--listen", "127.0.0.1:0",
                     "--token-issuer-listen", "127.0.0.1:0", "--kubernetes-listen", "127.0.0.1:0",
                     *flags)
        self.assertEqual(result.returncode, 1, result.stderr)
        return result.stderr

    def present(self):
        return [name for name in ISSUER_OBJECTS
                if self.gateway.apkctl("get", name[0], name[1], "-n", name[2], check=False).returncode == 0]

    def test_agents_are_told_that_it_stops_and_come_back(self):
        self.gateway.start_agent()
        self.gateway.settle()
        self.gateway.control_plane.stop()
        eventually(lambda: "the control plane stops" in self.gateway.agents[1].tail(), "the agent knows why")
        self.gateway.start_control_plane()
        self.gateway.settle()

    def test_turning_the_token_issuer_off_removes_it_and_on_brings_it_back(self):
        self.assertEqual(self.present(), ISSUER_OBJECTS)
        self.restart("--development-token-issuer=false")
        self.assertEqual(self.present(), [])
        self.restart()
        self.assertEqual(self.present(), ISSUER_OBJECTS)

    def test_what_a_user_deleted_of_the_token_issuer_is_back_after_a_start(self):
        route = self.gateway.get("httproute", "token-issuer", "-n", "apk-system")
        for kind, name, namespace in ISSUER_OBJECTS:
            self.gateway.apkctl("delete", kind, name, "-n", namespace)
        self.assertEqual(self.present(), [])
        self.restart()
        self.assertEqual(self.present(), ISSUER_OBJECTS)
        again = self.gateway.get("httproute", "token-issuer", "-n", "apk-system")
        self.assertEqual(again["spec"], route["spec"])
        conditions = {c["type"]: c["status"] for c in again["status"]["parents"][0]["conditions"]}
        self.assertEqual(conditions, {"Accepted": "True", "ResolvedRefs": "True"})

    def test_what_a_user_changed_stays_but_for_the_issuers_port(self):
        route = self.gateway.get("httproute", "token-issuer", "-n", "apk-system")
        route["spec"]["rules"][0]["matches"][0]["path"]["value"] = "/oauth2/token"
        issuer = self.gateway.get("tokenissuer", "development-issuer")
        issuer["spec"]["scopesClaim"] = "scp"
        for changed in (route, issuer):
            changed.pop("status", None)
            self.gateway.apply(json.dumps(changed), settle=False)
        before = self.gateway.get("httproute", "token-issuer", "-n", "apk-system")["metadata"]["generation"]
        self.restart()
        self.gateway.token_port = free_port()
        self.restart()
        route = self.gateway.get("httproute", "token-issuer", "-n", "apk-system")
        self.assertEqual(route["spec"]["rules"][0]["matches"][0]["path"]["value"], "/oauth2/token")
        self.assertEqual(route["metadata"]["generation"], before)
        issuer = self.gateway.get("tokenissuer", "development-issuer")["spec"]
        self.assertEqual(issuer["scopesClaim"], "scp")
        self.assertEqual(issuer["signatureValidation"]["jwks"]["url"],
                         f"https://127.0.0.1:{self.gateway.token_port}/oauth2/jwks")
        backend = self.gateway.get("backend", "token-issuer", "-n", "apk-system")["spec"]
        self.assertEqual(backend["services"][0]["port"], self.gateway.token_port)

    def test_the_class_and_the_gateways_namespaces_can_not_be_deleted(self):
        for kind, name in (("gatewayclass", "apk"), ("namespace", "default"), ("namespace", "apk-system")):
            result = self.gateway.apkctl("delete", kind, name, check=False)
            self.assertEqual(result.returncode, 1)
            self.assertIn("Error from server (Forbidden)", result.stderr)
            self.assertIn("can't be deleted", result.stderr)
            self.gateway.apkctl("get", kind, name)

    def test_a_lost_authority_is_said_and_not_replaced(self):
        self.gateway.control_plane.stop()
        pki = self.gateway.data / "pki"
        key = (pki / "ca.key").read_bytes()
        authority = (pki / "ca.crt").read_bytes()
        (pki / "ca.key").unlink()
        self.assertIn("ca.key is lost", self.refused())
        (pki / "ca.crt").unlink()
        error = self.refused()
        self.assertIn("certificate authority is lost", error)
        self.assertIn("back-up", error)
        self.assertFalse((pki / "ca.key").exists())
        (pki / "ca.key").write_bytes(key)
        (pki / "ca.crt").write_bytes(authority)
        os.chmod(pki / "ca.key", 0o644)
        self.gateway.start_control_plane()
        self.assertEqual(stat.S_IMODE((pki / "ca.key").stat().st_mode), 0o600)

    def test_a_missing_empty_or_truncated_store_is_said_and_not_replaced(self):
        self.gateway.apply(config_map("a", 100_000), settle=False)
        self.gateway.control_plane.stop()
        store = self.gateway.data / "store.db"
        whole = store.read_bytes()
        store.write_bytes(b"")
        error = self.refused()
        self.assertIn("store.db is missing or empty", error)
        self.assertIn("back-up", error)
        store.unlink()
        self.assertIn("store.db is missing or empty", self.refused())
        self.assertFalse(store.exists())
        for size in (1000, len(whole) // 2):
            store.write_bytes(whole[:size])
            self.assertIn("damaged", self.refused())
        store.write_bytes(whole)
        self.gateway.start_control_plane()
        self.gateway.apkctl("get", "configmap", "a")

    def test_key_files_are_private(self):
        for path in [*self.gateway.data.rglob("*.key"), self.gateway.data / "store.db"]:
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600, path)
        for path in (self.gateway.data, self.gateway.data / "pki"):
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o700, path)

    def test_a_directory_that_others_can_write_to_is_refused(self):
        self.gateway.control_plane.stop()
        os.chmod(self.gateway.data, 0o777)
        self.assertIn("others can write to", self.refused())
        os.chmod(self.gateway.data, 0o700)
        self.gateway.start_control_plane()

    def test_a_full_disk_loses_nothing_and_does_not_stop_a_start(self):
        self.gateway.control_plane.stop()
        # A file system of a few megabytes in the place of the data directory.
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m,mode=0700", "tmpfs",
                                  str(self.gateway.data)], capture_output=True, text=True)
        if mounted.returncode != 0:
            self.gateway.start_control_plane()
            self.skipTest(f"no file system can be mounted here: {mounted.stderr}")
        self.addCleanup(subprocess.run, ["umount", "-l", str(self.gateway.data)], check=True)
        self.gateway.start_control_plane()
        self.gateway.apply(config_map("kept"), settle=False)
        ballast = self.gateway.data / "ballast"
        with open(ballast, "wb") as file:
            try:
                while True:
                    os.write(file.fileno(), b"x" * 4096)
            except OSError:
                pass
        before = self.gateway.get("configmap", "kept")
        big = "".join(config_map(f"big-{n}", 100_000) for n in range(10))
        result = self.gateway.apply(big, check=False, settle=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("full", result.stderr)
        self.assertEqual(self.gateway.get("configmap", "kept"), before)
        self.assertNotEqual(self.gateway.apkctl("get", "configmap", "big-0", check=False).returncode, 0)
        self.gateway.control_plane.stop(signal.SIGKILL)
        self.gateway.start_control_plane()
        self.assertEqual(self.gateway.get("configmap", "kept"), before)
        ballast.unlink()
        self.gateway.apply(config_map("later", 100_000), settle=False)
        self.restart()
        self.gateway.apkctl("get", "configmap", "later")
        self.gateway.control_plane.stop()

    def test_agents_are_who_their_certificate_says_and_only_once(self):
        pki = self.gateway.data / "pki"
        out = self.gateway.directory / "edge"
        issued = run("issue-certificate", "--data-dir", self.gateway.data, "--agent", "edge", "--out", out)
        self.assertEqual(issued.returncode, 0, issued.stderr)
        self.assertEqual(stat.S_IMODE((out / "edge.key").stat().st_mode), 0o600)

        malformed = run("issue-certificate", "--data-dir", self.gateway.data, "--agent", "a b", "--out", out)
        self.assertEqual(malformed.returncode, 1)
        self.assertIn("letters, digits", malformed.stderr)

        def agent(name, identity, certificate):
            process = Process("apk-data-plane." + name, "--id", identity, "--control-plane",
                              f"127.0.0.1:{self.gateway.grpc_port}", "--ca", pki / "ca.crt", "--cert",
                              f"{certificate}.crt", "--key", f"{certificate}.key", "--data-dir",
                              self.gateway.directory / name, "--admin", "127.0.0.1:0", "--address",
                              "127.0.0.9", wait=False, directory=self.gateway.directory)
            self.addCleanup(process.stop)
            return process
        liar = agent("liar", "core", out / "edge")
        eventually(lambda: "may not call itself core" in liar.tail(), "the other name is refused")
        self.assertEqual(self.gateway.fleet()["agents"], [])
        agent("edge", "edge", out / "edge").wait_ready()
        twin = agent("twin", "edge", pki / "agent")
        eventually(lambda: "connected already" in twin.tail(), "the second of a name is refused")
        agents = self.gateway.fleet()["agents"]
        self.assertEqual([(a["id"], a["connected"]) for a in agents], [("edge", True)])


class Flags(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="apk-test-"))
        self.addCleanup(shutil.rmtree, self.directory)

    def test_mistakes_are_named(self):
        data = self.directory / "data"
        for flags, expected in [
                (["--listen", "7443"], "--listen 7443: must be an IP address and a port"),
                (["--listen", "127.0.0.1:http"], "--listen 127.0.0.1:http: must be"),
                (["--listen", "127.0.0.1:70000"], "--listen 127.0.0.1:70000: must be"),
                (["--listen", "::1:7443"], "--listen ::1:7443: must be"),
                (["--token-issuer-listen", "a.example:1"], "--token-issuer-listen a.example:1: must be"),
                (["--log-level", "loud"], "--log-level"),
                (["--kubernetes-listen", "7445"], "--kubernetes-listen 7445: must be"),
                (["--listen", "192.0.2.1:0"], "--listen"),
        ]:
            for flag in ("--token-issuer-listen", "--kubernetes-listen"):
                if flag not in flags:
                    flags += [flag, "127.0.0.1:0"]
            result = run("--data-dir", data, *flags)
            self.assertNotEqual(result.returncode, 0, flags)
            self.assertIn(expected, result.stderr + result.stdout)

    def test_a_certificate_is_for_somebody_and_from_an_authority_that_is_there(self):
        for flags, expected in [
                ([], "agent"),
                (["--agent", "a", "--user", "b"], "agent"),
                (["--agent", "a"], "no certificate authority"),
        ]:
            result = run("issue-certificate", "--data-dir", self.directory / "nothing", "--out",
                         self.directory / "out", *flags)
            self.assertNotEqual(result.returncode, 0, flags)
            self.assertIn(expected, result.stderr + result.stdout)
        self.assertFalse((self.directory / "nothing" / "pki").exists())

    def test_on_all_addresses_it_tells_others_the_name_that_they_reach_it_by(self):
        data = self.directory / "data"
        program = Process("apk-control-plane", "--data-dir", data, "--listen", "127.0.0.1:0",
                          "--token-issuer-listen", "0.0.0.0:0", "--advertise", "gateway.example",
                          "--kubernetes-listen", "off", directory=self.directory)
        self.addCleanup(program.stop)
        port = program.ready["token-issuer"].rsplit(":", 1)[1]
        self.assertEqual(program.ready["token-issuer"], f"gateway.example:{port}")
        self.assertEqual(program.ready["kubernetes"], "off")

        def get(*what):
            result = subprocess.run([str(harness.BIN / "apkctl"), "--config", str(data / "apkctl.yaml"),
                                     "get", *what, "-o", "json"], capture_output=True, text=True,
                                    timeout=harness.PATIENCE)
            return json.loads(result.stdout)["spec"]
        issuer = get("tokenissuer", "development-issuer")
        self.assertEqual(issuer["signatureValidation"]["jwks"]["url"],
                         f"https://gateway.example:{port}/oauth2/jwks")
        service = get("backend", "token-issuer", "-n", "apk-system")["services"][0]
        self.assertEqual(service, {"host": "gateway.example", "port": int(port)})


class TokenServer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway(agents=0)
        cls.addClassCleanup(cls.gateway.close)

    def connect(self):
        context = ssl.create_default_context(cafile=str(self.gateway.data / "pki/ca.crt"))
        return http.client.HTTPSConnection("127.0.0.1", self.gateway.token_port, context=context,
                                           timeout=harness.PATIENCE)

    def ask(self, body, headers=None, user=CLIENT):
        connection = self.connect()
        self.addCleanup(connection.close)
        fields = {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
        if user:
            import base64
            fields["Authorization"] = "Basic " + base64.b64encode(user.encode()).decode()
        connection.request("POST", "/oauth2/token", body, fields)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())

    def test_errors_are_those_of_oauth(self):
        name, secret = CLIENT.split(":")
        grant = "grant_type=client_credentials"
        for body, user, expected in [
                (grant, CLIENT, (200, None)),
                (f"{grant}&client_id={name}", CLIENT, (200, None)),
                (f"{grant}&client_id={name}&client_secret={secret}", None, (200, None)),
                (f"{grant}&client_id=somebody", CLIENT, (400, "invalid_request")),
                (f"{grant}&client_secret={secret}", CLIENT, (400, "invalid_request")),
                (f"{grant}&client_id={name}", None, (401, "invalid_client")),
                (grant, None, (401, "invalid_client")),
                (grant, name + ":wrong", (401, "invalid_client")),
                ("grant_type=password", CLIENT, (400, "unsupported_grant_type")),
                ("", CLIENT, (400, "invalid_request")),
                (f"{grant}&{grant}", CLIENT, (400, "invalid_request")),
                (f"{grant}&scope=a+b", CLIENT, (200, None)),
                (f"{grant}&scope=a%22", CLIENT, (400, "invalid_scope")),
                (f"{grant}&scope=a++b", CLIENT, (400, "invalid_scope")),
        ]:
            status, answer = self.ask(body, user=user)
            self.assertEqual((status, answer.get("error")), expected, body)

    def test_a_large_body_is_answered_413_and_a_broken_request_400(self):
        status, answer = self.ask("x" * 200_000)
        self.assertEqual((status, answer["error"]), (413, "invalid_request"))
        connection = self.connect()
        self.addCleanup(connection.close)
        connection.connect()
        connection.sock.sendall(b"NOT HTTP\r\n\r\n")
        self.assertTrue(connection.sock.recv(100).startswith(b"HTTP/1.1 400 "))

    def test_connections_are_bounded_and_idle_ones_closed(self):
        idle = []
        for _ in range(300):
            connection = socket.create_connection(("127.0.0.1", self.gateway.token_port),
                                                  timeout=harness.PATIENCE)
            self.addCleanup(connection.close)
            idle.append(connection)

        def closed():
            count = 0
            for connection in idle:
                connection.setblocking(False)
                try:
                    count += connection.recv(1) == b""
                except BlockingIOError:
                    pass
                except OSError:
                    count += 1
            return count
        eventually(lambda: closed() >= 300 - 256, "those over the limit are closed at once", 8)
        eventually(lambda: closed() == 300, "the idle ones are closed in time")
        self.assertEqual(self.ask("grant_type=client_credentials")[0], 200)


if __name__ == "__main__":
    harness.main()
