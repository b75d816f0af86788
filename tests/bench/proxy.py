#!/usr/bin/env python3
"""CPU time per request against nginx and HAProxy, in one run: one pinned worker each on core 0, the load
(wrk) and the origin (origin.cc) on core 1, so cheap that it is the proxies that are busy; medians over rounds
that alternate between the programs.

    tests/bench/proxy.py [--rounds 5] [--seconds 5] [--output FILE]

The floor is a bare epoll loop (floor_proxy.cc) that passes bytes on and parses nothing: what the kernel's
own work costs. Needs the release build, g++ and Debian's nginx-light, haproxy and wrk. Absolute figures belong to the machine;
quote the ratios.
"""
import argparse
import contextlib
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
os.environ.setdefault("APK_BIN", str(ROOT / "build/release/bin"))
sys.path.insert(0, str(ROOT / "tests/integration"))
import harness  # noqa: E402

PROXY_CORE, LOAD_CORE = 0, 1
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def children(pid):
    return [int(p) for p in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


class Server:
    """A foreign server pinned to a core; `workers` are the processes whose time counts."""

    def __init__(self, core, port, *command):
        self.process = subprocess.Popen(["taskset", "-c", str(core), *command],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.port = port
        try:
            harness.eventually(lambda: answers(port), f"{command[0]} answers on {port}")
        except AssertionError:
            self.stop()
            raise
        self.workers = children(self.process.pid) or [self.process.pid]

    def stop(self):
        self.process.terminate()
        self.process.wait()


def answers(port):
    try:
        return harness.http_get(f"127.0.0.1:{port}", "/plain")
    except (OSError, IndexError):  # The floor closes a client with its mirror, answered or not.
        return None


def nginx(directory, name, core, port, servers):
    config = directory / f"{name}.conf"
    config.write_text(f"""
worker_processes 1; daemon off; pid {directory}/{name}.pid; error_log {directory}/{name}.log;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 100000000; client_body_temp_path {directory}/{name}-body;
{servers} }}
""")
    return Server(core, port, "nginx", "-c", str(config), "-p", str(directory))


def start_origin(directory):
    port = harness.free_port()
    return Server(LOAD_CORE, port, compiled(directory, "origin"), str(port))


def start_shadow(directory):
    """What mirrors send to: a server as users have it."""
    port = harness.free_port()
    return nginx(directory, "shadow", LOAD_CORE, port,
                 f'server {{ listen 127.0.0.1:{port}; location / {{ return 200 "copy"; }} }}')


def compiled(directory, name):
    program = directory / name
    if not program.exists():
        source = ROOT / "tests/bench" / f"{name}.cc"
        subprocess.run(["g++", "-std=c++20", "-O2", "-o", program, source], check=True)
    return str(program)


def start_nginx(directory, origin, shadow):
    port = harness.free_port()
    return nginx(directory, "proxy", PROXY_CORE, port, f"""
upstream origin {{ server 127.0.0.1:{origin}; keepalive 128; keepalive_requests 100000000; }}
upstream shadow {{ server 127.0.0.1:{shadow}; keepalive 128; keepalive_requests 100000000; }}
server {{ listen 127.0.0.1:{port}; proxy_http_version 1.1; proxy_set_header Connection "";
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme;
  location / {{ proxy_pass http://origin; }}
  location /mirror {{ mirror /shadow; proxy_pass http://origin; }}
  location = /shadow {{ internal; proxy_pass http://shadow$request_uri; }} }}""")


def start_haproxy(directory, origin):
    port = harness.free_port()
    config = directory / "haproxy.cfg"
    config.write_text(f"""
global
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend f
  bind 127.0.0.1:{port}
  option forwardfor
  default_backend b
backend b
  server s 127.0.0.1:{origin}
""")
    return Server(PROXY_CORE, port, "haproxy", "-db", "-f", str(config))


def start_floor(directory, *ports):
    port = harness.free_port()
    return Server(PROXY_CORE, port, compiled(directory, "floor_proxy"), str(port), *map(str, ports))


class Ours:
    def __init__(self, origin, shadow):
        self.gateway = harness.Gateway(agents=0, agent_flags=())
        self.port = harness.free_port()
        pki = self.gateway.data / "pki"
        self.agent = harness.Process(
            "apk-data-plane", "--id", "bench", "--control-plane", f"127.0.0.1:{self.gateway.grpc_port}",
            "--ca", pki / "ca.crt", "--cert", pki / "agent.crt", "--key", pki / "agent.key", "--data-dir",
            self.gateway.directory / "bench", "--admin", "127.0.0.1:0", "--workers", "1",
            # Both compete for one core here; niced down, the mirror would drop most of its copies.
            "--mirror-nice", "0", directory=self.gateway.directory)
        self.gateway.agents[1] = self.agent
        subprocess.run(["taskset", "-apc", str(PROXY_CORE), str(self.agent.process.pid)], check=True,
                       stdout=subprocess.DEVNULL)
        self.gateway.apply(harness.plain_gateway(self.port) + harness.backend("origin", origin) +
                           harness.backend("shadow", shadow) + harness.route("bench", f"""
  - backendRefs: [{harness.reference("origin")}]
  - matches: [{{path: {{type: PathPrefix, value: /mirror}}}}]
    filters: [{{type: RequestMirror, requestMirror: {{backendRef: {harness.reference("shadow")}}}}}]
    backendRefs: [{harness.reference("origin")}]
"""))
        self.workers = [self.agent.process.pid]

    def delivered(self):
        counts = self.gateway.mirror_counts("Backend default/shadow")
        return counts.get("sent", 0) / max(1, counts.get("matched", 0))

    def stop(self):
        self.gateway.close()


def load(server, path, seconds):
    """(microseconds of CPU a request, requests a second) under 64 keep-alive connections."""
    before = sum(map(cpu_seconds, server.workers))
    text = subprocess.run(["taskset", "-c", str(LOAD_CORE), "wrk", "-t1", "-c64", f"-d{seconds}s",
                           f"http://127.0.0.1:{server.port}{path}"], check=True, capture_output=True,
                          text=True).stdout
    spent = sum(map(cpu_seconds, server.workers)) - before
    if "Non-2xx" in text or "Socket errors" in text:
        raise AssertionError(text)
    requests = int(re.search(r"(\d+) requests in", text)[1])
    return spent / requests * 1e6, float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "build/bench.md")
    arguments = parser.parse_args()
    cases = [("plain", "/plain", ["nginx", "haproxy", "floor", "apk-data-plane"]),
             ("one mirror", "/mirror", ["nginx", "floor with mirror", "apk-data-plane"])]
    results = {}
    with contextlib.ExitStack() as stack:
        directory = pathlib.Path(tempfile.mkdtemp(prefix="apk-bench-"))
        stack.callback(shutil.rmtree, directory, ignore_errors=True)

        def running(server):
            stack.callback(server.stop)
            return server

        origin_port = running(start_origin(directory)).port
        shadow_port = running(start_shadow(directory)).port
        servers = {"nginx": running(start_nginx(directory, origin_port, shadow_port)),
                   "haproxy": running(start_haproxy(directory, origin_port)),
                   "floor": running(start_floor(directory, origin_port)),
                   "floor with mirror": running(start_floor(directory, origin_port, shadow_port)),
                   "apk-data-plane": running(Ours(origin_port, shadow_port))}
        for _ in range(arguments.rounds):
            for case, path, names in cases:
                for name in names:
                    results.setdefault((case, name), []).append(load(servers[name], path, arguments.seconds))
        delivered = servers["apk-data-plane"].delivered()
    lines = ["| case | program | CPU µs a request | × nginx | requests/s | × nginx |",
             "| --- | --- | ---: | ---: | ---: | ---: |"]
    for case, _, names in cases:
        base = [statistics.median(column) for column in zip(*results[case, "nginx"])]
        for name in names:
            cpu, rate = [statistics.median(column) for column in zip(*results[case, name])]
            lines.append(f"| {case} | {name} | {cpu:.1f} | {cpu / base[0]:.2f} | {rate:.0f} | {rate / base[1]:.2f} |")
    lines.append(f"\nCopies delivered by apk-data-plane: {delivered:.1%}. Medians of {arguments.rounds} rounds.")
    text = "\n".join(lines) + "\n"
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(text)
    print(text, end="")


if __name__ == "__main__":
    main()
