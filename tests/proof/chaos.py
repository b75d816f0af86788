"""kill -9 of control planes, members of etcd and agents, at random, while clients write and agents answer."""
import random
import subprocess
import time

from agents import DAMAGES, Agent, Changes
from control_planes import ThreeOnEtcd
from harness import BIN, PATIENCE, FakeBackend, eventually, free_port
from linearizability import Clients

ORACLE = BIN.parent / "tests/proof_oracle"


class Chaos:
    """All that is there, and what came of it."""

    def __init__(self, seed, agents=3):
        self.random = random.Random(seed)
        random.seed(seed)  # Of the damages.
        self.port = free_port()
        self.backend = FakeBackend()
        self.control_planes = ThreeOnEtcd(on_hosts=False)
        self.agents = []
        try:
            self.changes = Changes(self.control_planes, self.backend.port, self.port)
            self.agents = [Agent(self.control_planes, number, self.port) for number in range(1, agents + 1)]
            for agent in self.agents:
                agent.await_first_answer()
            self.clients = Clients(self.control_planes, seed, clients=3, keys=12)
            self.changes.start()
            self.clients.wait_for(1, PATIENCE)
        except AssertionError:
            self.close()
            raise
        self.times = {}  # Seconds, by what was waited for.

    def note(self, what, seconds):
        self.times.setdefault(what, []).append(seconds)

    def kill_control_plane(self):
        number = self.random.randrange(3)
        self.control_planes.kill(number)
        start = time.monotonic()
        self.control_planes.start(number)
        self.note("control plane ready again", time.monotonic() - start)
        later = self.changes.tried + 1
        eventually(lambda: self.changes.acknowledged >= later, "a change is acknowledged")
        eventually(lambda: min(agent.version for agent in self.agents) >= later, "all agents show it")
        self.note("all agents show a change made after a control plane died", time.monotonic() - start)

    def kill_etcd(self):
        leader = self.control_planes.etcd.leader()
        member = leader if leader is not None and self.random.random() < 0.5 else self.random.randrange(3)
        before = self.changes.acknowledged
        self.control_planes.etcd.kill(member)
        start = time.monotonic()
        if member == leader:  # Until then nobody can write.
            eventually(lambda: self.control_planes.etcd.leader() not in (None, member), "etcd has another leader")
            self.note("leader of etcd killed: there is another one", time.monotonic() - start)
        eventually(lambda: self.changes.acknowledged > before + 1, "a change is acknowledged with two members")
        self.note("leader of etcd killed" if member == leader else "member of etcd killed", time.monotonic() - start)
        self.control_planes.etcd.start(member)

    def kill_agent(self):
        agent = self.random.choice(self.agents)
        damage = self.random.choice([None, *sorted(DAMAGES)])
        seconds = agent.kill(DAMAGES.get(damage))
        self.note(f"agent answers again, newest file {damage or 'whole'}", seconds)

    def round(self):
        self.random.choice([self.kill_control_plane, self.kill_etcd, self.kill_agent])()
        wanted = self.changes.acknowledged + 1
        eventually(lambda: self.changes.acknowledged >= wanted, "a change is acknowledged")

    def check_versions(self):
        """Whatever an agent ever put in force was that revision, by whichever control plane it was made."""
        run = subprocess.run([str(ORACLE), self.control_planes.etcd.url()], capture_output=True, text=True, check=True)
        expected = dict(line.split() for line in run.stdout.splitlines())
        taken = set().union(*(agent.taken() for agent in self.agents))
        self.compared = len(taken)
        return [f"version {version} was taken as revision {revision}, which is {expected.get(revision, 'unknown')}"
                for version, revision in taken if expected.get(revision) != version]

    def finish(self):
        """What was wrong, one line each."""
        self.changes.stop()
        verdict = self.clients.stop()
        faults = [*verdict["first_faults"]]
        newest = self.changes.acknowledged
        for agent in self.agents:
            try:
                eventually(lambda agent=agent: agent.version >= newest, f"{agent.name} shows change {newest}")
            except AssertionError as error:
                faults.append(f"{error}: it shows {agent.version}")
            agent.stop()
            faults += agent.failures
        faults += self.check_versions()
        return faults, verdict

    def close(self):
        for agent in self.agents:
            if agent.process.process.poll() is None:
                agent.stop()
        self.control_planes.close()
        self.backend.close()


def table_of(times):
    rows = []
    for what, seconds in sorted(times.items()):
        ordered = sorted(seconds)
        rows.append(f"{what:55} {len(ordered):4} {1000 * ordered[len(ordered) // 2]:8.0f} {1000 * ordered[-1]:8.0f}")
    return "\n".join([f"{'what':55} {'n':>4} {'p50 ms':>8} {'max ms':>8}", *rows])
