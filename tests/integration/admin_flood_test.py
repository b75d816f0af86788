"""Who floods the admin API does not slow agents or other users, and does not fill the memory."""
import contextlib
import json
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import harness
from harness import Gateway
from users import User

HERE = pathlib.Path(__file__).resolve().parent
# On a machine that does nothing else a change arrives in a fraction of a second.
SOON = 10
GROWTH_MIB_MAX = 400


def config_map(name, value):
    return f"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{key: '{value}'}}\n"


def route(number):
    return harness.route("web", f"  - matches: [{{path: {{type: PathPrefix, value: /{number}}}}}]\n"
                                f"    backendRefs: [{harness.reference('web')}]\n")


class Flooded(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway(agents=1, control_plane_flags=("--limit-reads", 50))
        cls.addClassCleanup(cls.gateway.close)
        cls.origin = harness.FakeBackend()
        cls.addClassCleanup(cls.origin.close)
        cls.port = harness.free_port()
        cls.gateway.apply(harness.plain_gateway(cls.port) + harness.backend("web", cls.origin.port) + route(0)
                          + "".join(config_map(f"c{number}", "x" * 1000) for number in range(200)))
        cls.user = User(cls.gateway, "flood")
        cls.number = 0

    def resident_mib(self):
        status = pathlib.Path(f"/proc/{self.gateway.control_plane.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) >> 10

    def change(self):
        """Seconds until the agent serves a change."""
        type(self).number += 1
        begin = time.monotonic()
        self.gateway.apply(route(self.number), settle=False)
        harness.eventually(lambda: harness.status_of("127.0.0.1", self.port, f"/{self.number}") == 200,
                           "the agent serves the change")
        return time.monotonic() - begin

    def flood(self, kind, seconds=6):
        """(seconds of each change meanwhile, megabytes by which the control plane grew, what the flood counted)"""
        before = self.resident_mib()
        quiet = self.change()
        process = subprocess.Popen(
            [sys.executable, str(HERE / "admin_flood.py"), kind, str(self.gateway.grpc_port),
             str(self.gateway.data / "pki/ca.crt"), str(self.user.certificate), str(self.user.key), str(seconds)],
            stdout=subprocess.PIPE, text=True)
        try:
            self.assertEqual(process.stdout.readline(), "began\n")
            times, most = [], before
            while process.poll() is None:
                times.append(self.change())
                most = max(most, self.resident_mib())
            counted = json.loads(process.stdout.readline())
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
        print(f"{kind}: a change takes {quiet:.2f} s else, {max(times):.2f} s at most; "
              f"{most - before} MiB more; {counted}", file=sys.stderr)
        return times, most - before, counted

    def check(self, kind):
        times, growth, counted = self.flood(kind)
        self.assertLess(max(times), SOON)
        self.assertLess(growth, GROWTH_MIB_MAX)
        self.assertTrue(self.gateway.fleet()["agents"][0]["connected"])
        return counted

    def test_many_calls(self):
        self.check("calls")
        # That user is at the limit still, and told so over HTTPS, too; another one does as ever.
        with self.user.connection() as connection:
            status = 200
            while status == 200:
                connection.request("GET", "/api/v1/namespaces/default/configmaps/c1")
                response = connection.getresponse()
                status, answer = response.status, json.load(response)
        self.assertEqual((status, answer["reason"], response.headers["Retry-After"],
                          answer["details"]["retryAfterSeconds"]), (429, "TooManyRequests", "1", 1))
        self.assertEqual(answer["message"],
                         "user flood asks for more than 50 reads a second (--limit-reads); try again in 1 s")
        self.gateway.apkctl("get", "cm", "c1")

    def test_answers_that_nobody_reads(self):
        self.check("lists")

    def test_large_requests_that_never_end(self):
        self.check("uploads")

    def test_watches_that_nobody_reads(self):
        self.check("watches")

    def test_one_handshake_after_the_other(self):
        self.check("handshakes")

    def test_connections_that_say_nothing(self):
        self.check("strangers")


class FewFiles(unittest.TestCase):
    """A control plane that may open 300 files."""

    def test_strangers_cannot_take_them_all_nor_close_the_port(self):
        directory = pathlib.Path(tempfile.mkdtemp(prefix="apk-test-"))
        self.addCleanup(shutil.rmtree, directory)
        port = harness.free_port()
        with open(directory / "log", "wb") as log:
            process = subprocess.Popen(
                ["prlimit", "--nofile=300:300", str(harness.BIN / "apk-control-plane"), "--data-dir",
                 str(directory / "data"), "--listen", f"127.0.0.1:{port}", "--token-issuer-listen", "127.0.0.1:0",
                 "--kubernetes-listen", "off"], stdout=subprocess.PIPE, stderr=log)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertIn(b"ready", process.stdout.readline())

        # The kernel takes connections long before the program sees them.
        with contextlib.ExitStack() as held:
            for _ in range(600):
                held.enter_context(socket.create_connection(("127.0.0.1", port), timeout=harness.PATIENCE))
            harness.eventually(lambda: "--limit-connections-per-address" in (directory / "log").read_text(),
                               "connections are refused, with what sets the limit")
            files = len(list(pathlib.Path(f"/proc/{process.pid}/fd").iterdir()))
            self.assertLess(files, 250)

        def serves():
            return subprocess.run([str(harness.BIN / "apkctl"), "--config", str(directory / "data/apkctl.yaml"), "get",
                                   "ns"], capture_output=True, timeout=harness.PATIENCE).returncode == 0
        harness.eventually(serves, "it serves again")


if __name__ == "__main__":
    harness.main()
