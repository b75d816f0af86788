"""How much may be in one namespace: over gRPC and the Kubernetes API, and nothing half-applied."""
import http.client
import json
import ssl
import unittest

import harness
from harness import Gateway

LIMIT = 3


def in_shop(name, size=1):
    return (f"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: shop}}\n"
            f"data: {{text: {'x' * size}}}\n")


class Quota(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway(agents=0, control_plane_flags=("--limit-namespace-objects", LIMIT,
                                                             "--limit-namespace-bytes", 5000))
        cls.addClassCleanup(cls.gateway.close)

    def setUp(self):
        self.gateway.apkctl("delete", "namespace", "shop", check=False)
        self.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n")

    def apply(self, text, check=True):
        return self.gateway.apply(text, settle=False, check=check)

    def names(self):
        return [item["metadata"]["name"] for item in json.loads(
            self.gateway.apkctl("get", "cm", "-n", "shop", "-o", "json").stdout)["items"]]

    def post(self, name):
        pki = self.gateway.data / "pki"
        context = ssl.create_default_context(cafile=pki / "ca.crt")
        context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        connection = http.client.HTTPSConnection("127.0.0.1", self.gateway.kubernetes_port, context=context, timeout=60)
        self.addCleanup(connection.close)
        connection.request("POST", "/api/v1/namespaces/shop/configmaps",
                           json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}),
                           {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())

    def test_a_batch_that_is_too_much_leaves_nothing(self):
        refused = self.apply("".join(in_shop(f"n{number}") for number in range(LIMIT + 1)), check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("(Forbidden)", refused.stderr)
        self.assertIn('configmaps "n0" is forbidden: exceeded quota: namespace shop, requested: objects=4, used: '
                      "objects=0, limited: objects=3 (--limit-namespace-objects of the control plane)", refused.stderr)
        self.assertEqual(self.names(), [])
        self.apply("".join(in_shop(f"n{number}") for number in range(LIMIT)))
        self.assertEqual(len(self.names()), LIMIT)
        # Other namespaces have room, and what is there can be changed.
        self.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: other}\n"
                   + in_shop("elsewhere").replace("namespace: shop", "namespace: other"))
        self.apply(in_shop("n0", 2))

    def test_kubernetes_words_it_as_kubernetes_does(self):
        for number in range(LIMIT):
            self.assertEqual(self.post(f"k{number}")[0], 201)
        status, body = self.post("one-more")
        self.assertEqual((status, body["reason"], body["code"]), (403, "Forbidden", 403))
        self.assertIn('configmaps "one-more" is forbidden: exceeded quota: namespace shop, requested: objects=1, used: '
                      "objects=3, limited: objects=3", body["message"])
        self.gateway.apkctl("delete", "cm", "k0", "-n", "shop")
        self.assertEqual(self.post("one-more")[0], 201)

    def test_bytes_are_limited_and_counted_anew_after_a_start(self):
        self.apply(in_shop("large", 4000))
        self.gateway.control_plane.stop()
        self.gateway.start_control_plane()
        refused = self.apply(in_shop("more", 1000), check=False)
        self.assertRegex(refused.stderr, r"requested: bytes=1\d\d\d, used: bytes=4\d\d\d, limited: bytes=5000 "
                                         r"\(--limit-namespace-bytes of the control plane\)")
        self.apply(in_shop("large", 10))
        self.apply(in_shop("more", 1000))


if __name__ == "__main__":
    harness.main()
