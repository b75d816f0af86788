"""Backup and restore over the admin API, while the control plane runs and with both stores."""
import os
import pathlib
import subprocess
import tempfile
import threading
import unittest

import harness
from durability_test import config_map
from etcd_cluster import ETCD, Etcd
from harness import Gateway
from users import User


SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: kept}\nstringData: {password: backed-up-value}\n"


class Backup(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="apk-backup-")
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        self.file = self.directory / "all.backup"

    def gateway(self, **options):
        gateway = Gateway(**options)
        self.addCleanup(gateway.close)
        return gateway

    def etcd(self):
        if not os.path.exists(ETCD):
            self.skipTest(f"needs {ETCD} (package etcd-server)")
        directory = self.directory / "etcd"
        directory.mkdir()
        etcd = Etcd(directory, members=1)
        self.addCleanup(etcd.close)
        return self.gateway(agents=0, control_plane_flags=("--store", etcd.url((0,))))

    def fill(self, gateway):
        gateway.apply(config_map("first") + config_map("second") + "---\n" + SECRET, settle=False)

    def objects(self, gateway):
        return gateway.apkctl("export", "--with-secrets").stdout

    def move(self, source, target):
        self.fill(source)
        source.apkctl("backup", "-o", self.file)
        result = target.apkctl("restore", "-f", self.file)
        self.assertIn("configmap/first created\n", result.stdout)
        self.assertRegex(result.stdout, r"revision \d+ of \S+Z restored as revision \d+\n$")
        self.assertEqual(self.objects(target), self.objects(source))
        for path in ("uid", "creationTimestamp"):
            self.assertEqual(target.get("cm", "first")["metadata"][path], source.get("cm", "first")["metadata"][path])

    def test_a_new_control_plane_takes_a_backup_and_serves_it(self):
        source, target = self.gateway(agents=0), self.gateway()
        port = harness.free_port()
        source.apply(harness.plain_gateway(port, "moved"), settle=False)
        self.move(source, target)
        target.settle()
        harness.eventually(lambda: target.curl("/", scheme="http", port=port).status == 404, "the Gateway is served")

    def test_a_policy_of_rollouts_is_restored_where_there_is_none(self):
        policy = "stages:\n- {name: few, share: 10%}\n"
        source, target, with_one = self.gateway(agents=0), self.gateway(agents=0), self.gateway(agents=0)
        source.apkctl("rollout", "policy", "set", "-f", "-", stdin=policy)
        self.move(source, target)
        self.assertIn("share: 10%", target.apkctl("rollout", "policy", "show").stdout)
        self.assertNotIn("Progressing", target.apkctl("rollout", "status").stdout)
        with_one.apkctl("rollout", "policy", "set", "-f", "-", stdin=policy.replace("10%", "20%"))
        with_one.apkctl("restore", "-f", self.file, "--force")
        self.assertIn("share: 20%", with_one.apkctl("rollout", "policy", "show").stdout)
        # Where the store is lost, too.
        source.control_plane.stop()
        for lost in source.data.glob("store.db*"):
            lost.unlink()
        subprocess.run([str(harness.BIN / "apk-control-plane"), "restore", "--data-dir", str(source.data), "-f",
                        str(self.file)], check=True, capture_output=True)
        source.start_control_plane()
        self.assertIn("share: 10%", source.apkctl("rollout", "policy", "show").stdout)

    def test_who_was_revoked_stays_so_where_the_store_is_lost(self):
        source = self.gateway(agents=0)
        mallory = User(source, "mallory")
        source.apkctl("users", "revoke", "mallory", "--reason", "gone for good")
        source.apkctl("agents", "revoke", "stolen")
        self.assertEqual(mallory.apkctl("get", "cm").returncode, 1)
        piped = subprocess.run([str(harness.BIN / "apkctl"), "--config", str(source.data / "apkctl.yaml"), "backup", "-o",
                                "-"], check=True, capture_output=True)
        self.assertRegex(piped.stderr.decode(), r"^revision \d+ with \d+ objects, Secrets included\n$")
        self.file.write_bytes(piped.stdout)
        self.assertFalse(pathlib.Path("-").exists())
        source.control_plane.stop()
        # Offline, beside the certificates that are left.
        for lost in source.data.glob("store.db*"):
            lost.unlink()
        said = subprocess.run([str(harness.BIN / "apk-control-plane"), "restore", "--data-dir", str(source.data), "-f",
                               str(self.file)], check=True, capture_output=True, text=True).stdout
        self.assertRegex(said, r"^revision \d+ of \S+Z restored: \d+ objects, and who had joined and was revoked\n$")
        source.start_control_plane()
        self.check_revoked(source, mallory)
        source.control_plane.stop()
        # By a new control plane that runs.
        for lost in source.data.glob("store.db*"):
            lost.unlink()
        pki = source.data / "pki"
        pki.rename(source.directory / "pki")
        source.start_control_plane()
        source.control_plane.stop()
        subprocess.run(["cp", "-a", *map(str, (source.directory / "pki").iterdir()), str(pki)], check=True)
        source.start_control_plane()
        source.apkctl("restore", "-f", self.file)
        self.check_revoked(source, mallory)
        # One that is in use knows better.
        source.apkctl("users", "unrevoke", "mallory")
        source.apkctl("restore", "-f", self.file, "--force")
        self.assertEqual(mallory.apkctl("get", "cm").returncode, 0)

    def check_revoked(self, gateway, mallory):
        refused = mallory.apkctl("get", "cm")
        self.assertIn("the certificate of user mallory was revoked", refused.stderr)
        self.assertIn(": gone for good", refused.stderr)
        self.assertIn("stolen", gateway.apkctl("revocations").stdout)

    def test_what_an_embedded_store_gave_one_in_etcd_takes_and_the_other_way_round(self):
        embedded, etcd = self.gateway(agents=0), self.etcd()
        self.move(embedded, etcd)
        etcd.apply(config_map("third"), settle=False)
        etcd.apkctl("backup", "-o", self.file)
        new = self.gateway(agents=0)
        new.apkctl("restore", "-f", self.file)
        self.assertEqual(self.objects(new), self.objects(etcd))

    def test_the_file_is_the_users_alone_and_says_what_is_in_it(self):
        source = self.gateway(agents=0)
        result = source.apkctl("backup", "-o", self.file)
        self.assertRegex(result.stdout, r"^revision \d+ with \d+ objects written to .*all.backup, Secrets included\n$")
        self.assertEqual(self.file.stat().st_mode & 0o777, 0o600)

    def test_a_backup_under_writes_is_of_one_revision(self):
        source = self.gateway(agents=0)
        stop = threading.Event()

        def write():
            number = 0
            while not stop.is_set():
                number += 1
                source.apply(config_map("left", number) + config_map("right", number), settle=False)

        source.apply(config_map("left", 0) + config_map("right", 0), settle=False)
        writer = threading.Thread(target=write)
        writer.start()
        files = [self.directory / f"{number}.backup" for number in range(5)]
        try:
            for file in files:
                source.apkctl("backup", "-o", file)
        finally:
            stop.set()
            writer.join()
        for file in files:
            source.apkctl("restore", "-f", file, "--force")
            self.assertEqual(source.get("cm", "left")["data"], source.get("cm", "right")["data"])

    def test_a_control_plane_that_is_in_use_is_not_overwritten_unless_it_is_forced(self):
        source, target = self.gateway(agents=0), self.gateway(agents=0)
        self.fill(source)
        source.apkctl("backup", "-o", self.file)
        target.apply(config_map("mine"), settle=False)
        refused = target.apkctl("restore", "-f", self.file, check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertRegex(refused.stderr, r"this control plane is not new: revision \d+ was made by "
                                         r"spiffe://apk/user/admin; .*--force")
        dry = target.apkctl("restore", "-f", self.file, "--force", "--dry-run")
        self.assertIn("configmap/mine deleted (server dry run)\n", dry.stdout)
        target.get("cm", "mine")
        result = target.apkctl("restore", "-f", self.file, "--force")
        self.assertIn("configmap/mine deleted\n", result.stdout)
        self.assertEqual(self.objects(target), self.objects(source))
        again = target.apkctl("restore", "-f", self.file, "--force")
        self.assertEqual(again.stdout, "nothing differs from the backup\n")

    def test_a_restore_can_be_taken_back(self):
        target = self.gateway(agents=0)
        target.apkctl("backup", "-o", self.file)
        target.apply(config_map("mine"), settle=False)
        target.apkctl("restore", "-f", self.file, "--force")
        self.assertEqual(target.apkctl("get", "cm", "mine", check=False).returncode, 1)
        revision = int(target.apkctl("history", "--limit=1").stdout.splitlines()[1].split()[0])
        target.apkctl("rollback", "--to", revision - 1)
        target.get("cm", "mine")

    def test_what_is_no_backup_or_damaged_is_refused_before_anything_is_sent(self):
        target = self.gateway(agents=0)
        target.apkctl("backup", "-o", self.file)
        whole = self.file.read_bytes()
        for content, words in ((b"kind: Namespace\n", "this is no backup"), (whole[:-1], "was cut off"),
                               (whole[:100] + bytes([whole[100] ^ 1]) + whole[101:], "is damaged")):
            self.file.write_bytes(content)
            refused = target.apkctl("restore", "-f", self.file, "--force", check=False)
            self.assertEqual(refused.returncode, 1)
            self.assertIn(words, refused.stderr)

    def test_a_lost_store_is_made_anew_beside_the_certificates_that_are_left(self):
        gateway = self.gateway()
        port = harness.free_port()
        gateway.apply(harness.plain_gateway(port, "lost"))
        self.fill(gateway)
        gateway.apkctl("backup", "-o", self.file)
        before = self.objects(gateway)
        gateway.control_plane.stop()
        restore = [str(harness.BIN / "apk-control-plane"), "restore", "--data-dir", str(gateway.data), "-f",
                   str(self.file)]
        refused = subprocess.run(restore, capture_output=True, text=True)
        self.assertEqual(refused.returncode, 1)
        self.assertRegex(refused.stderr, r"apk-control-plane: the store is not empty: it is at revision \d+; ")
        for path in gateway.data.glob("store.db*"):
            path.unlink()
        restored = subprocess.run(restore, capture_output=True, text=True)
        self.assertEqual((restored.returncode, restored.stderr), (0, ""))
        gateway.start_control_plane()
        self.assertEqual(self.objects(gateway), before)
        gateway.settle()  # The agent's certificate is good: the authority is the same.


if __name__ == "__main__":
    harness.main()
