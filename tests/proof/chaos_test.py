"""kill -9 of everything in turn, in its short form. The seed is printed; APK_PROOF_SEED repeats it."""
import os
import random
import unittest

import harness
from chaos import Chaos, table_of
from etcd_cluster import ETCD

SEED = int(os.environ.get("APK_PROOF_SEED", random.SystemRandom().randrange(1 << 30)))
# Of builds without optimisation, beside other tests: a goal is a second, and 0.3.
READY_SECONDS_MAX = 10
AGENT_SECONDS_MAX = 5


@unittest.skipUnless(os.access(ETCD, os.X_OK), "etcd is not installed")
class KilledInTurn(unittest.TestCase):
    def test_nothing_acknowledged_is_lost_and_no_request_fails(self):
        print("seed", SEED)
        chaos = Chaos(SEED, agents=2)
        self.addCleanup(chaos.close)
        for kill in (chaos.kill_control_plane, chaos.kill_etcd, chaos.kill_agent):
            kill()
        for _ in range(3):
            chaos.round()
        faults, verdict = chaos.finish()
        print(table_of(chaos.times), verdict, sep="\n")
        self.assertEqual(faults, [])
        self.assertGreater(chaos.compared, 3)
        self.assertGreater(min(agent.asked for agent in chaos.agents), 100)
        for what, seconds in chaos.times.items():
            self.assertLess(max(seconds), AGENT_SECONDS_MAX if what.startswith("agent") else READY_SECONDS_MAX, what)


if __name__ == "__main__":
    harness.main()
