"""Several control planes are one, whatever fails: G11 and G12 in their short form. The seed is printed; APK_PROOF_SEED
repeats it."""
import os
import random
import unittest

import harness
from control_planes import OneOnSqlite, ThreeOnEtcd
from etcd_cluster import ETCD
from hosts import enter_own_network
from linearizability import prove

SEED = int(os.environ.get("APK_PROOF_SEED", random.SystemRandom().randrange(1 << 30)))


class Linearizability(unittest.TestCase):
    def check(self, control_planes, operations, at_least):
        self.addCleanup(control_planes.close)
        verdict = prove(control_planes, SEED, operations, at_least)
        print(verdict)
        self.assertEqual(verdict["faults"], 0, verdict["first_faults"])
        self.assertGreaterEqual(verdict["counts"]["done"], operations / 2)
        self.assertGreater(verdict["events"], 0)

    @unittest.skipUnless(os.access(ETCD, os.X_OK), "etcd is not installed")
    def test_three_control_planes_on_etcd(self):
        self.check(ThreeOnEtcd(), operations=1000, at_least=5)

    def test_one_control_plane_on_its_database(self):
        self.check(OneOnSqlite(), operations=1000, at_least=3)


if __name__ == "__main__":
    enter_own_network()
    harness.main()
