#!/usr/bin/env python3
"""CPU time per request against nginx and HAProxy, in one run: one pinned worker each on core 0, the load
(wrk) and the origin (origin.cc) on core 1, so cheap that it is the proxies that are busy; medians over rounds
that alternate between the programs.

    tests/bench/proxy.py [--cases NAME,…|all] [--rounds 5] [--seconds 5] [--latency] [--output FILE]

The floor is a bare epoll loop (floor_proxy.cc) that passes bytes on and parses nothing: what the kernel's
own work costs. --latency adds latencies at half of the rate that nginx reaches (paced.cc), and system calls a
request, which needs perf. Needs the release build, g++ and Debian's nginx-light, haproxy and wrk. Absolute figures belong to the machine;
quote the ratios.
"""
import argparse
import base64
import contextlib
import dataclasses
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

    def __init__(self, core, port, *command, tls_port=None):
        self.process = subprocess.Popen(["taskset", "-c", str(core), *command],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.port, self.tls_port = port, tls_port
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


def nginx(directory, name, core, port, servers, tls_port=None, connections=4096):
    config = directory / f"{name}.conf"
    config.write_text(f"""
{"user root;" if os.geteuid() == 0 else ""} worker_processes 1; worker_rlimit_nofile {2 * connections};
daemon off; pid {directory}/{name}.pid; error_log {directory}/{name}.log;
events {{ worker_connections {connections}; }}
http {{ access_log off; keepalive_requests 100000000; client_body_temp_path {directory}/{name}-body;
{servers} }}
""")
    return Server(core, port, "nginx", "-c", str(config), "-p", str(directory), tls_port=tls_port)


def start_origin(directory):
    port = harness.free_port()
    return Server(LOAD_CORE, port, compiled(directory, "origin"), str(port))


def start_shadow(directory):
    """What mirrors send to: a server as users have it."""
    port = harness.free_port()
    return nginx(directory, "shadow", LOAD_CORE, port,
                 f'server {{ listen 127.0.0.1:{port}; client_max_body_size 0; location / {{ return 200 "copy"; }} }}')


def compiled(directory, name):
    program = directory / name
    if not program.exists():
        source = ROOT / "tests/bench" / f"{name}.cc"
        subprocess.run(["g++", "-std=c++20", "-O2", "-o", program, source, "-lssl", "-lcrypto"], check=True)
    return str(program)


def start_nginx(directory, origin, shadow, pair, connections=4096):
    port, tls_port = harness.free_port(), harness.free_port()
    certificate, key = pair
    return nginx(directory, "proxy", PROXY_CORE, port, f"""
upstream origin {{ server 127.0.0.1:{origin}; keepalive 128; keepalive_requests 100000000; }}
upstream shadow {{ server 127.0.0.1:{shadow}; keepalive 128; keepalive_requests 100000000; }}
server {{ listen 127.0.0.1:{port}; listen 127.0.0.1:{tls_port} ssl http2;
  ssl_certificate {certificate}; ssl_certificate_key {key}; ssl_protocols TLSv1.2 TLSv1.3;
  proxy_http_version 1.1; proxy_set_header Connection ""; client_max_body_size 0;
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme;
  location / {{ proxy_pass http://origin; }}
  location /mirror {{ mirror /shadow; proxy_pass http://origin; }}
  location /mirror-in-memory {{ client_body_buffer_size 2m; mirror /shadow; proxy_pass http://origin; }}
  location /two-mirrors {{ mirror /shadow; mirror /shadow-2; proxy_pass http://origin; }}
  location = /shadow {{ internal; proxy_pass http://shadow$request_uri; }}
  location = /shadow-2 {{ internal; proxy_pass http://shadow$request_uri; }} }}""", tls_port, connections)


def start_haproxy(directory, origin, pair, connections=4096):
    port, tls_port = harness.free_port(), harness.free_port()
    bundle = directory / "haproxy.pem"
    bundle.write_text("".join(pathlib.Path(part).read_text() for part in pair))
    config = directory / "haproxy.cfg"
    config.write_text(f"""
global
  nbthread 1
  maxconn {connections}
defaults
  mode http
  maxconn {connections}
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend f
  bind 127.0.0.1:{port}
  bind 127.0.0.1:{tls_port} ssl crt {bundle} alpn h2,http/1.1
  option forwardfor
  default_backend b
backend b
  server s 127.0.0.1:{origin}
""")
    return Server(PROXY_CORE, port, "haproxy", "-db", "-f", str(config), tls_port=tls_port)


def start_floor(directory, *ports):
    port = harness.free_port()
    return Server(PROXY_CORE, port, compiled(directory, "floor_proxy"), str(port), *map(str, ports))


def pinned_gateway(*agent_flags):
    """A gateway whose one agent has one worker, all its threads on the proxies' core."""
    gateway = harness.Gateway(agents=0, agent_flags=("--workers", "1", *agent_flags))
    gateway.start_agent()
    subprocess.run(["taskset", "-apc", str(PROXY_CORE), str(gateway.agents[1].process.pid)], check=True,
                   stdout=subprocess.DEVNULL)
    return gateway


class Ours:
    def __init__(self, origin, shadow, pair, *agent_flags):
        # Both threads compete for one core here; niced down, the mirror would drop most of its copies.
        self.gateway = pinned_gateway("--mirror-nice", "0", *agent_flags)
        self.port, self.tls_port = harness.free_port(), harness.free_port()
        copy = f"{{type: RequestMirror, requestMirror: {{backendRef: {harness.reference('shadow')}}}}}"
        self.gateway.apply(self.listeners(pair) + harness.backend("origin", origin) +
                           harness.backend("shadow", shadow) + harness.route("bench", f"""
  - backendRefs: [{harness.reference("origin")}]
  - matches: [{{path: {{type: PathPrefix, value: /mirror}}}}]
    filters: [{copy}]
    backendRefs: [{harness.reference("origin")}]
  - matches: [{{path: {{type: PathPrefix, value: /two-mirrors}}}}]
    filters: [{copy}, {copy}]
    backendRefs: [{harness.reference("origin")}]
"""))
        self.workers = [self.gateway.agents[1].process.pid]

    def listeners(self, pair):
        certificate, key = (base64.b64encode(pathlib.Path(part).read_bytes()).decode() for part in pair)
        return f"""
apiVersion: v1
kind: Secret
metadata: {{name: bench}}
type: kubernetes.io/tls
data: {{tls.crt: {certificate}, tls.key: {key}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: plain}}
spec:
  gatewayClassName: apk
  listeners:
  - {{name: http, port: {self.port}, protocol: HTTP}}
  - {{name: https, port: {self.tls_port}, protocol: HTTPS, tls: {{certificateRefs: [{{name: bench}}]}}}}
"""

    def delivered(self):
        counts = self.gateway.mirror_counts("Backend default/shadow")
        return counts.get("sent", 0) / max(1, counts.get("matched", 0))

    def stop(self):
        self.gateway.close()


@dataclasses.dataclass
class Case:
    """What is asked: by wrk with 64 kept connections, or by h2load with 8 of 32 streams each."""
    name: str
    path: str
    programs: tuple = ("nginx", "haproxy", "apk-data-plane")
    body: int = 0  # Bytes of a POST.
    tls: bool = False
    http2: bool = False
    closing: bool = False  # A connection a request: with TLS a full handshake (handshakes.cc).
    connections: int = 64
    paced: bool = False  # With --latency, too.

    def url(self, server):
        return f"https://127.0.0.1:{server.tls_port}{self.path}" if self.tls else f"http://127.0.0.1:{server.port}{self.path}"


MIRRORED = ("nginx", "floor with mirror", "apk-data-plane")
CASES = [
    Case("plain", "/plain", ("nginx", "haproxy", "floor", "apk-data-plane"), paced=True),
    Case("one mirror", "/mirror", MIRRORED, paced=True),
    Case("two mirrors", "/two-mirrors", ("nginx", "apk-data-plane")),
    Case("POST 16 KiB", "/plain", body=16 << 10),
    # nginx writes the body of a mirrored request to a file, unless it is told to hold it in memory.
    Case("POST 16 KiB with a mirror", "/mirror-in-memory", ("nginx", "apk-data-plane"), body=16 << 10),
    Case("POST 1 MiB with a mirror", "/mirror", ("nginx", "apk-data-plane"), body=1 << 20, connections=8),
    Case("POST 1 MiB with a mirror in memory", "/mirror-in-memory", ("nginx", "apk-data-plane"), body=1 << 20,
         connections=8),
    Case("10 MiB answers", "/large", connections=4),
    Case("TLS 1.3", "/plain", tls=True),
    Case("TLS 1.3 handshakes", "/plain", tls=True, closing=True),
    Case("HTTP/2 over TLS", "/plain", tls=True, http2=True),
]


def wrk(case, url, seconds, directory=None):
    """(requests, requests a second); a failed one is an error. A body needs a `directory` for its script."""
    extra = ["-H", "Connection: close"] if case.closing else []
    if case.body:
        script = directory / f"body-{case.body}.lua"
        script.write_text(f'wrk.method = "POST"\nwrk.body = string.rep("x", {case.body})\n')
        extra += ["-s", str(script)]
    text = subprocess.run(["taskset", "-c", str(LOAD_CORE), "wrk", "-t1", f"-c{case.connections}", f"-d{seconds}s",
                           *extra, url], check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in text or "Socket errors" in text:
        raise AssertionError(text)
    return int(re.search(r"(\d+) requests in", text)[1]), float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1])


def h2load(url, seconds):
    text = subprocess.run(["taskset", "-c", str(LOAD_CORE), "h2load", "-c8", "-m32", f"-D{seconds}", url], check=True,
                          capture_output=True, text=True).stdout
    total, failed = re.search(r"(\d+) succeeded, (\d+) failed", text).groups()
    if "Application protocol: h2" not in text or int(failed) > 0:
        raise AssertionError(text)
    return int(total), float(re.search(r"([\d.]+) req/s", text)[1])


def handshakes(server, case, seconds, directory):
    """As wrk, which would resume sessions."""
    text = subprocess.run(["taskset", "-c", str(LOAD_CORE), compiled(directory, "handshakes"), str(server.tls_port),
                           case.path, str(case.connections), str(seconds)], check=True, capture_output=True,
                          text=True).stdout
    requests, took = text.split()
    return int(requests), int(requests) / float(took)


def load(server, case, seconds, directory):
    """(microseconds of CPU a request, requests a second)"""
    before = sum(map(cpu_seconds, server.workers))
    url = case.url(server)
    if case.tls and case.closing:
        requests, rate = handshakes(server, case, seconds, directory)
    else:
        requests, rate = h2load(url, seconds) if case.http2 else wrk(case, url, seconds, directory)
    spent = sum(map(cpu_seconds, server.workers)) - before
    return spent / requests * 1e6, rate


def paced(server, case, rate, seconds, directory):
    """(median, 99th percentile) in microseconds, counted from when each request was due."""
    text = subprocess.run(["taskset", "-c", str(LOAD_CORE), compiled(directory, "paced"), str(server.port), case.path,
                           str(case.connections), str(rate), str(seconds)], check=True, capture_output=True,
                          text=True).stdout
    _, median, _, p99, *_ = map(float, text.split())
    return median, p99


def system_calls(server, case, seconds, directory):
    """System calls a request."""
    counter = subprocess.Popen(["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", "-p",
                                ",".join(map(str, server.workers)), "sleep", str(seconds + 1)],
                               stderr=subprocess.PIPE, text=True)
    requests, _ = wrk(case, case.url(server), seconds, directory)
    return int(counter.communicate()[1].split(",")[0]) / requests


def latency_lines(cases, servers, rates, rounds, seconds, directory):
    """The table of --latency; `rates`: what nginx reached, by case."""
    lines = ["| case at half of nginx's rate | program | p50 µs | p99 µs | p99 × nginx | system calls a request |",
             "| --- | --- | ---: | ---: | ---: | ---: |"]
    for case in cases:
        found = {}
        for _ in range(rounds):
            for name in case.programs:
                found.setdefault(name, []).append(paced(servers[name], case, rates[case.name] / 2, seconds, directory))
        base = statistics.median(p99 for _, p99 in found["nginx"])
        for name in case.programs:
            median, p99 = [statistics.median(column) for column in zip(*found[name])]
            calls = system_calls(servers[name], case, seconds, directory)
            lines.append(f"| {case.name} | {name} | {median:.0f} | {p99:.0f} | {p99 / base:.2f} | {calls:.1f} |")
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", default="plain,one mirror", help="names, with commas between, or all: "
                        + ", ".join(case.name for case in CASES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--latency", action="store_true", help="latencies and system calls, too")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "build/bench.md")
    arguments = parser.parse_args()
    wanted = arguments.cases.split(",")
    cases = [case for case in CASES if arguments.cases == "all" or case.name in wanted]
    results = {}
    with contextlib.ExitStack() as stack:
        directory = pathlib.Path(tempfile.mkdtemp(prefix="apk-bench-"))
        stack.callback(shutil.rmtree, directory, ignore_errors=True)

        def running(server):
            stack.callback(server.stop)
            return server

        origin_port = running(start_origin(directory)).port
        shadow_port = running(start_shadow(directory)).port
        pair = harness.make_certificate(directory / "tls", "bench")
        servers = {"nginx": running(start_nginx(directory, origin_port, shadow_port, pair)),
                   "haproxy": running(start_haproxy(directory, origin_port, pair)),
                   "floor": running(start_floor(directory, origin_port)),
                   "floor with mirror": running(start_floor(directory, origin_port, shadow_port)),
                   "apk-data-plane": running(Ours(origin_port, shadow_port, pair))}
        for _ in range(arguments.rounds):
            for case in cases:
                for name in case.programs:
                    results.setdefault((case.name, name), []).append(
                        load(servers[name], case, arguments.seconds, directory))
        delivered = servers["apk-data-plane"].delivered()
        rates = {case.name: statistics.median(rate for _, rate in results[case.name, "nginx"]) for case in cases}
        more = latency_lines([case for case in cases if case.paced], servers, rates, arguments.rounds,
                             arguments.seconds, directory) if arguments.latency else []
    lines = ["| case | program | CPU µs a request | × nginx | requests/s | × nginx |",
             "| --- | --- | ---: | ---: | ---: | ---: |"]
    for case in cases:
        base = [statistics.median(column) for column in zip(*results[case.name, "nginx"])]
        for name in case.programs:
            cpu, rate = [statistics.median(column) for column in zip(*results[case.name, name])]
            lines.append(f"| {case.name} | {name} | {cpu:.1f} | {cpu / base[0]:.2f} | {rate:.0f} | {rate / base[1]:.2f} |")
    lines.append(f"\nCopies delivered by apk-data-plane: {delivered:.1%}. Medians of {arguments.rounds} rounds.")
    text = "\n".join(lines + ([""] + more if more else [])) + "\n"
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(text)
    print(text, end="")


if __name__ == "__main__":
    main()
