"""For tests of Backends and what their settings do."""
import json

from harness import ClientTest, FakeBackend, Gateway, free_port, plain_gateway, reference, route


class BackendTest(ClientTest):
    """Tests of Backends; each has one, and a route to it, of a name of its own."""
    agent_flags = ()

    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway(agent_flags=cls.agent_flags)
        cls.addClassCleanup(cls.gateway.close)
        cls.port = free_port()
        cls.gateway.apply(plain_gateway(cls.port))

    def origin(self, *arguments, **named):
        made = FakeBackend(*arguments, **named)
        self.addCleanup(made.close)
        return made

    def serve(self, name, ports, rule="", **extra):
        """A Backend with these endpoints and a rule, with what is in `rule` beside, that leads /name there."""
        spec = json.dumps({"services": [{"host": "127.0.0.1", "port": port} for port in ports], **extra})
        return self.gateway.apply(
            f"---\napiVersion: dp.wso2.com/v1alpha2\nkind: Backend\nmetadata: {{name: {name}}}\n"
            f"spec: {spec}\n" + route(name, f"""
  - matches: [{{path: {{type: PathPrefix, value: /{name}}}}}]
    backendRefs: [{reference(name)}]
    {rule}
"""))

    def send(self, path, method="GET", body=b""):
        """A client that waits for its answer."""
        client = self.client()
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        client.send(f"{method} {path} HTTP/1.1\r\nHost: a\r\n{length}\r\n".encode() + body)
        return client

    def get(self, path, **request):
        return self.send(path, **request).read_response()
