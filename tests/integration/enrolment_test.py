"""Agents that join by a token get a certificate for a key of their own. Each promise holds with both stores."""
import os
import shutil
import signal
import stat
import subprocess
import unittest

import harness
import identities
from etcd_cluster import ETCD
from harness import eventually, free_port


class Enrolment(identities.WithBackend):
    """With the embedded store."""

    def join(self, name, *token_flags, **options):
        agent = self.all.start_agent(name, "--join-token", self.all.token(*token_flags), wait=True, **options)
        self.all.wait_connected(name)
        return agent

    def test_an_agent_joins_and_later_starts_without_the_token(self):
        token = self.all.token("--ttl", "10m")
        self.assertRegex(token, r"^apk1\.[a-z0-9]{10}\.[A-Za-z0-9_-]{43}\.[0-9a-f]{64}$")
        path = self.all.directory / "token"
        path.write_text(token + "\n")
        agent = self.all.start_agent("joins", "--join-token-file", path, wait=True, control_planes=[self.other])
        self.all.wait_connected("joins", at=self.other)
        self.assertEqual(self.all.ask(), 200)
        identity = self.all.identity("joins")
        self.assertEqual(stat.S_IMODE((identity / "agent.pem").stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(identity.stat().st_mode), 0o700)
        self.assertFalse(list(identity.glob("join-*.key")))
        self.assertEqual((identity / "ca.crt").read_text(), (self.all.data() / "pki/ca.crt").read_text())
        text = subprocess.run(["openssl", "x509", "-in", str(identity / "agent.pem"), "-noout", "-text"], check=True,
                              capture_output=True, text=True).stdout
        self.assertIn("URI:spiffe://apk/agent/joins", text)
        agent.stop()
        self.all.start_agent("joins", wait=True)
        self.all.wait_connected("joins")

    def test_the_store_has_the_hash_of_the_secret_alone(self):
        token = self.all.token()
        secret = token.split(".")[2].encode()
        files = [path for path in self.all.directory.rglob("*") if path.is_file()]
        self.assertTrue(any("store.db" in path.name or path.suffix == ".wal" for path in files))
        for path in files:
            self.assertNotIn(secret, path.read_bytes(), path)

    def test_a_token_has_so_many_uses_and_an_end(self):
        token = self.all.token("--uses", "2")
        for name in ("first", "second"):
            self.all.start_agent(name, "--join-token", token, wait=True, address="127.0.0.2").stop()
        refused = self.all.start_agent("third", "--join-token", token)
        self.assertEqual(self.exit_code(refused), 1)
        self.assertIn("the join token is used up: 2 agents have joined by it", self.all.log("third"))
        listed = self.all.tokens(at=self.other)[token.split(".")[1]]
        self.assertEqual((listed["uses"], listed["agents"]), (2, ["first", "second"]))
        short = self.all.token("--ttl", "1s")
        eventually(lambda: self.all.tokens()[short.split(".")[1]]["expired"], "the token expires")
        refused = self.all.start_agent("late", "--join-token", short)
        self.assertEqual(self.exit_code(refused), 1)
        self.assertIn("the join token expired on ", self.all.log("late"))

    def exit_code(self, process):
        eventually(lambda: process.process.poll() is not None, "it gives up")
        return process.stop()

    def test_a_token_that_is_deleted_or_changed_is_not_known(self):
        token = self.all.token()
        parts = token.split(".")
        self.all.apkctl("agents", "token", "delete", parts[1], at=self.other)
        self.assertNotIn(parts[1], self.all.tokens())
        again = self.all.apkctl("agents", "token", "delete", parts[1], check=False)
        self.assertIn("there is no join token with the id", again.stderr)
        good = self.all.token().split(".")
        forged = ".".join([good[0], good[1], "A" * 43, good[3]])
        for name, text in (("deleted", token), ("forged", forged)):
            self.assertEqual(self.exit_code(self.all.start_agent(name, "--join-token", text)), 1)
            self.assertIn("the join token is not known here", self.all.log(name))

    def test_an_agent_shows_its_token_to_the_authority_in_it_alone(self):
        parts = self.all.token().split(".")
        other = ".".join([*parts[:3], "0" * 64])
        self.assertEqual(self.exit_code(self.all.start_agent("pinned", "--join-token", other)), 1)
        self.assertIn("is of another authority than the join token", self.all.log("pinned"))
        self.assertEqual(self.all.tokens()[parts[1]]["uses"], 0)

    def test_the_name_of_an_agent_with_a_certificate_by_file_is_its_own_also_while_it_is_away(self):
        out = self.all.directory / "by-file"
        store = ("--store", self.all.etcd.url([0])) if self.all.etcd else ()
        issued = subprocess.run(
            [str(harness.BIN / "apk-control-plane"), "issue-certificate", "--data-dir", str(self.all.data()), *store,
             "--agent", "by-file", "--out", str(out)], check=True, capture_output=True, text=True).stdout
        self.assertEqual(issued, f"agent by-file: {out}/by-file.crt, its key {out}/by-file.key, "
                                 f"its authority {out}/ca.crt\n")
        self.all.start_agent("by-file", "--ca", out / "ca.crt", "--cert", out / "by-file.crt", "--key",
                             out / "by-file.key", wait=True, control_planes=[self.other])
        self.all.wait_connected("by-file")
        self.all.agents["by-file"].stop()
        self.all.wait_connected("by-file", connected=False)
        # That is noted beside, and known everywhere a moment later.
        eventually(lambda: "Warning" not in self.all.apkctl("agents", "revoke", "by-file").stderr
                   or not self.all.apkctl("agents", "unrevoke", "by-file"), "its name is noted")
        self.all.apkctl("agents", "unrevoke", "by-file")
        shutil.rmtree(self.all.directory / "by-file")
        thief = self.all.start_agent("by-file", "--join-token", self.all.token())
        self.assertEqual(self.exit_code(thief), 1)
        self.assertRegex(self.all.log("by-file"), "an agent called by-file has a certificate of its own until 20.*: give "
                                                  "this one another --id")
        self.join("by-file", "--agent", "by-file")

    def test_who_revokes_a_name_that_nobody_has_is_told_so(self):
        revoked = self.all.apkctl("agents", "revoke", "nobody-yet")
        self.assertEqual(revoked.stdout, "agent nobody-yet revoked\n")
        self.assertIn("Warning: no agent called nobody-yet has been seen", revoked.stderr)
        self.join("somebody")
        self.assertEqual(self.all.apkctl("agents", "revoke", "somebody", at=self.other).stderr, "")
        for name in ("nobody-yet", "somebody"):
            self.all.apkctl("agents", "unrevoke", name)

    def test_a_token_does_not_undo_a_revocation_that_came_right_after_it(self):
        self.join("undone").stop()
        token = self.all.token("--agent", "undone")
        self.all.apkctl("agents", "revoke", "undone")  # In the same second, mostly.
        shutil.rmtree(self.all.identity("undone"))
        refused = self.all.start_agent("undone", "--join-token", token, address="127.0.0.2")
        self.all.wait_log("undone", "agent undone was revoked on")
        refused.stop()
        self.join("undone", "--agent", "undone")

    def test_where_nobody_listens_an_agent_that_joins_says_so(self):
        self.all.start_agent("refused", "--join-token", self.all.token(), enrollment=f"127.0.0.1:{free_port()}")
        self.all.wait_log("refused", "nothing listens there; is the control plane started with --enrollment-listen")

    def test_an_agent_without_a_certificate_says_how_to_get_one(self):
        pki = self.all.data() / "pki"
        self.all.start_agent("without", "--ca", pki / "ca.crt")
        self.all.wait_log("without", "this agent has no certificate: give it a join token (apkctl agents token create")

    def test_strangers_are_offered_nothing_else(self):
        port = next(iter(self.all.enrollment.values()))
        for service in ("grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "grpc.health.v1.Health/Watch",
                        "apk.v1.AdminService/List"):
            answer = subprocess.run(
                ["curl", "-sk", "--http2", "--noproxy", "*", "--max-time", "20", "-D", "-", "-o", os.devnull, "-H",
                 "content-type: application/grpc", "-H", "te: trailers", "--data-binary", "",
                 f"https://127.0.0.1:{port}/{service}"], capture_output=True, text=True).stdout
            self.assertIn("grpc-status: 12", answer, service)

    def test_a_malformed_token_is_said_at_once(self):
        agent = self.all.start_agent("malformed", "--join-token", "apk1.x")
        self.assertEqual(self.exit_code(agent), 1)
        self.assertIn("--join-token: not a join token", self.all.log("malformed"))

    def test_an_answer_that_was_lost_can_be_asked_for_again(self):
        token = self.all.token()
        self.all.start_agent("lost", "--join-token", token, wait=True).stop(signal.SIGKILL)
        identity = self.all.identity("lost")
        # As it was before the answer arrived.
        pem = (identity / "agent.pem").read_text()
        (identity / f"join-{token.split('.')[1]}.key").write_text(pem[:pem.index("-----BEGIN CERTIFICATE")])
        for name in ("agent.pem", "ca.crt", "joined-by"):
            (identity / name).unlink()
        self.all.start_agent("lost", "--join-token", token, wait=True)
        self.all.wait_connected("lost")
        self.assertEqual(self.all.tokens()[token.split(".")[1]]["uses"], 1)

    def test_a_name_that_is_taken_needs_a_token_of_its_own(self):
        self.join("taken").stop()
        before = self.all.identity("taken").rename(self.all.directory / "taken-before")
        shutil.rmtree(self.all.directory / "taken")
        refused = self.all.start_agent("taken", "--join-token", self.all.token())
        self.assertEqual(self.exit_code(refused), 1)
        self.assertIn("an agent called taken has joined already", self.all.log("taken"))
        self.join("taken", "--agent", "taken").stop()
        # The key before counts no longer.
        shutil.rmtree(self.all.identity("taken"))
        before.rename(self.all.identity("taken"))
        self.all.start_agent("taken")
        self.all.wait_log("taken", "joined with another key on")

    def test_a_token_for_an_agent_is_for_no_other(self):
        refused = self.all.start_agent("another", "--join-token", self.all.token("--agent", "one"))
        self.assertEqual(self.exit_code(refused), 1)
        self.assertIn("the join token is for agent one, this one calls itself another", self.all.log("another"))
        refused = self.all.start_agent("default", "--join-token", self.all.token())
        self.assertEqual(self.exit_code(refused), 1)
        self.assertIn("an agent that joins can't be called \"default\"", self.all.log("default"))

    def test_an_agent_that_serves_from_disk_waits_for_a_control_plane_to_join(self):
        self.join("waits").stop()
        shutil.rmtree(self.all.identity("waits"))
        token = self.all.token("--agent", "waits")
        self.all.start_agent("waits", "--join-token", token, enrollment=f"127.0.0.1:{free_port()}", wait=True)
        self.assertEqual(self.all.ask(), 200)
        self.all.wait_log("waits", "not joined yet")

    def test_a_token_that_is_refused_leaves_an_agent_what_it_is(self):
        self.join("remains").stop()
        used = self.all.token("--agent", "remains")
        self.all.apkctl("agents", "token", "delete", used.split(".")[1])
        self.all.start_agent("remains", "--join-token", used, wait=True)
        self.all.wait_log("remains", "the join token is refused, the identity from before is used on")
        self.all.wait_connected("remains")

    def test_the_tokens_file_may_be_gone_once_the_agent_has_joined(self):
        path = self.all.directory / "gone-token"
        refused = self.all.start_agent("forgets", "--join-token-file", path)
        self.assertEqual(self.exit_code(refused), 1)
        self.assertIn(f"can't read {path}", self.all.log("forgets"))
        path.write_text(self.all.token())
        self.all.start_agent("forgets", "--join-token-file", path, wait=True).stop()
        path.unlink()
        self.all.start_agent("forgets", "--join-token-file", path, wait=True)
        self.all.wait_connected("forgets")

    def test_flags_of_tokens_that_make_no_sense_are_refused(self):
        for flags, reason in ((("--ttl", "soon"), "--ttl: \"soon\" is no duration"),
                              (("--ttl", "1000h"), "the token's life: 1 s to 720 h"),
                              (("--uses", "0"), "--uses: \"0\" is no number above 0"),
                              (("--uses", "2", "--agent", "a"), "one agent has one use"),
                              (("--agent", "a/b"), "letters, digits, - _ . only")):
            result = self.all.apkctl("agents", "token", "create", *flags, check=False)
            self.assertNotEqual(result.returncode, 0, flags)
            self.assertIn(reason, result.stderr)


@unittest.skipUnless(os.access(ETCD, os.X_OK), "etcd is not installed")
class EnrolmentOnEtcd(Enrolment):
    """With two control planes: what is made at one is known at the other."""
    etcd = True

    def test_the_store_has_the_hash_of_the_secret_alone(self):
        secret = self.all.token().split(".")[2].encode()
        for path in (self.all.directory / "etcd-0").rglob("*"):
            if path.is_file():
                self.assertNotIn(secret, path.read_bytes(), path)


class EnrolmentIsOff(unittest.TestCase):
    def test_it_is_said_how_it_is_turned_on(self):
        with harness.Gateway(agents=0) as gateway:
            result = gateway.apkctl("agents", "token", "create", check=False)
            self.assertNotEqual(result.returncode, 0)
            self.assertIn("enrolment is off: start the control plane with --enrollment-listen", result.stderr)


if __name__ == "__main__":
    harness.main()
