"""Export: everything as manifests, which another control plane takes."""
import base64
import json
import pathlib
import subprocess
import tempfile
import unittest

import harness
from harness import Gateway

SECRET = "exported-secret-value"


def objects(port):
    return (harness.plain_gateway(port, "exported")
            + harness.backend("exported", 9)
            + harness.route("exported", f"  - backendRefs: [{harness.reference('exported')}]\n", parent="exported")
            + "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {team: a}}\n"
            + "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: shelf, namespace: shop}\n"
              "data: {tricky: \"yes\", lines: \"a\\n--- b\\n\", number: \"010\"}\n"
            + f"---\napiVersion: v1\nkind: Secret\nmetadata: {{name: kept, namespace: shop}}\n"
              f"stringData: {{password: {SECRET}}}\n")


class Export(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway(agents=0)
        cls.addClassCleanup(cls.gateway.close)
        cls.gateway.apply(objects(harness.free_port()), settle=False)
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="apk-export-", dir=cls.gateway.directory))

    def export(self, *arguments):
        return self.gateway.apkctl("export", *arguments)

    def names(self, text):
        found = subprocess.run([str(harness.BIN / "apkctl"), "validate", "-f", "-"], input=text, capture_output=True,
                               text=True)
        self.assertEqual(found.returncode, 0, found.stderr)
        return [line.split()[0] for line in found.stdout.splitlines()]

    def test_what_was_exported_changes_nothing_when_it_is_applied(self):
        text = self.export("--with-secrets").stdout
        names = self.names(text)
        self.assertIn("httproute.gateway.networking.k8s.io/exported", names)
        self.assertIn("namespace/shop", names)
        result = self.gateway.apply(text, settle=False)
        changed = [line for line in result.stdout.splitlines() if not line.endswith(" unchanged")]
        self.assertEqual(changed, [])

    def test_only_what_a_user_writes_is_exported(self):
        text = self.export("--with-secrets").stdout
        for owned in ("status:", "resourceVersion:", "uid:", "generation:", "creationTimestamp:", "managedFields:"):
            self.assertNotIn(owned, text)
        for own in ("token-issuer", "session-persistence", "development-issuer"):
            self.assertNotIn(own, text)

    def test_secrets_are_left_out_unless_they_are_asked_for_and_that_is_said(self):
        result = self.export()
        self.assertNotIn("\nkind: Secret\n", result.stdout)
        self.assertRegex(result.stderr, r"objects of revision \d+ exported\n")
        self.assertIn("Note: 2 Secrets were left out; --with-secrets takes them along", result.stderr)
        result = self.export("--with-secrets")
        self.assertIn(base64.b64encode(SECRET.encode()).decode(), result.stdout)
        self.assertNotIn("left out", result.stderr)

    def test_a_directory_holds_a_file_for_each_kind_and_applies_to_a_new_control_plane(self):
        target = self.directory / "all"
        self.export("-o", target, "--with-secrets")
        files = sorted(path.name for path in target.iterdir())
        self.assertTrue(files[0].endswith("-namespaces.yaml"), files)
        secrets = next(path for path in target.iterdir() if path.name.endswith("-secrets.yaml"))
        self.assertEqual(secrets.stat().st_mode & 0o777, 0o600)
        with Gateway(agents=0) as other:
            other.apkctl("apply", "-f", target)
            self.assertEqual(other.get("cm", "shelf", "-n", "shop")["data"],
                             {"tricky": "yes", "lines": "a\n--- b\n", "number": "010"})
            again = other.apkctl("export", "--with-secrets").stdout
        self.assertEqual(again, self.export("--with-secrets").stdout)

    def test_a_directory_follows_what_there_is(self):
        target = self.directory / "followed"
        self.gateway.apply("apiVersion: v1\nkind: Service\nmetadata: {name: brief}\nspec: {ports: [{port: 80}]}\n",
                           settle=False)
        self.export("-o", target, "--with-secrets")
        self.assertTrue([path for path in target.iterdir() if path.name.endswith("-services.yaml")])
        self.gateway.apkctl("delete", "service", "brief")
        self.export("-o", target)
        left = [path.name for path in target.iterdir()]
        self.assertFalse([name for name in left if name.endswith("-services.yaml")], left)
        self.assertTrue([name for name in left if name.endswith("-secrets.yaml")], left)  # It was not asked about them.

    def test_a_namespace_can_be_exported_alone(self):
        text = self.export("-n", "shop", "--with-secrets").stdout
        self.assertEqual(sorted(self.names(text)), ["configmap/shelf", "namespace/shop", "secret/kept"])
        self.assertEqual(json.loads(self.gateway.apkctl("get", "ns", "shop", "-o", "json").stdout)
                         ["metadata"]["labels"], {"team": "a"})

    def test_a_directory_that_cannot_be_made_is_an_error(self):
        result = self.gateway.apkctl("export", "-o", "/proc/nowhere", check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("error: can't make /proc/nowhere", result.stderr)


if __name__ == "__main__":
    harness.main()
