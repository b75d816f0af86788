"""Disks that fail (G17): what can't be made durable is not acknowledged, what is acknowledged stays, and reads and
agents go on. The programs run with a library that makes their writes fail when it is told to."""
import os
import pathlib
import re
import signal
import unittest

import harness
from harness import FakeBackend, Gateway, RawClient, backend, eventually, plain_gateway, reference, route

LIBRARY = pathlib.Path(os.environ.get("APK_PROOF_DISK", harness.BIN.parent / "tests/libproof_failing_disk.so"))
REFUSED = {"sync": "disk I/O error", "full": "disk is full"}


def config_map(name):
    return f"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{key: value}}\n"


class FailingDisk:
    """Of the programs that are started inside, and write under `directory`."""

    def __init__(self, directory, control):
        self.control = control
        self.environment = {"LD_PRELOAD": str(LIBRARY), "APK_DISK_FAULT": str(control),
                            "APK_DISK_FAULT_UNDER": str(directory)}

    def __enter__(self):
        os.environ.update(self.environment)

    def __exit__(self, *_):
        for name in self.environment:
            del os.environ[name]

    def fail(self, how):
        self.control.write_text(how)

    def mend(self):
        self.control.write_text("")


@unittest.skipUnless(LIBRARY.exists(), "the library is not built: sanitizers don't go with it")
class Disks(unittest.TestCase):
    def setUp(self):
        self.gateway = Gateway(agents=1)
        self.addCleanup(self.gateway.close)
        self.origin = FakeBackend()
        self.addCleanup(self.origin.close)
        self.port = harness.free_port()
        self.gateway.apply(plain_gateway(self.port) + backend("origin", self.origin.port) + self.routed("first"))

    @staticmethod
    def routed(name):
        return route(name, f"  - matches: [{{path: {{value: /{name}}}}}]\n    backendRefs: [{reference('origin')}]\n")

    def status(self, path):
        with RawClient("127.0.0.1", self.port) as client:
            client.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
            return client.read_response()[0]

    def restart_control_plane(self, disk):
        self.gateway.control_plane.stop(signal.SIGKILL)
        with disk:
            self.gateway.start_control_plane()
        self.gateway.settle()

    def stored(self):
        return {item["metadata"]["name"] for item in self.gateway.get("configmaps")["items"]}

    def check_store(self, how):
        disk = FailingDisk(self.gateway.data, self.gateway.directory / "fault")
        self.restart_control_plane(disk)
        self.gateway.apply(config_map("before"))
        version = self.gateway.fleet()["agents"][0]["snapshotVersion"]
        disk.fail(how)
        for number in range(3):
            refused = self.gateway.apkctl("apply", "-f", "-", stdin=config_map(f"refused-{number}")
                                          + self.routed(f"refused-{number}"), check=False)
            self.assertNotEqual(refused.returncode, 0)
            self.assertIn(REFUSED[how], refused.stderr)
            # Nobody is told of it.
            self.assertNotIn(f"refused-{number}", self.stored())
            self.assertEqual(self.gateway.fleet()["snapshotVersion"], version)
            self.assertEqual(self.status(f"/refused-{number}"), 404)
        self.assertEqual(self.status("/first"), 200)
        disk.mend()
        self.gateway.apply(config_map("after") + self.routed("after"))
        self.assertEqual(self.status("/after"), 200)
        disk.fail(how)
        self.gateway.apkctl("apply", "-f", "-", stdin=config_map("refused-at-last"), check=False)
        self.gateway.control_plane.stop(signal.SIGKILL)
        disk.mend()
        self.gateway.start_control_plane()
        self.assertLessEqual({"before", "after"}, self.stored())
        self.assertFalse({name for name in self.stored() if re.fullmatch("refused-[0-9]", name)})
        self.gateway.settle()
        self.assertEqual(self.status("/after"), 200)

    def test_what_can_not_be_synced_is_not_acknowledged(self):
        self.check_store("sync")

    def test_on_a_full_disk_reads_and_agents_go_on(self):
        self.check_store("full")

    def check_agent(self, how):
        directory = self.gateway.directory / "agent-1"
        disk = FailingDisk(directory, self.gateway.directory / "fault")
        self.gateway.agents[1].stop(signal.SIGKILL)
        with disk:
            self.gateway.start_agent(1)
        self.gateway.settle()
        disk.fail(how)
        self.gateway.apply(self.routed("unsaved"))
        self.assertEqual(self.status("/unsaved"), 200)
        eventually(lambda: "snapshot not saved" in self.gateway.agents[1].tail(), "it says so")
        # It begins with what it had saved before, and asks for the rest.
        disk.mend()
        self.gateway.control_plane.stop(signal.SIGKILL)
        self.gateway.agents[1].stop(signal.SIGKILL)
        self.gateway.start_agent(1)
        self.assertEqual((self.status("/first"), self.status("/unsaved")), (200, 404))
        self.gateway.start_control_plane()
        self.gateway.settle()
        self.assertEqual(self.status("/unsaved"), 200)

    def test_an_agent_that_can_not_save_serves_what_is_new(self):
        self.check_agent("sync")

    def test_an_agent_on_a_full_disk_serves_what_is_new(self):
        self.check_agent("full")


if __name__ == "__main__":
    harness.main()
