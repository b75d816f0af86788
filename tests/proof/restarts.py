"""kill -9 of a control plane on its own database while it is written to, again and again (G5)."""
import random
import signal
import time

import harness
from harness import Gateway, backend, plain_gateway, reference
from linearizability import Clients

HOSTS = 1000


def route(number):
    return (f"---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: r{number}}}\n"
            f"spec:\n  parentRefs: [{{name: plain}}]\n  hostnames: [h{number % HOSTS}.example.com]\n  rules:\n"
            f"  - matches: [{{path: {{type: PathPrefix, value: /p{number}}}}}]\n"
            f"    backendRefs: [{reference('b')}]\n")


class Installation:
    """What Clients need to know."""

    def __init__(self, gateway):
        self.directory = gateway.directory
        self.servers = [f"127.0.0.1:{gateway.grpc_port}"]
        self.data = lambda: gateway.data


def restarts(seed, rounds, routes, say=lambda *_: None):
    """Seconds until it was ready again, what was wrong, and the verdict of the clients."""
    randomness = random.Random(seed)
    times, faults = [], []
    with Gateway(agents=0) as gateway:
        gateway.apply(plain_gateway(harness.free_port()) + backend("b", 80)
                      + "".join(route(number) for number in range(routes)), settle=False)
        version = gateway.fleet()["snapshotVersion"]
        clients = Clients(Installation(gateway), seed, clients=3, keys=12)
        try:
            clients.wait_for(1, harness.PATIENCE)
            for number in range(1, rounds + 1):
                time.sleep(randomness.uniform(0.005, 0.2))  # Where in a commit it is killed is up to chance.
                gateway.control_plane.stop(signal.SIGKILL)
                start = time.monotonic()
                gateway.start_control_plane()
                times.append(time.monotonic() - start)
                found = gateway.fleet()["snapshotVersion"]
                if found != version:
                    faults.append(f"round {number}: the snapshot is {found} and was {version}")
                say(f"round {number}: ready in {1000 * times[-1]:.0f} ms")
        finally:
            verdict = clients.stop()
    return times, faults + verdict["first_faults"], verdict
