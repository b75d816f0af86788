#!/usr/bin/env python3
"""What an idle kept connection costs in memory, against nginx and HAProxy in one run: 9,000 clients ask once
each and stay, plain and over TLS; what the program's private memory grows by, divided by them.

    tests/bench/idle.py [--connections 9000]

Needs what proxy.py needs. The kernel's own memory of sockets is not counted.
"""
import argparse
import contextlib
import pathlib
import re
import resource
import shutil
import socket
import ssl
import tempfile
import time

import proxy
from proxy import harness


def private_bytes(pids):
    total = 0
    for pid in pids:
        rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        total += sum(int(kib) for kib in re.findall(r"^Private_\w+:\s+(\d+) kB", rollup, re.M)) * 1024
    return total


def ask(client):
    client.sendall(b"GET /plain HTTP/1.1\r\nHost: bench\r\n\r\n")
    answer = b""
    while len(answer) < 1024 or b"\r\n\r\n" not in answer:
        more = client.recv(65536)
        if not more:
            raise AssertionError("closed after " + repr(answer[:100]))
        answer += more


def connect(server, context):
    client = socket.create_connection(("127.0.0.1", server.tls_port if context else server.port))
    return context.wrap_socket(client, server_hostname="bench") if context else client


def cost(server, count, context):
    """Bytes a connection."""
    with contextlib.ExitStack() as stack:
        # What a program makes once, at its first requests, is not the connections' memory.
        for _ in range(100):
            with connect(server, context) as client:
                ask(client)
        before = private_bytes(server.workers)
        for _ in range(count):
            ask(stack.enter_context(connect(server, context)))
        return (settled(lambda: private_bytes(server.workers)) - before) / count


def settled(read):
    """What is read once it falls no more: some programs give memory back after a while."""
    least, rounds = read(), 0
    while rounds < 15:
        time.sleep(1)
        now = read()
        rounds = 0 if now < least else rounds + 1
        least = min(least, now)
    return least


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--connections", type=int, default=9_000)
    count = parser.parse_args().connections
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    print("| program | plain, KiB a connection | TLS, KiB a connection |\n| --- | ---: | ---: |")
    with contextlib.ExitStack() as stack:
        directory = pathlib.Path(tempfile.mkdtemp(prefix="apk-bench-"))
        stack.callback(shutil.rmtree, directory, ignore_errors=True)

        def running(server):
            stack.callback(server.stop)
            return server

        origin = running(proxy.start_origin(directory)).port
        pair = harness.make_certificate(directory / "tls", "bench")
        servers = {"nginx": running(proxy.start_nginx(directory, origin, origin, pair, connections=count + 500)),
                   "haproxy": running(proxy.start_haproxy(directory, origin, pair, connections=count + 500)),
                   "apk-data-plane": running(proxy.Ours(origin, origin, pair)),
                   "apk-data-plane --lean-tls": running(proxy.Ours(origin, origin, pair, "--lean-tls"))}
        for name, server in servers.items():
            plain, tls = (cost(server, count, way) / 1024 for way in (None, context))
            print(f"| {name} | {plain:.1f} | {tls:.1f} |", flush=True)


if __name__ == "__main__":
    main()
