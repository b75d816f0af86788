"""Hosts that are network namespaces, each on a cable of its own to this one, which forwards between them. What is
cut is silent, as between real hosts: nothing says that a packet did not arrive."""
import os
import subprocess
import sys

from harness import eventually


def enter_own_network():
    """Begins this program anew in a network namespace of its own, where that may be done."""
    made = "APK_PROOF_OWN_NETWORK"
    may = os.getuid() == 0 and subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode == 0
    if not may or made in os.environ:
        return
    os.environ[made] = "1"
    os.execvp("unshare", ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", sys.executable,
                          *sys.argv])


def run(*command):
    subprocess.run([str(part) for part in command], check=True, capture_output=True)


class Host:
    """`address` and `prefix`: of commands that run there."""

    def __init__(self, number, holder, prefix):
        self.number = number
        self.address = f"10.99.{number}.2"
        self.link = f"proof{number}"
        self.holder = holder
        self.prefix = prefix


class Hosts:
    """REQUIRES: available(). The network namespace that we are in is changed."""

    def __init__(self, count):
        self.hosts = []
        self.apart = set()
        with open("/proc/sys/net/ipv4/ip_forward", "w") as setting:
            setting.write("1")
        for number in range(1, count + 1):
            self.add(number)

    @staticmethod
    def available():
        """Root, in a namespace that has loopback and nothing else."""
        if os.getuid() != 0:
            return False
        shown = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True)
        links = [line for line in shown.stdout.splitlines() if ": lo:" not in line]
        return shown.returncode == 0 and not links

    def add(self, number):
        holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        own = os.readlink("/proc/self/ns/net")
        eventually(lambda: os.readlink(f"/proc/{holder.pid}/ns/net") != own, "the namespace is there")
        host = Host(number, holder, ("nsenter", f"--net=/proc/{holder.pid}/ns/net"))
        inside = f"{host.link}i"
        run("ip", "link", "add", host.link, "type", "veth", "peer", "name", inside)
        run("ip", "link", "set", inside, "netns", holder.pid)
        run("ip", "address", "add", f"10.99.{number}.1/24", "dev", host.link)
        run("ip", "link", "set", host.link, "up")
        for command in (("address", "add", f"{host.address}/24", "dev", inside), ("link", "set", inside, "up"),
                        ("link", "set", "lo", "up"), ("route", "add", "default", "via", f"10.99.{number}.1")):
            run(*host.prefix, "ip", *command)
        self.hosts.append(host)

    def __getitem__(self, index):
        return self.hosts[index]

    def unplug(self, index):
        run(*self.hosts[index].prefix, "ip", "link", "set", f"{self.hosts[index].link}i", "down")

    def plug(self, index):
        host = self.hosts[index]
        run(*host.prefix, "ip", "link", "set", f"{host.link}i", "up")
        run(*host.prefix, "ip", "route", "replace", "default", "via", f"10.99.{host.number}.1")

    def cut(self, one, other):
        """Neither hears the other; both hear everybody else."""
        for source, target in ((one, other), (other, one)):
            rule = ("from", self.hosts[source].address, "to", self.hosts[target].address)
            if rule not in self.apart:
                run("ip", "rule", "add", "blackhole", *rule)
                self.apart.add(rule)

    def heal(self):
        for rule in self.apart:
            run("ip", "rule", "del", "blackhole", *rule)
        self.apart.clear()
        for index in range(len(self.hosts)):
            self.plug(index)

    def close(self):
        for host in self.hosts:
            host.holder.kill()
            host.holder.wait()
