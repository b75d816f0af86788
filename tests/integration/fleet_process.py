"""Agents by the hundred in one process (tests/bench/fleet.cc), and a quick way to make changes."""
import http.client
import json
import ssl
import subprocess
import threading

from harness import BIN, PATIENCE


class Fleet:
    """Agents of one process, and the lines that it prints."""

    def __init__(self, gateway, agents, prefix="fleet-", refused=()):
        """`refused`: what agents refuse, and "unnamed" where they don't say of which resource."""
        self.agents = agents
        self.process = subprocess.Popen(
            [str(BIN / "bench_fleet"), f"127.0.0.1:{gateway.grpc_port}", str(gateway.data / "pki"), str(agents),
             prefix, *refused], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.changed = threading.Condition()
        self.acknowledged = []  # (first, last, bytes) of each version that all have.
        self.totals = []
        self.refusals = []  # (agent, version, seconds)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            words = line.split()
            with self.changed:
                if words[0] == "acknowledged":
                    self.acknowledged.append((float(words[3]), float(words[4]), int(words[5])))
                elif words[0] == "refused":
                    self.refusals.append((words[1], words[2], float(words[3])))
                else:
                    self.totals.append(tuple(map(int, words[1:])))
                self.changed.notify_all()

    def wait(self, count, seconds=4 * PATIENCE):
        """Until `count` versions are at all agents; the latest: (first, last, bytes)."""
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.acknowledged) >= count, seconds):
                raise AssertionError(f"{len(self.acknowledged)} of {count} versions are at all agents")
            return self.acknowledged[-1]

    def total(self):
        """Streams begun, streams open, responses, the most of one agent, bytes; since it was asked before."""
        with self.changed:
            count = len(self.totals)
            self.process.stdin.write("\n")
            self.process.stdin.flush()
            if not self.changed.wait_for(lambda: len(self.totals) > count, 60):
                raise AssertionError("the fleet does not answer")
            return self.totals[-1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()  # However many streams are open.
        self.process.wait()
        self.process.stdin.close()
        self.reader.join()
        self.process.stdout.close()


class Client:
    """Changes by the Kubernetes API on one connection: apkctl would be a process for each."""

    def __init__(self, gateway):
        pki = gateway.data / "pki"
        context = ssl.create_default_context(cafile=pki / "ca.crt")
        context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        self.connection = http.client.HTTPSConnection("127.0.0.1", gateway.kubernetes_port, context=context, timeout=60)

    def set_port(self, name, port):
        body = json.dumps({"spec": {"services": [{"host": "127.0.0.1", "port": port}]}})
        self.connection.request("PATCH", f"/apis/dp.wso2.com/v1alpha2/namespaces/default/backends/{name}", body,
                                {"Content-Type": "application/merge-patch+json"})
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise AssertionError(f"{answer.status}: {text[:300]}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()
