"""apply --prune: what left the files of a set leaves the gateway, and nothing else does."""
import json
import unittest

import harness
from harness import Gateway


def labelled(name, app="shop"):
    return (f"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, labels: {{app: {app}}}}}\n"
            "data: {key: '1'}\n")


class Prune(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway(agents=0)
        cls.addClassCleanup(cls.gateway.close)

    def apply(self, text, *arguments, check=True):
        return self.gateway.apkctl("apply", "-f", "-", *arguments, stdin=text, check=check)

    def there(self, name):
        return self.gateway.apkctl("get", "cm", name, check=False).returncode == 0

    def revision(self):
        return json.loads(self.gateway.apkctl("version", "-o", "json").stdout)["revision"]

    def test_what_the_set_has_no_more_is_deleted_and_listed(self):
        self.apply(labelled("gone") + labelled("stays"), "--prune", "-l", "app=shop")
        self.apply(labelled("stranger"))  # It has the labels, but was not applied as one of the set.
        before = self.revision()
        dry = self.apply(labelled("stays"), "--prune", "-l", "app=shop", "--dry-run=server")
        self.assertEqual(dry.stdout, "configmap/stays unchanged (server dry run)\n"
                                     "configmap/gone pruned (server dry run)\n")
        self.assertTrue(self.there("gone"))
        done = self.apply(labelled("stays"), "--prune", "-l", "app=shop")
        self.assertEqual(done.stdout, "configmap/stays unchanged\nconfigmap/gone pruned\n")
        self.assertEqual(self.revision(), before + 1)
        self.assertEqual([self.there(name) for name in ("gone", "stays", "stranger")], [False, True, True])

    def test_sets_do_not_touch_each_other(self):
        self.apply(labelled("bread", "bakery"), "--prune", "-l", "app=bakery")
        self.apply(labelled("nails", "tools"), "--prune", "-l", "app=tools")
        self.assertTrue(self.there("bread"))

    def test_only_what_is_selected_is_applied(self):
        result = self.apply(labelled("chosen", "choice") + labelled("passed", "other"), "-l", "app=choice")
        self.assertEqual(result.stdout, "configmap/chosen created\n")
        self.assertIn("Note: 1 objects without the labels were left out", result.stderr)
        self.assertFalse(self.there("passed"))

    def test_the_label_that_names_the_set_is_needed(self):
        refused = self.apply(labelled("a"), "--prune", check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("--prune needs -l", refused.stderr)
        refused = self.apply(labelled("a"), "--prune", "-l", "app=none-has-it", check=False)
        self.assertIn('none of the objects has the labels "app=none-has-it"', refused.stderr)
        refused = self.apply(labelled("a"), "--prune", "-l", "app=shop", "--dry-run", check=False)
        self.assertIn("use --dry-run=server", refused.stderr)

    def test_a_diff_shows_nothing_of_sets(self):
        self.apply(labelled("compared", "diffed"), "--prune", "-l", "app=diffed")
        result = self.gateway.apkctl("diff", "-f", "-", stdin=labelled("compared", "diffed"), check=False)
        self.assertEqual((result.returncode, result.stdout), (0, ""))


if __name__ == "__main__":
    harness.main()
