"""Certificates that end after seconds: agents renew them again and again, on the stream that they have (G15)."""
import re
import subprocess

import harness
from harness import FakeBackend, eventually
from identities import Installation


def serial(path):
    run = subprocess.run(["openssl", "x509", "-in", str(path), "-noout", "-serial"], capture_output=True, text=True)
    return run.stdout if run.returncode == 0 else None


def rotations(wanted, agents=10, life=10, say=lambda *_: None):
    """Until so many certificates were renewed. {agent: (renewals, reconnections)}, and what was wrong."""
    backend = FakeBackend()
    installation = Installation(flags=("--agent-certificate-ttl", f"{life}s"))
    names = [f"agent-{number}" for number in range(1, agents + 1)]
    faults = []
    try:
        installation.apkctl("apply", "-f", "-", stdin=harness.plain_gateway(installation.port)
                            + harness.backend("web", backend.port) + changing(0))
        for number, name in enumerate(names, 1):
            installation.start_agent(name, "--join-token", installation.token(), address=f"127.0.0.{number}",
                                     wait=False)
        for name in names:
            installation.agents[name].wait_ready()
        serials = {name: {serial(installation.identity(name) / "agent.pem")} for name in names}
        changes = 0
        while sum(len(seen) - 1 for seen in serials.values()) < wanted:
            changes += 1
            installation.apkctl("apply", "-f", "-", stdin=changing(changes))
            for number, name in enumerate(names, 1):
                eventually(lambda number=number: shown(number, installation.port) == changes,
                           f"{name} shows change {changes}")
            for name in names:
                serials[name] |= {serial(installation.identity(name) / "agent.pem")} - {None}
            say(f"{sum(len(seen) - 1 for seen in serials.values())} renewals, {changes} changes")
        log = "".join((installation.directory / f"apk-control-plane.{number}.log").read_text(errors="replace")
                      for number in installation.ports)
        came = {name: len(re.findall(f"agent came agent={name}\\b", log)) for name in names}
        result = {name: (len(serials[name]) - 1, came[name] - 1) for name in names}
        faults += [f"{name} came back {again} times over {renewed} renewals"
                   for name, (renewed, again) in result.items() if again > renewed]
        return result, faults
    finally:
        installation.close()
        backend.close()


def changing(number):
    return harness.route("changing", f"""
  - backendRefs: [{harness.reference('web')}]
    filters:
    - type: ResponseHeaderModifier
      responseHeaderModifier: {{set: [{{name: X-Version, value: "{number}"}}]}}
""")


def shown(agent, port):
    try:
        with harness.RawClient(f"127.0.0.{agent}", port) as client:
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            return int(client.read_response()[1].get("x-version", -1))
    except (OSError, ValueError):
        return -1
