"""Mirrors in every state that is feared, for tests of what they cost the primary. Each is a context manager that
gives the manifest of a Backend `mirror`."""
import asyncio
import contextlib
import json
import socket
import struct
import threading

from harness import backend, free_port

GIBIBYTE = 1 << 30


class LoopMirror:
    """One thread's event loop, which runs `prepare_thread` first; `serve(reader, writer)` is called for each connection. `connections` were taken, and
    `requests` came on them as far as the server counts them."""

    prepare_thread = staticmethod(lambda: None)

    def __init__(self, serve, receive_buffer=0):
        self.connections = 0
        self.requests = 0
        self._serve = serve
        self._listener = socket.socket()
        if receive_buffer:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(512)
        self.port = self._listener.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self):
        self.prepare_thread()
        asyncio.set_event_loop(self._loop)
        self._loop.set_exception_handler(lambda *_: None)  # Of connections that are cut off as it ends.
        server = self._loop.run_until_complete(
            asyncio.start_server(self._connected, sock=self._listener, limit=1 << 20))
        self._loop.run_forever()
        server.close()
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self._loop.close()

    async def _connected(self, reader, writer):
        self.connections += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError,
                                 asyncio.CancelledError):
            await self._serve(self, reader, writer)
        writer.transport.abort()


def after(seconds):
    """Answers each request so long after its head. For requests without bodies."""
    async def serve(mirror, reader, writer):
        while True:
            await reader.readuntil(b"\r\n\r\n")
            mirror.requests += 1
            await asyncio.sleep(seconds)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            await writer.drain()
    return serve


async def reset(_, __, writer):
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def endless_answer(mirror, reader, writer):
    while True:
        await reader.readuntil(b"\r\n\r\n")
        mirror.requests += 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % GIBIBYTE)
        for _ in range(GIBIBYTE >> 16):
            writer.write(bytes(1 << 16))
            await writer.drain()


async def slow_reader(_, reader, __):
    while await reader.read(1024):
        await asyncio.sleep(1)


@contextlib.contextmanager
def _served(serve, receive_buffer=0, **extra):
    with LoopMirror(serve, receive_buffer) as mirror:
        yield backend("mirror", mirror.port, **extra)


@contextlib.contextmanager
def refused():
    yield backend("mirror", free_port())


@contextlib.contextmanager
def black_hole():
    """A connection to it is never answered: the listener's queue is full and nobody takes from it."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield backend("mirror", listener.getsockname()[1])


@contextlib.contextmanager
def unknown_name():
    spec = {"services": [{"host": "no-such-host.invalid", "port": 80}]}
    yield ("---\napiVersion: dp.wso2.com/v1alpha2\nkind: Backend\nmetadata: {name: mirror}\n"
           f"spec: {json.dumps(spec)}\n")


@contextlib.contextmanager
def no_tls():
    """Spoken to with TLS, which it does not speak."""
    async def serve(_, reader, writer):
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    with _served(serve, protocol="https") as manifest:
        yield manifest


# Of a mirror: its state in words, and what makes it.
BAD_STATES = {
    "answers after 100 ms": lambda: _served(after(0.1)),
    "answers after 1 s": lambda: _served(after(1)),
    "answers after 60 s": lambda: _served(after(60)),
    "refuses": refused,
    "black hole": black_hole,
    "resets": lambda: _served(reset),
    "TLS fails": no_tls,
    "name unknown": unknown_name,
    "answers 1 GiB": lambda: _served(endless_answer),
    "reads 1 kB/s": lambda: _served(slow_reader, 4096),
}
