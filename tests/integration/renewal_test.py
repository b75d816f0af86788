"""Certificates are renewed long before they end, and nobody notices: not the stream, not the requests."""
import os
import subprocess
import time
import unittest

import harness
import identities
from etcd_cluster import ETCD
from harness import eventually
from identities import LIFE, Requests


def serial(path):
    return subprocess.run(["openssl", "x509", "-in", str(path), "-noout", "-serial"], check=True, capture_output=True,
                          text=True).stdout


class Renewal(identities.WithShortCertificates):
    """With the embedded store."""

    def join(self, name):
        self.all.start_agent(name, "--join-token", self.all.token(), wait=True)
        eventually(lambda: any(self.all.agent(name, at)["connected"] for at in self.all.ports), f"{name} is connected")

    def control_plane_log(self):
        return "".join((self.all.directory / f"apk-control-plane.{number}.log").read_text(errors="replace")
                       for number in self.all.ports)

    def test_the_stream_and_all_requests_live_on_over_several_certificates(self):
        self.join("lives")
        certificate = self.all.identity("lives") / "agent.pem"
        serials = {serial(certificate)}
        key = certificate.read_text().split("-----BEGIN CERTIFICATE")[0]
        requests = Requests(self.all)
        end = time.monotonic() + 3 * LIFE  # The first certificate ended long ago then.

        def renewed():
            serials.add(serial(certificate))
            return time.monotonic() > end and len(serials) >= 4
        eventually(renewed, "three renewals", 3 * LIFE + harness.PATIENCE)
        statuses = requests.stop()
        self.assertEqual(set(statuses), {200})
        self.assertGreater(len(statuses), 20)
        self.assertEqual(certificate.read_text().split("-----BEGIN CERTIFICATE")[0], key)
        log = self.control_plane_log()
        self.assertEqual(log.count("agent came agent=lives"), 1, "one stream")
        self.assertNotIn("agent left agent=lives", log)
        # The stream is the one that it was, and carries what is new.
        self.all.apkctl("apply", "-f", "-", stdin=harness.route(
            "gone", "  - matches: [{path: {type: PathPrefix, value: /gone}}]\n"
            "    filters: [{type: RequestRedirect, requestRedirect: {statusCode: 302}}]\n"))
        eventually(lambda: harness.status_of("127.0.0.1", self.all.port, "/gone") == 302, "the new route is served")
        self.assertNotIn("agent left agent=lives", self.control_plane_log())

    def test_what_is_not_renewed_ends_with_its_stream_and_is_renewed_when_that_is_possible_again(self):
        self.join("late")
        agent = self.all.agents["late"]
        agent.stop()
        self.all.start_agent("late", enrollment=f"127.0.0.1:{harness.free_port()}", wait=True)
        self.all.wait_log("late", "certificate not renewed, serving on")
        eventually(lambda: "agent shut out agent=late" in self.control_plane_log(), "the stream ends")
        self.assertIn("the certificate of agent late expired on", self.control_plane_log())
        self.assertEqual(self.all.ask(), 200)
        self.all.agents["late"].stop()
        seen = len(self.all.log("late"))
        self.all.start_agent("late", wait=True)  # With a certificate that ended before.
        self.all.wait_log("late", "certificate renewed", after=seen)
        eventually(lambda: any(self.all.agent("late", at)["connected"] for at in self.all.ports), "it is connected")

    def test_who_is_revoked_gets_no_new_certificate(self):
        self.join("out")
        before = serial(self.all.identity("out") / "agent.pem")
        self.all.apkctl("agents", "revoke", "out", at=self.other)
        self.all.wait_log("out", "certificate not renewed, serving on")
        self.assertIn("agent out was revoked on", self.all.log("out"))
        self.assertEqual(serial(self.all.identity("out") / "agent.pem"), before)
        self.assertEqual(self.all.ask(), 200)


@unittest.skipUnless(os.access(ETCD, os.X_OK), "etcd is not installed")
class RenewalOnEtcd(Renewal):
    """What is renewed at one control plane keeps a stream at the other alive."""
    etcd = True


class FilesOfAnOperator(unittest.TestCase):
    def test_a_certificate_that_is_replaced_is_shown_from_the_next_connection_on(self):
        with harness.Gateway(agents=1) as gateway:
            out = gateway.directory / "replaced"
            subprocess.run([str(harness.BIN / "apk-control-plane"), "issue-certificate", "--data-dir",
                            str(gateway.data), "--agent", "agent-1", "--out", str(out)], check=True)
            pki = gateway.data / "pki"
            gateway.apkctl("agents", "revoke", "default")
            eventually(lambda: not gateway.fleet()["agents"][0]["connected"], "the shared certificate is shut out")
            (pki / "agent.key").write_text((out / "agent-1.key").read_text())
            (pki / "agent.crt").write_text((out / "agent-1.crt").read_text())
            eventually(lambda: gateway.fleet()["agents"][0]["connected"], "the agent comes by its new certificate")


if __name__ == "__main__":
    harness.main()
