"""HTTPRoute: which rule takes a request (Gateway API, HTTPRouteMatch and the precedence of rules)."""
import unittest

import suite
from suite import ACCEPTED, http_route, path, to


def one_rule(name, match, backend, parent="same", **extra):
    """A route of a name, attached to `parent`, with one match and one backend."""
    return http_route(name, [parent], [{"matches": [match], "backendRefs": [to(backend)]}], **extra)


class WithinOneRoute(suite.SuiteTest):
    """One route, many rules: the more specific rule wins, wherever it stands in the list."""
    BACKENDS = ["v1", "v2", "v3"]
    MANIFEST = [
        http_route("paths", ["same"], [
            {"matches": [path("/")], "backendRefs": [to("v1")]},
            {"matches": [path("/v2")], "backendRefs": [to("v2")]},
            {"matches": [path("/v2/deep/")], "backendRefs": [to("v3")]},
            {"matches": [path("/v2/exact", "Exact")], "backendRefs": [to("v1")]},
        ], hostnames=["paths.example"]),
        http_route("conditions", ["same"], [
            {"backendRefs": [to("v1")]},
            {"matches": [{"headers": [{"name": "version", "value": "two"}]}], "backendRefs": [to("v2")]},
            {"matches": [{"headers": [{"name": "Version", "value": "two"}, {"name": "colour", "value": "blue"}]},
                         {"headers": [{"name": "colour", "value": "green"}]}],
             "backendRefs": [to("v3")]},
        ], hostnames=["headers.example"]),
        http_route("queries", ["same"], [
            {"matches": [{"queryParams": [{"name": "animal", "value": "whale"}]}], "backendRefs": [to("v1")]},
            {"matches": [{"queryParams": [{"name": "animal", "value": "dolphin"}]}], "backendRefs": [to("v2")]},
            {"matches": [{"queryParams": [{"name": "animal", "value": "dolphin"},
                                          {"name": "color", "value": "blue"}]}], "backendRefs": [to("v3")]},
        ], hostnames=["queries.example"]),
        http_route("methods", ["same"], [
            {"matches": [{"method": "POST"}], "backendRefs": [to("v1")]},
            {"matches": [{"method": "GET"}], "backendRefs": [to("v2")]},
            {"matches": [{**path("/path"), "method": "GET"}], "backendRefs": [to("v3")]},
            {"matches": [{"method": "PATCH", "headers": [{"name": "version", "value": "one"}]}],
             "backendRefs": [to("v2")]},
        ], hostnames=["methods.example"]),
        http_route("order", ["same"], [
            {"matches": [path("/long/prefix")], "backendRefs": [to("v1")]},
            {"matches": [{**path("/long"), "method": "GET",
                          "headers": [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}]}],
             "backendRefs": [to("v2")]},
            {"matches": [{**path("/method"), "headers": [{"name": "a", "value": "1"}]}], "backendRefs": [to("v1")]},
            {"matches": [{**path("/method"), "method": "GET"}], "backendRefs": [to("v2")]},
            {"matches": [{**path("/headers"), "queryParams": [{"name": "x", "value": "1"}, {"name": "y", "value": "2"}]}],
             "backendRefs": [to("v1")]},
            {"matches": [{**path("/headers"), "headers": [{"name": "a", "value": "1"}]}], "backendRefs": [to("v2")]},
            {"matches": [{**path("/first"), "headers": [{"name": "a", "value": "1"}]}], "backendRefs": [to("v1")]},
            {"matches": [{**path("/first"), "headers": [{"name": "b", "value": "1"}]}], "backendRefs": [to("v2")]},
        ], hostnames=["order.example"]),
    ]

    def test_longest_prefix_of_whole_elements(self):
        for target, backend in {"/": "v1", "/other": "v1", "/v2": "v2", "/v2/": "v2", "/v2/x": "v2", "/v2x": "v1",
                                "/V2": "v1", "/v2/deep": "v3", "/v2/deep/": "v3", "/v2/deep/er": "v3",
                                "/v2/deeper": "v2", "/v2?q=/v2/deep": "v2"}.items():
            with self.subTest(target):
                self.expect_backend(backend, "same", target, host="paths.example")

    def test_exact_path_wins_over_prefixes(self):
        self.expect_backend("v1", "same", "/v2/exact", host="paths.example")
        self.expect_backend("v1", "same", "/v2/exact?q=1", host="paths.example")
        self.expect_backend("v2", "same", "/v2/exact/", host="paths.example")
        self.expect_backend("v2", "same", "/v2/Exact", host="paths.example")

    def test_headers_are_all_needed_matches_are_alternatives(self):
        for headers, backend in [({}, "v1"), ({"version": "two"}, "v2"), ({"VERSION": "two"}, "v2"),
                                 ({"version": "Two"}, "v1"), ({"version": "two", "colour": "blue"}, "v3"),
                                 ({"colour": "blue"}, "v1"), ({"colour": "green"}, "v3"),
                                 ({"version": "two", "colour": "red"}, "v2")]:
            with self.subTest(headers):
                self.expect_backend(backend, "same", host="headers.example", headers=headers)

    def test_query_parameters(self):
        for target, backend in {"/?animal=whale": "v1", "/?animal=dolphin": "v2", "/?animal=dolphin&color=blue": "v3",
                                "/?color=blue&animal=dolphin": "v3", "/?animal=dolphin&color=red": "v2",
                                "/x?other=1&animal=whale": "v1"}.items():
            with self.subTest(target):
                self.expect_backend(backend, "same", target, host="queries.example")
        for target in ["/", "/?animal=Whale", "/?Animal=whale", "/?color=blue", "/?animal="]:
            with self.subTest(target):
                self.expect_status(404, "same", target, host="queries.example")

    def test_methods(self):
        self.expect_backend("v1", "same", host="methods.example", method="POST")
        self.expect_backend("v2", "same", host="methods.example", method="GET")
        self.expect_backend("v3", "same", "/path", host="methods.example", method="GET")
        self.expect_backend("v2", "same", host="methods.example", method="PATCH", headers={"version": "one"})
        self.expect_status(404, "same", host="methods.example", method="PATCH")
        self.expect_status(404, "same", host="methods.example", method="PUT")

    def test_what_decides_between_rules(self):
        both = {"a": "1", "b": "2"}
        self.expect_backend("v1", "same", "/long/prefix", host="order.example", headers=both)
        self.expect_backend("v2", "same", "/long/other", host="order.example", headers=both)
        self.expect_backend("v2", "same", "/method", host="order.example", headers={"a": "1"})
        self.expect_backend("v2", "same", "/headers?x=1&y=2", host="order.example", headers={"a": "1"})
        self.expect_backend("v1", "same", "/first", host="order.example", headers={"a": "1", "b": "1"})

    def test_hosts_are_compared_without_case_and_port(self):
        self.expect_backend("v2", "same", "/v2", host="PATHS.example:1234")
        self.expect_status(404, "same", "/v2", host="unknown.example")


class AcrossRoutes(suite.SuiteTest):
    """Several routes on one listener."""
    BACKENDS = ["v1", "v2", "v3"]
    GATEWAYS = {"same": [{}], "narrow": [{"name": "one", "hostname": "one.narrow.example"},
                                         {"name": "wild", "hostname": "*.narrow.example"}]}
    MANIFEST = [
        one_rule("prefix", path("/v2"), "v2"),
        one_rule("header", {"headers": [{"name": "version", "value": "one"}]}, "v1"),
        one_rule("exact", path("/v2/exact", "Exact"), "v3"),
        one_rule("wild-host", path("/very/long/prefix"), "v1", hostnames=["*.example.com"]),
        one_rule("long-wild-host", path("/very"), "v2", hostnames=["*.more.example.com"]),
        one_rule("exact-host", path("/"), "v3", hostnames=["very.more.example.com"]),
        one_rule("b-alphabet", path("/same"), "v2", hostnames=["alphabet.example"]),
        one_rule("a-alphabet", path("/same"), "v1", hostnames=["alphabet.example"]),
        # By age, name and path the first would go before the second, and this one before the third.
        one_rule("a-any", path("/same/long"), "v1", parent="narrow"),
        one_rule("b-wild", path("/same"), "v2", parent="narrow", hostnames=["*.narrow.example"]),
        one_rule("c-exact", path("/"), "v3", parent="narrow", hostnames=["one.narrow.example"]),
    ]

    def test_rules_of_all_routes_compete(self):
        self.expect_backend("v2", "same", "/v2", host="any.example")
        self.expect_backend("v2", "same", "/v2/x", host="any.example", headers={"version": "one"})
        self.expect_backend("v3", "same", "/v2/exact", host="any.example", headers={"version": "one"})
        self.expect_backend("v1", "same", "/other", host="any.example", headers={"version": "one"})
        self.expect_status(404, "same", "/other", host="any.example")

    def test_the_most_specific_hostname_wins_before_the_path(self):
        self.expect_backend("v3", "same", "/very/long/prefix", host="very.more.example.com")
        self.expect_backend("v2", "same", "/very/long/prefix", host="a.more.example.com")
        self.expect_backend("v2", "same", "/very/long/prefix", host="a.b.more.example.com")
        self.expect_backend("v1", "same", "/very/long/prefix", host="more.example.com")
        self.expect_backend("v1", "same", "/very/long/prefix", host="a.b.example.com")
        self.expect_status(404, "same", "/very/long/prefix", host="example.com")

    def test_a_listener_makes_no_hostname_of_a_route_more_specific(self):
        self.expect_backend("v3", "narrow", "/same/long", host="one.narrow.example")
        self.expect_backend("v2", "narrow", "/same/long", host="two.narrow.example")
        self.suite.delete("httproute", "c-exact")
        self.expect_backend("v2", "narrow", "/same/long", host="one.narrow.example")
        self.expect_status(404, "narrow", "/same", host="other.example")

    def test_equal_routes_of_one_age_go_by_name(self):
        self.expect_backend("v1", "same", "/same", host="alphabet.example")
        self.expect_parent("a-alphabet", ACCEPTED)
        self.expect_parent("b-alphabet", ACCEPTED)


class Age(suite.SuiteTest):
    BACKENDS = ["v1", "v2"]

    def test_the_older_route_wins(self):
        self.suite.apply(suite.documents(one_rule("younger-by-name", path("/age"), "v1")))
        created = self.suite.get("httproute", "younger-by-name")["metadata"]["creationTimestamp"]
        # Ages are whole seconds: a route of the next second is wanted.
        suite.eventually(lambda: self.apply_again() > created, "a second passes")
        self.expect_backend("v1", "same", "/age")
        self.suite.delete("httproute", "younger-by-name")
        self.expect_backend("v2", "same", "/age")

    def apply_again(self):
        self.suite.apkctl("delete", "httproute", "a-first-by-name", check=False)
        self.suite.apply(suite.documents(one_rule("a-first-by-name", path("/age"), "v2")))
        return self.suite.get("httproute", "a-first-by-name")["metadata"]["creationTimestamp"]


if __name__ == "__main__":
    unittest.main()
