"""HTTPRoute, sessionPersistence: the requests of one session go to one endpoint, whichever agent takes them."""
import re
import unittest

import suite
from harness import eventually
from suite import documents, endpoint_slice, http_route, path, service, to


def rule(prefix, session, *backends):
    return {"matches": [path(prefix)], "sessionPersistence": session,
            "backendRefs": list(backends or [to("pool")])}


class SessionPersistence(suite.SuiteTest):
    COUNT = 4

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # One Service with several endpoints, each an echo of its own.
        cls.pods = [cls.suite.echo(f"pod-{n}") for n in range(cls.COUNT)]
        other = cls.suite.echo("other")
        cls.suite.apply(documents(
            service("pool"), other.manifest(), *cls.slices(range(cls.COUNT)),
            http_route("sessions", ["same"], [
                rule("/cookie", {"cookie": {}}),
                rule("/named", {"type": "Cookie", "cookie": {"name": "affinity", "path": "/named"}}),
                rule("/permanent", {"absoluteTimeout": "1h", "cookie": {"lifetimeType": "Permanent"}}),
                rule("/short", {"absoluteTimeout": "1ms", "cookie": {}}),
                rule("/header", {"type": "Header", "header": {"name": "X-Session"}}),
                rule("/split", {"cookie": {}}, to("pool"), to("other")),
                rule("/older", {"sessionName": "older", "idleTimeout": "10m"}),
            ])))
        cls.places.setdefault("same", None)

    @classmethod
    def slices(cls, numbers):
        # An EndpointSlice has one list of ports for all of its endpoints.
        return [endpoint_slice("pool", ["127.0.0.1"], cls.pods[n].port, suffix=str(n)) for n in numbers]

    @staticmethod
    def cookie(reply):
        return reply.fields["set-cookie"].split(";")[0]

    def follow(self, target, headers, count=12):
        return {self.send("same", target, headers=headers).backend for _ in range(count)}

    def test_without_a_session_endpoints_take_turns(self):
        self.assertGreater(len(self.follow("/cookie", {})), 1)

    def test_by_cookie(self):
        first = self.send("same", "/cookie")
        self.assertIn("Path=/;", first.fields["set-cookie"] + ";")
        self.assertNotIn("Max-Age", first.fields["set-cookie"])
        self.assertEqual({first.backend}, self.follow("/cookie", {"Cookie": "a=b; " + self.cookie(first)}))
        again = self.send("same", "/cookie", headers={"Cookie": self.cookie(first)})
        self.assertNotIn("set-cookie", again.fields)

    def test_each_rule_has_a_cookie_of_its_own(self):
        name = self.cookie(self.send("same", "/cookie")).split("=")[0]
        self.assertNotEqual(name, self.cookie(self.send("same", "/split")).split("=")[0])

    def test_name_and_path(self):
        first = self.send("same", "/named")
        self.assertTrue(first.fields["set-cookie"].startswith("affinity="))
        self.assertIn("Path=/named", first.fields["set-cookie"])
        self.assertEqual({first.backend}, self.follow("/named", {"Cookie": self.cookie(first)}))

    def test_permanent(self):
        first = self.send("same", "/permanent")
        age = re.search(r"Max-Age=(\d+)", first.fields["set-cookie"])
        self.assertTrue(3590 <= int(age[1]) <= 3600)

    def test_absolute_timeout(self):
        first = self.send("same", "/short")
        headers = {"Cookie": self.cookie(first)}
        eventually(lambda: "set-cookie" in self.send("same", "/short", headers=headers).fields, "the session is over")
        # Each request begins another.
        self.assertGreater(len(self.follow("/short", headers)), 1)

    def test_by_header(self):
        first = self.send("same", "/header")
        headers = {"X-Session": first.fields["x-session"]}
        self.assertEqual({first.backend}, self.follow("/header", headers))

    def test_a_session_chooses_the_backend_too(self):
        for _ in range(6):
            first = self.send("same", "/split")
            self.assertEqual({first.backend}, self.follow("/split", {"Cookie": self.cookie(first)}))

    def test_the_older_form(self):
        first = self.send("same", "/older")
        self.assertTrue(first.fields["set-cookie"].startswith("older="))
        self.assertEqual({first.backend}, self.follow("/older", {"Cookie": self.cookie(first)}))

    def test_a_forged_value_is_none(self):
        name, _, value = self.cookie(self.send("same", "/cookie")).partition("=")
        forged = value[:-1] + ("A" if value[-1] != "A" else "B")
        self.assertGreater(len(self.follow("/cookie", {"Cookie": f"{name}={forged}"})), 1)

    def test_statuses(self):
        self.expect_parent("sessions", suite.ACCEPTED)


class EndpointsGo(suite.SuiteTest):
    def test_a_session_moves_when_its_endpoint_goes_and_survives_other_changes(self):
        pods = [self.suite.echo(f"pod-{n}") for n in range(3)]
        slices = {n: endpoint_slice("pool", ["127.0.0.1"], pods[n].port, suffix=str(n)) for n in range(3)}
        self.suite.apply(documents(service("pool"), *slices.values(), http_route(
            "sessions", ["same"], [{"sessionPersistence": {"cookie": {}}, "backendRefs": [to("pool")]}])))
        first = self.send("same")
        mine = int(first.backend[-1])
        headers = {"Cookie": first.fields["set-cookie"].split(";")[0]}
        others = [n for n in range(3) if n != mine]
        self.suite.delete("endpointslice", f"pool-{others[0]}")
        self.assertEqual({first.backend}, {self.send("same", headers=headers).backend for _ in range(10)})
        self.suite.delete("endpointslice", f"pool-{mine}")
        moved = self.send("same", headers=headers)
        self.assertEqual(f"pod-{others[1]}", moved.backend)
        self.assertIn("set-cookie", moved.fields)


if __name__ == "__main__":
    unittest.main(verbosity=2)
