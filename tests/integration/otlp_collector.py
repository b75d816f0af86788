"""A collector of spans: OTLP over HTTP on a raw socket, and a decoder of the protobuf that needs no generated code."""
import struct

import harness

KINDS = {2: "server", 3: "client"}


class Malformed(AssertionError):
    pass


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def fields(data):
    """[(number, value)] of a message: int for varint, bytes for the other wire types."""
    found, at = [], 0
    while at < len(data):
        tag, at = varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, at = varint(data, at)
        else:
            size = {1: 8, 5: 4}.get(kind)
            if kind == 2:
                size, at = varint(data, at)
            if size is None or at + size > len(data):
                raise Malformed(f"field {number} of wire type {kind}")
            value, at = data[at:at + size], at + size
        found.append((number, value))
    return found


def all_of(data, number):
    return [value for found, value in fields(data) if found == number]


def one_of(data, number, default=b""):
    return ([default] + all_of(data, number))[-1]


def any_value(data):
    (number, value), = fields(data)
    if number == 1:
        return value.decode()  # Strict: what is no UTF-8 would be refused.
    return bool(value) if number == 2 else value


def attributes(data, number):
    pairs = [(one_of(entry, 1).decode(), any_value(one_of(entry, 2))) for entry in all_of(data, number)]
    if len(dict(pairs)) != len(pairs):
        raise Malformed(f"an attribute twice: {pairs}")
    return dict(pairs)


class Span:
    def __init__(self, data, resource):
        self.resource = resource
        self.trace, self.id, self.parent = (one_of(data, n).hex() for n in (1, 2, 4))
        self.state, self.name = one_of(data, 3).decode(), one_of(data, 5).decode()
        self.kind = KINDS[one_of(data, 6, 0)]
        self.begun, self.ended = (struct.unpack("<Q", one_of(data, n))[0] for n in (7, 8))
        self.attributes = attributes(data, 9)
        self.failed = one_of(one_of(data, 15), 3, 0) == 2
        self.flags = struct.unpack("<I", one_of(data, 16))[0]
        if (len(self.trace), len(self.id)) != (32, 16) or len(self.parent) not in (0, 16):
            raise Malformed(f"ids: {self.trace} {self.id} {self.parent}")
        if self.ended < self.begun:
            raise Malformed("it ends before it begins")

    def __getitem__(self, key):
        return self.attributes.get(key)

    def __repr__(self):
        return f"{self.kind} {self.name} {self.id} < {self.parent} {self.attributes}"


def spans_of(body):
    """Of an ExportTraceServiceRequest."""
    spans = []
    for resource_spans in all_of(body, 1):
        resource = attributes(one_of(resource_spans, 1), 1)
        for scope in all_of(resource_spans, 2):
            spans += [Span(data, resource) for data in all_of(scope, 2)]
    return spans


class Collector(harness.FakeBackend):
    """Takes what is posted to it. `answer(number)`, where there is one, gives the bytes to answer post `number`
    (from 1 on) with, or what else FakeBackend knows; those posts are not taken. None from it: taken."""

    def __init__(self, answer=lambda number: None, port=0, certificate=None):
        self.answer = answer
        self.taken = []
        self.posts = 0
        super().__init__(self._take, port=port, certificate=certificate)

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    def _take(self, request):
        self.posts += 1
        refusal = self.answer(self.posts)
        if refusal is not None:
            return refusal
        if (request.method, request.target) != ("POST", "/v1/traces"):
            raise Malformed(f"{request.method} {request.target}")
        if request.header("Content-Type") != "application/x-protobuf" or request.version != "HTTP/1.1":
            raise Malformed(f"{request.version} {request.fields}")
        self.taken += spans_of(request.body)
        return harness.response(b"", fields=["Content-Type: application/x-protobuf"])

    def spans(self, count):
        """At least so many, by when they began."""
        harness.eventually(lambda: len(self.taken) >= count, f"{count} spans, not {self.taken}")
        return sorted(self.taken, key=lambda span: (span.kind != "server", span.begun))
