"""FEATURES.md says what is supported: each named test exists, and the GatewayClass says the same."""
import ast
import pathlib
import re
import unittest

import suite

HERE = pathlib.Path(__file__).resolve().parent


def rows():
    """{feature: "file Class[.method]", or None} of the table."""
    found = {}
    for line in (HERE / "FEATURES.md").read_text().splitlines():
        row = re.fullmatch(r"\| (\w+) \| (?:core|extended)(?:, experimental)? \| (?:`([^`]+)`|–) \|", line)
        if row:
            found[row[1]] = row[2]
    return found


def tests_of(file):
    """Names of the test classes and, as Class.method, of the tests in a file, here or in integration/."""
    names = set()
    path = next(path for path in (HERE / file, HERE.parent / "integration" / file) if path.exists())
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef):
            methods = [n.name for n in node.body if isinstance(n, ast.FunctionDef) and n.name.startswith("test_")]
            if methods:
                names.add(node.name)
                names.update(f"{node.name}.{method}" for method in methods)
    return names


class Features(unittest.TestCase):
    def test_the_table_is_sorted_and_whole(self):
        names = list(rows())
        self.assertEqual(sorted(names), names)
        lines = [line for line in (HERE / "FEATURES.md").read_text().splitlines() if line.startswith("| ")]
        self.assertEqual(len(lines) - 2, len(names), "a row is malformed or stands twice")

    def test_each_test_exists(self):
        for feature, test in rows().items():
            if test:
                with self.subTest(feature):
                    file, name = test.split(" ")
                    self.assertIn(name, tests_of(file))

    def test_the_class_lists_what_has_a_test(self):
        with suite.Suite() as running:
            listed = [f["name"] for f in running.status("gatewayclass", "apk")[0]["supportedFeatures"]]
        self.assertEqual([name for name, test in rows().items() if test], listed)


if __name__ == "__main__":
    unittest.main()
