#!/usr/bin/env python3
"""Gateways select agents by labels, which agents have from their token or their certificate: each agent holds what its
Gateways need, and nobody else's keys."""
import base64
import json
import os
import pathlib
import subprocess
import unittest

import harness
import identities
from etcd_test import ETCD
from harness import BIN, eventually, free_port

SELECTOR = "apk.dev/agent-selector"


def gateway(name, port, selector=None, secret=None, extra=""):
    annotations = f", annotations: {{{SELECTOR}: {json.dumps(selector)}}}" if selector is not None else ""
    tls = f", tls: {{certificateRefs: [{{name: {secret}}}]}}" if secret else ""
    return (f"---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\n"
            f"metadata: {{name: {name}{annotations}}}\nspec:\n  gatewayClassName: apk\n  listeners:\n"
            f"  - {{name: web, port: {port}, protocol: {'HTTPS' if secret else 'HTTP'}{tls}}}\n{extra}")


def route(name, parents, backend):
    references = ", ".join(f"{{name: {parent}}}" for parent in parents)
    return (f"---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: {name}}}\nspec:\n"
            f"  parentRefs: [{references}]\n  rules: [{{backendRefs: [{harness.reference(backend)}]}}]\n")


class Regions(unittest.TestCase):
    """An agent in each of two regions: one has joined by a token, the other has a certificate of an operator."""
    etcd = False

    @classmethod
    def setUpClass(cls):
        cls.all = identities.Installation(control_planes=2 if cls.etcd else 1, etcd=cls.etcd)
        cls.addClassCleanup(cls.all.close)
        cls.other = 2 if cls.etcd else 1
        cls.port = free_port()
        cls.keys = {}
        for region in ("eu", "us", "moves"):
            files = harness.make_certificate(cls.all.directory / f"tls-{region}", f"{region}.example")
            key = pathlib.Path(files[1]).read_text()
            cls.keys[region] = key.splitlines()[1]  # A line of it that no other key has.
            data = {"tls.crt": pathlib.Path(files[0]).read_bytes(), "tls.key": key.encode()}
            cls.apply(json.dumps({
                "apiVersion": "v1", "kind": "Secret", "metadata": {"name": region, "namespace": "default"},
                "type": "kubernetes.io/tls",
                "data": {name: base64.b64encode(value).decode() for name, value in data.items()}}))
        cls.apply("".join(harness.backend(name, 1) for name in ("both", "eu-alone", "us-alone"))
                  + gateway("eu", cls.port, "region=eu", "eu") + gateway("us", cls.port, "region in (us)", "us")
                  + route("both", ["eu", "us"], "both") + route("eu-alone", ["eu"], "eu-alone")
                  + route("us-alone", ["us"], "us-alone"))
        cls.all.start_agent("in-eu", "--join-token", cls.all.token("--label", "region=eu,tier=edge"), address="127.0.0.2")
        cls.start_by_certificate("in-us", "--label", "region=us", address="127.0.0.3")
        for name in ("in-eu", "in-us"):
            cls.all.agents[name].wait_ready()

    @classmethod
    def apply(cls, text, *flags, check=True):
        return cls.all.apkctl("apply", "-f", "-", *flags, stdin=text, check=check)

    @classmethod
    def issue(cls, name, *flags):
        store = ("--store", cls.all.etcd.url([0])) if cls.all.etcd else ()
        return subprocess.run([str(BIN / "apk-control-plane"), "issue-certificate", "--data-dir", str(cls.all.data()),
                               *store, "--agent", name, *map(str, flags)], capture_output=True, text=True)

    @classmethod
    def start_by_certificate(cls, name, *flags, address):
        out = cls.all.directory / f"certificate-{name}"
        cls.issue(name, *flags, "--out", out).check_returncode()
        cls.all.start_agent(name, "--ca", out / "ca.crt", "--cert", out / f"{name}.crt", "--key", out / f"{name}.key",
                            address=address)

    def snapshot(self, name):
        """What the agent keeps on disk, keys included."""
        return (self.all.directory / name / "snapshot").read_bytes()

    def held(self, name):
        """Names of what the agent runs."""
        dump = json.loads(harness.http_get(self.all.agents[name].ready["admin"], "/config_dump"))
        return {resource["name"] for resource in dump["resources"]}

    def settle(self):
        def settled():
            agents = [self.all.agent(name) for name in self.all.agents]
            return all(agent["connected"] and agent["upToDate"] for agent in agents)
        eventually(settled, "all agents run what is for them")

    def programmed(self, name, at=1):
        status = json.loads(self.all.apkctl("get", "gateway", name, "-o", "json", at=at).stdout)["status"]
        return next(condition for condition in status["conditions"] if condition["type"] == "Programmed")

    def answers(self, address, port, secret=True):
        """The status over HTTPS; 0 where nobody listens."""
        scheme = "https" if secret else "http"
        result = subprocess.run(["curl", "-sk", "--noproxy", "*", "--max-time", "20", "-o", os.devnull, "-w",
                                 "%{http_code}", f"{scheme}://{address}:{port}/"], capture_output=True, text=True)
        return int(result.stdout)

    def test_an_agent_holds_what_its_gateways_need_and_no_key_of_others(self):
        self.settle()
        for own, other in (("eu", "us"), ("us", "eu")):
            name = f"in-{own}"
            held = self.held(name)
            self.assertIn(f"listener/default/{own}/web", held)
            self.assertIn(f"route/default/{own}-alone", {entry.split(" for ")[0] for entry in held})
            self.assertFalse([entry for entry in held if f"/{other}" in entry or f"{other}-alone" in entry], held)
            snapshot = self.snapshot(name)
            self.assertIn(self.keys[own].encode(), snapshot)
            for foreign in (self.keys[other].encode(), b"region in (us)" if own == "eu" else b"region=eu",
                            f"{other}-alone".encode()):
                self.assertNotIn(foreign, snapshot)
            dump = harness.http_get(self.all.agents[name].ready["admin"], "/config_dump")
            self.assertNotIn(self.keys[other], dump)
        # Both serve one port, for clients of their own.
        self.assertEqual(self.answers("127.0.0.2", self.port), 503)
        self.assertEqual(self.answers("127.0.0.3", self.port), 503)

    def test_agents_gateways_and_waits_tell_of_the_parts(self):
        labels = {name: self.all.agent(name, at=self.other)["labels"] for name in ("in-eu", "in-us")}
        self.assertEqual(labels, {"in-eu": {"region": "eu", "tier": "edge"}, "in-us": {"region": "us"}})
        for name in ("eu", "us"):
            eventually(lambda: self.programmed(name)["status"] == "True", f"{name} is programmed")
        self.assertEqual(self.programmed("eu")["message"], "every connected agent with region=eu serves it")
        addresses = json.loads(self.all.apkctl("get", "gateway", "eu", "-o", "json").stdout)["status"]["addresses"]
        self.assertEqual([address["value"] for address in addresses], ["127.0.0.2"])
        # A change for one region moves the other's agent nowhere, and nobody waits for it.
        self.settle()
        before = self.all.agent("in-us")["snapshotVersion"]
        self.apply(route("more", ["eu"], "eu-alone"), "--wait=30s")
        self.assertIn("route/default/more for region=eu", self.held("in-eu"))
        agent = self.all.agent("in-us")
        self.assertEqual((agent["snapshotVersion"], agent["upToDate"]), (before, True))
        self.all.apkctl("delete", "httproute", "more")
        table = self.all.apkctl("agents").stdout
        self.assertIn("region=eu,tier=edge", table)

    def test_a_listener_moves_with_the_selector(self):
        port = free_port()
        self.apply(gateway("moves", port, "region=eu", "moves"), "--wait=30s")
        self.assertIn(self.keys["moves"].encode(), self.snapshot("in-eu"))
        self.assertNotIn(self.keys["moves"].encode(), self.snapshot("in-us"))
        eventually(lambda: self.answers("127.0.0.2", port) == 404, "it is where it was selected")
        self.assertEqual(self.answers("127.0.0.3", port), 0)
        self.apply(gateway("moves", port, "region=us", "moves"), "--wait=30s")
        self.assertNotIn(self.keys["moves"].encode(), self.snapshot("in-eu"))
        self.assertIn(self.keys["moves"].encode(), self.snapshot("in-us"))
        eventually(lambda: (self.answers("127.0.0.2", port), self.answers("127.0.0.3", port)) == (0, 404), "it moved")
        eventually(lambda: self.programmed("moves")["status"] == "True", "it is programmed there")
        # Without a selector it is everywhere.
        self.apply(gateway("moves", port, None, "moves"), "--wait=30s")
        eventually(lambda: (self.answers("127.0.0.2", port), self.answers("127.0.0.3", port)) == (404, 404),
                   "it is everywhere")
        self.all.apkctl("delete", "gateway", "moves")
        self.settle()
        self.assertNotIn(self.keys["moves"].encode(), self.snapshot("in-us"))

    def test_an_agent_moves_with_its_labels(self):
        port = free_port()
        self.apply(gateway("tests", port, "tier=test"))
        programmed = self.programmed("tests")
        self.assertEqual((programmed["status"], programmed["reason"]), ("False", "Pending"))
        self.assertEqual(programmed["message"], "no connected agent has the labels that "
                         "metadata.annotations.apk.dev/agent-selector selects: \"tier=test\"")
        self.assertEqual(self.answers("127.0.0.2", port, secret=False), 0)
        said = self.all.apkctl("agents", "label", "in-eu", "tier=test", at=self.other).stdout
        self.assertEqual(said, "agent in-eu labelled region=eu,tier=test\n")
        eventually(lambda: self.answers("127.0.0.2", port, secret=False) == 404, "its listener came")
        eventually(lambda: self.programmed("tests")["status"] == "True", "it is programmed")
        self.all.apkctl("agents", "label", "in-eu", "tier-")
        eventually(lambda: self.answers("127.0.0.2", port, secret=False) == 0, "its listener went")
        eventually(lambda: self.all.agent("in-eu")["labels"] == {"region": "eu"}, "it is not labelled any more")
        self.all.apkctl("agents", "label", "in-eu", "tier=edge")
        self.all.apkctl("delete", "gateway", "tests")
        refused = self.all.apkctl("agents", "label", "in-us", "region=eu", check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("agent in-us has not joined by a token: the labels of others stand in their certificates",
                      refused.stderr)

    def test_who_has_no_labels_gets_what_is_for_all(self):
        self.start_by_certificate("nowhere", address="127.0.0.4")
        self.all.wait_connected("nowhere")
        self.settle()
        # What selects by a label that is not there is for it, too, as with kubectl.
        port = free_port()
        self.apply(gateway("others", port, "region notin (eu, us)"), "--wait=30s")
        held = self.held("nowhere")
        self.assertIn("listener/default/others/web", held)
        self.assertFalse([entry for entry in held if "default/eu" in entry or "default/us" in entry], held)
        self.assertNotIn("listener/default/others/web", self.held("in-eu"))
        self.all.apkctl("delete", "gateway", "others")
        self.all.agents.pop("nowhere").stop()

    def test_what_is_wrong_with_selectors_and_labels_is_said(self):
        for selector in ("region within (eu)", "region=e u", "", "  "):
            refused = self.apply(gateway("wrong", free_port(), selector), check=False)
            self.assertEqual(refused.returncode, 1, selector)
            self.assertIn("metadata.annotations.apk.dev/agent-selector: label selector: ", refused.stderr)
        # The one that could be on the same agent is in the way of the other.
        self.apply(gateway("late", self.port, "tier=edge", "moves"))
        status = json.loads(self.all.apkctl("get", "gateway", "late", "-o", "json").stdout)["status"]
        conflicted = next(condition for condition in status["listeners"][0]["conditions"]
                          if condition["type"] == "Conflicted")
        self.assertEqual(conflicted["reason"], "HostnameConflict")
        self.all.apkctl("delete", "gateway", "late")
        for label in ("region", "region=a b", "a/b/c=d"):
            refused = self.all.apkctl("agents", "token", "create", "--label", label, check=False)
            self.assertEqual(refused.returncode, 1)
            self.assertIn(f"--label: label \"{label}\": write key=value", refused.stderr)
        token = self.all.token("--label", "region=eu").split(".")[1]
        self.assertEqual(self.all.tokens()[token]["labels"], {"region": "eu"})
        refused = self.issue("x", "--label", "a=b", "--label", "a=c")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("--label: label a: is given twice", refused.stderr)

    def test_it_starts_with_its_part_and_is_sent_nothing(self):
        self.settle()
        agent = self.all.agent("in-us")
        self.all.agents["in-us"].stop()
        self.all.wait_connected("in-us", connected=False)
        before = len(self.all.log("in-us"))
        out = self.all.directory / "certificate-in-us"
        self.all.start_agent("in-us", "--ca", out / "ca.crt", "--cert", out / "in-us.crt", "--key", out / "in-us.key",
                             address="127.0.0.3", wait=True)
        self.all.wait_connected("in-us")
        self.settle()
        self.assertEqual(self.all.agent("in-us")["snapshotVersion"], agent["snapshotVersion"])
        self.assertNotIn("snapshot in force", self.all.log("in-us")[before:])


@unittest.skipUnless(os.access(ETCD, os.X_OK), "etcd is not installed")
class RegionsOnEtcd(Regions):
    """What is done at one control plane holds at the other."""
    etcd = True


if __name__ == "__main__":
    harness.main()
