"""Programs that are killed, come late, or stand in each other's way."""
import json
import signal
import subprocess
import threading
import unittest

import harness
from harness import (FakeBackend, Gateway, Process, RawClient, backend, eventually, free_port,
                     plain_gateway, reference, route)


def config_map(name, value="1"):
    return f"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{key: '{value}'}}\n"


class Durability(unittest.TestCase):
    def setUp(self):
        self.gateway = Gateway(agents=0)
        self.addCleanup(self.gateway.close)

    def served(self):
        origin = FakeBackend()
        self.addCleanup(origin.close)
        self.port = free_port()
        self.gateway.apply(plain_gateway(self.port) + backend("origin", origin.port) +
                           route("all", f"  - backendRefs: [{reference('origin')}]\n"))

    def get(self):
        try:
            with RawClient("127.0.0.1", self.port) as client:
                client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                return client.read_response()[0]
        except OSError:
            return 0

    def test_nothing_acknowledged_is_lost_when_the_control_plane_is_killed(self):
        acknowledged = []
        stop = threading.Event()

        def apply_on_and_on(writer):
            number = 0
            while not stop.is_set():
                names = [f"w{writer}-{number}-{part}" for part in range(3)]
                result = self.gateway.apkctl("apply", "-f", "-", check=False,
                                             stdin="".join(config_map(name) for name in names))
                if result.returncode == 0:
                    acknowledged.append(names)
                number += 1
        writers = [threading.Thread(target=apply_on_and_on, args=(w,)) for w in range(2)]
        for writer in writers:
            writer.start()
        for round_number in range(1, 6):
            eventually(lambda: len(acknowledged) >= round_number * 4, "some applies went well")
            self.gateway.control_plane.stop(signal.SIGKILL)
            self.gateway.start_control_plane()
        stop.set()
        for writer in writers:
            writer.join()
        stored = {item["metadata"]["name"] for item in self.gateway.get("configmaps")["items"]}
        for names in acknowledged:
            self.assertLessEqual(set(names), stored)
        # A batch is there whole or not at all.
        batches = {}
        for name in stored:
            batches.setdefault(name.rsplit("-", 1)[0], set()).add(name)
        self.assertEqual({len(batch) for batch in batches.values()}, {3})

    def test_an_agent_serves_on_without_control_plane_and_comes_back_after_kill(self):
        self.gateway.start_agent(1)
        self.served()
        self.assertEqual(self.get(), 200)
        version = self.gateway.fleet()["agents"][0]["snapshotVersion"]
        self.gateway.control_plane.stop(signal.SIGKILL)
        self.assertEqual(self.get(), 200)
        self.gateway.agents[1].stop(signal.SIGKILL)
        self.assertEqual(self.get(), 0)
        self.gateway.start_agent(1)
        self.assertEqual(self.gateway.agents[1].ready["version"], version)
        self.assertEqual(self.get(), 200)
        # Back in touch, it takes changes again.
        self.gateway.start_control_plane()
        self.gateway.settle()
        self.gateway.apkctl("delete", "httproute", "all")
        self.gateway.settle()
        self.assertEqual(self.get(), 404)

    def test_an_agent_may_start_before_its_control_plane(self):
        self.served_by_nobody = self.gateway.apkctl("get", "gateways").stdout
        self.gateway.control_plane.stop()
        self.gateway.start_agent(1, wait=False)
        self.gateway.start_control_plane()
        self.gateway.agents[1].wait_ready()
        self.served()
        self.assertEqual(self.get(), 200)

    def test_a_damaged_snapshot_file_is_refused_and_the_previous_one_used(self):
        self.gateway.start_agent(1)
        self.served()
        self.gateway.apply(config_map("unrelated"))
        self.gateway.apply(backend("origin2", 1) + route("more", f"  - matches: [{{path: {{value: /more}}}}]\n    backendRefs: [{reference('origin2')}]\n"))
        self.gateway.control_plane.stop()
        self.gateway.agents[1].stop(signal.SIGKILL)
        path = self.gateway.directory / "agent-1" / "snapshot"
        whole = path.read_bytes()
        path.write_bytes(whole[:-7])
        self.gateway.start_agent(1)
        self.assertEqual(self.get(), 200)
        self.assertIn("damaged", self.gateway.agents[1].tail())
        self.gateway.start_control_plane()

    def test_a_snapshot_that_an_agent_refuses_changes_nothing_there(self):
        # Two HTTPRoutes are fine; a port that is taken is a condition, not a refusal.
        self.gateway.start_agent(1)
        self.served()
        with harness.socket.socket() as holder:
            holder.bind(("127.0.0.1", 0))
            holder.listen()
            taken = holder.getsockname()[1]
            self.gateway.apply(plain_gateway(taken, "second"))

            def programmed():
                gateway = self.gateway.get("gateway", "second")
                conditions = {c["type"]: c for c in gateway["status"]["listeners"][0]["conditions"]}
                found = conditions["Programmed"]
                return found if found["status"] == "False" and "agent-1" in found["message"] else None
            condition = eventually(programmed, "the condition says that the port is taken")
            self.assertIn(str(taken), condition["message"])
            self.assertEqual(self.get(), 200)

    def test_two_control_planes_do_not_share_a_data_directory_or_a_port(self):
        flags = ["--data-dir", str(self.gateway.data), "--listen", "127.0.0.1:0",
                 "--token-issuer-listen", "127.0.0.1:0", "--kubernetes-listen", "127.0.0.1:0"]
        run = subprocess.run([str(harness.BIN / "apk-control-plane"), *flags], capture_output=True,
                             text=True, timeout=harness.PATIENCE)
        self.assertEqual(run.returncode, 1)
        self.assertIn("in use by another control plane", run.stderr)
        flags[1] = str(self.gateway.directory / "other")
        flags[3] = f"127.0.0.1:{self.gateway.grpc_port}"
        run = subprocess.run([str(harness.BIN / "apk-control-plane"), *flags], capture_output=True,
                             text=True, timeout=harness.PATIENCE)
        self.assertEqual(run.returncode, 1)
        self.assertIn("--listen", run.stderr)
        self.assertIn(str(self.gateway.grpc_port), run.stderr)
        flags[3] = "127.0.0.1:0"
        flags[7] = f"127.0.0.1:{self.gateway.kubernetes_port}"
        run = subprocess.run([str(harness.BIN / "apk-control-plane"), *flags], capture_output=True,
                             text=True, timeout=harness.PATIENCE)
        self.assertEqual(run.returncode, 1)
        self.assertIn(f"--kubernetes-listen: can't listen on {flags[7]}", run.stderr)

    def test_two_agents_do_not_share_a_data_directory(self):
        self.gateway.start_agent(1)
        run = self.run_agent("--data-dir", self.gateway.directory / "agent-1")
        self.assertEqual(run.returncode, 1)
        self.assertIn("agent-1 is in use by another agent", run.stderr)

    def test_flags_of_an_agent_that_say_nothing_are_refused(self):
        for flag, value in (("--workers", "-3"), ("--log-level", "foo")):
            run = self.run_agent("--data-dir", self.gateway.directory / "flags", flag, value)
            self.assertNotEqual(run.returncode, 0)
            self.assertIn(flag, run.stderr)
            self.assertIn(value, run.stderr)

    def run_agent(self, *flags):
        return subprocess.run([str(harness.BIN / "apk-data-plane"), "--admin", "127.0.0.1:0", *map(str, flags)],
                              capture_output=True, text=True, timeout=harness.PATIENCE)

    def test_an_agent_without_snapshot_and_control_plane_does_not_say_that_it_serves(self):
        self.gateway.control_plane.stop()
        self.gateway.start_agent(1, wait=False)
        eventually(lambda: "no control plane, nothing to serve yet" in self.gateway.agents[1].tail(), "it says so")
        self.assertNotIn("serving on", self.gateway.agents[1].tail())

    def test_agents_can_not_use_the_admin_api_nor_users_the_discovery(self):
        pki = self.gateway.data / "pki"
        config = self.gateway.directory / "agent.yaml"
        config.write_text(json.dumps({"currentContext": "a", "contexts": [{
            "name": "a", "server": f"127.0.0.1:{self.gateway.grpc_port}",
            "certificateAuthority": str(pki / "ca.crt"), "clientCertificate": str(pki / "agent.crt"),
            "clientKey": str(pki / "agent.key")}]}))
        run = subprocess.run([str(harness.BIN / "apkctl"), "--config", str(config), "get", "secrets"],
                             capture_output=True, text=True, timeout=harness.PATIENCE)
        self.assertEqual(run.returncode, 1)
        self.assertIn("Forbidden", run.stderr)
        rogue = Process("apk-data-plane", "--id", "rogue", "--control-plane",
                        f"127.0.0.1:{self.gateway.grpc_port}", "--ca", pki / "ca.crt", "--cert",
                        pki / "admin.crt", "--key", pki / "admin.key", "--data-dir",
                        self.gateway.directory / "rogue", "--admin", "127.0.0.1:0", wait=False,
                        directory=self.gateway.directory)
        eventually(lambda: "only agents may stream" in rogue.tail(), "the stream is refused")
        rogue.stop()
        self.assertEqual(self.gateway.fleet()["agents"], [])


if __name__ == "__main__":
    harness.main()
