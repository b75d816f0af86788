"""Requests of the Kubernetes API that wait for the store keep nobody else waiting."""
import json
import os
import pathlib
import shutil
import signal
import tempfile
import threading
import time
import unittest

import harness
from etcd_cluster import ETCD, Etcd
from users import User


@unittest.skipUnless(os.access(ETCD, os.X_OK), "etcd is not installed")
class StoreIsSilent(unittest.TestCase):
    def setUp(self):
        directory = pathlib.Path(tempfile.mkdtemp(prefix="apk-waits-"))
        self.addCleanup(shutil.rmtree, directory, True)
        self.etcd = Etcd(directory, members=1)
        self.addCleanup(self.etcd.close)
        self.gateway = harness.Gateway(agents=0, control_plane_flags=("--store", self.etcd.url([0])))
        self.addCleanup(self.gateway.close)
        self.addCleanup(self.etcd.processes[0].send_signal, signal.SIGCONT)

    def test_writes_that_wait_hold_up_neither_reads_nor_watches(self):
        self.gateway.apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {key: '0'}\n", settle=False)
        where = "/api/v1/namespaces/default/configmaps/c"
        writers, reader = [User(self.gateway, f"writer-{number}") for number in range(8)], User(self.gateway, "reader")
        answers = []

        def write(user):
            answers.append(user.kubernetes("PATCH", where, {"data": {"key": user.name}},
                                           "application/merge-patch+json")[0])
        self.etcd.processes[0].send_signal(signal.SIGSTOP)
        threads = [threading.Thread(target=write, args=(user,)) for user in writers]
        for thread in threads:
            thread.start()
        longest, begin = 0, time.monotonic()
        with reader.connection() as connection:
            while time.monotonic() - begin < 1.5:
                asked = time.monotonic()
                for path in (where + "?resourceVersion=0", "/version"):
                    connection.request("GET", path)
                    answer = connection.getresponse()
                    self.assertEqual(answer.status, 200)
                    json.load(answer)
                longest = max(longest, time.monotonic() - asked)
        waiting = sum(thread.is_alive() for thread in threads)
        self.etcd.processes[0].send_signal(signal.SIGCONT)
        for thread in threads:
            thread.join()
        self.assertLess(longest, 1)
        self.assertGreater(waiting, 0, answers)
        harness.eventually(lambda: writers[0].kubernetes("PATCH", where, {"data": {"key": "end"}},
                                                         "application/merge-patch+json")[0] == 200,
                           "it can be written again")


if __name__ == "__main__":
    harness.main()
