"""Traffic while everything is killed, stalled, changed and replaced: the short form of tests/bench/soak.py."""
import sys
import unittest

import harness

sys.path.append(str(harness.ROOT / "tests/bench"))
import soak  # noqa: E402


class Short(unittest.TestCase):
    def test_no_request_fails_that_its_origin_did_not_fail(self):
        with soak.Soak(seconds=16, rate=10) as run:
            run.run()
            rows = run.verdicts()
        self.assertNotIn(False, [right for _, _, right in rows], "\n" + soak.table(rows))


if __name__ == "__main__":
    harness.main()
