#!/usr/bin/env python3
"""The proofs in their long form; the tests beside are the short one.

    tests/proof/prove.py linearizability [--store etcd|sqlite] [--operations 100000]   G11, G12
    tests/proof/prove.py chaos [--rounds 100]                                          G5b, G5c, G6, G13
    tests/proof/prove.py restarts [--rounds 500] [--routes 10000]                      G5
    tests/proof/prove.py rotations [--renewals 100]                                    G15
    tests/proof/prove.py simulation [--seeds 100000]                                   G13, G14

Each prints its seed, what it measured and what was wrong, and exits with 1 where something was. --seed repeats what
depends on chance here; what the machine does meanwhile is never the same. Programs are taken from build/dev, or from
where APK_BIN says. As root, linearizability has a host of its own for each control plane and cuts the network too.
"""
import argparse
import os
import pathlib
import random
import subprocess
import sys

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / "integration")]
from hosts import enter_own_network  # noqa: E402


def say(text):
    print(f"\r{text}", end=" " * 10, file=sys.stderr, flush=True)


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def linearizability(options):
    from control_planes import OneOnSqlite, ThreeOnEtcd
    from linearizability import prove
    control_planes = OneOnSqlite() if options.store == "sqlite" else ThreeOnEtcd()
    try:
        verdict = prove(control_planes, options.seed, options.operations, 10, say=say)
    finally:
        control_planes.close()
    for key, value in verdict.items():
        print(f"{key:22} {value}")
    return verdict["first_faults"]


def chaos(options):
    from chaos import Chaos, table_of
    made = Chaos(options.seed)
    try:
        for number in range(1, options.rounds + 1):
            made.round()
            say(f"round {number}")
        faults, verdict = made.finish()
    finally:
        made.close()
    print(table_of(made.times))
    print(f"{'requests to agents':55} {sum(agent.asked for agent in made.agents)}, "
          f"{sum(len(agent.failures) for agent in made.agents)} failed")
    print(f"{'changes acknowledged':55} {made.changes.acknowledged} of {made.changes.tried}")
    print(f"{'snapshots of agents compared with the log':55} {made.compared}")
    print(f"{'longest gap between writes':55} {verdict['longest_write_gap_ms']} ms")
    print(f"{'what clients did':55} {verdict['counts']}")
    return faults


def restarts(options):
    from restarts import restarts as run
    times, faults, verdict = run(options.seed, options.rounds, options.routes, say)
    print(f"ready again with {options.routes} routes: p50 {1000 * percentile(times, 0.5):.0f}, "
          f"p99 {1000 * percentile(times, 0.99):.0f}, max {1000 * max(times):.0f} ms, {len(times)} rounds")
    print(f"what clients did: {verdict['counts']}")
    return faults


def rotations(options):
    from rotations import rotations as run
    result, faults = run(options.renewals, say=say)
    print(f"{sum(renewed for renewed, _ in result.values())} renewals by {len(result)} agents, "
          f"{sum(again for _, again in result.values())} reconnections")
    return faults


def simulation(options):
    from harness import BIN
    run = subprocess.run([str(BIN.parent / "tests/ut_proof_simulation")],
                         env=os.environ | {"APK_PROOF_SEED": str(options.seed), "APK_PROOF_SEEDS": str(options.seeds)})
    return [] if run.returncode == 0 else ["see above"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("proof", choices=["linearizability", "chaos", "restarts", "rotations", "simulation"])
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    parser.add_argument("--store", choices=["etcd", "sqlite"], default="etcd")
    parser.add_argument("--operations", type=int, default=100_000)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--routes", type=int, default=10_000)
    parser.add_argument("--renewals", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=100_000)
    options = parser.parse_args()
    options.rounds = options.rounds or {"restarts": 500}.get(options.proof, 100)
    print("seed", options.seed, flush=True)
    faults = globals()[options.proof](options)
    print(*(faults or ["nothing was wrong"]), sep="\n")
    return 1 if faults else 0


if __name__ == "__main__":
    enter_own_network()
    sys.exit(main())
