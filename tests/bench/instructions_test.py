"""A request costs as many instructions as instructions.json says, within 3 %: counted by callgrind, which has no clock
and no noise.

    instructions_test.py PROGRAM COMPILER [--renew]

Counted for each part are the program's own instructions, and apart from them those of the libraries it calls (15 %:
they change with the distribution). Another compiler makes other code: then the test is skipped (77). A change that is
meant, or another compiler, needs new numbers, by the command that a failure prints: look at what changed first, and
commit them with the reason.
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

KEPT = pathlib.Path(__file__).resolve().parent / "instructions.json"
OWN_MARGIN, LIBRARIES_MARGIN = 0.03, 0.15
# The C library's functions as every processor can run them.
PLAIN = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX_Fast_Unaligned_Load,-AVX2,-AVX512F,-AVX512VL,-ERMS,-FSRM,-SSE4_2,"
                           "-SSSE3"}
SKIPPED = 77


def costs_by_object(dump):
    """{object: instructions} of one dump in callgrind's format: the lines of a function, but not what it called."""
    names, costs, current, called = {}, {}, None, False
    for line in dump.splitlines():
        if match := re.match(r"ob=\((\d+)\)(?: (.*))?", line):
            current = names[match[1]] = match[2] or names.get(match[1])
        elif match := re.match(r"cob=\((\d+)\) (.*)", line):
            names[match[1]] = match[2]
        elif line.startswith("calls="):
            called = True  # The next line has the cost of the callee.
        elif re.match(r"[+\-*\d]", line):
            if not called:
                costs[current] = costs.get(current, 0) + int(line.split()[1])
            called = False
    return costs


def count(program):
    """{part: [own, libraries]}, instructions a time."""
    with tempfile.TemporaryDirectory() as directory:
        out = pathlib.Path(directory) / "out"
        got = subprocess.run(["setarch", "-R", "valgrind", "--tool=callgrind", f"--callgrind-out-file={out}",
                              "--dump-line=no", program], capture_output=True, text=True, timeout=240,
                             env={**os.environ, **PLAIN})
        if got.returncode != 0:
            sys.exit(got.stdout + got.stderr)
        times = int(re.search(r"times (\d+)", got.stdout)[1])
        parts = {}
        for path in sorted(pathlib.Path(directory).glob("out.*"), key=lambda path: int(path.suffix[1:])):
            dump = path.read_text()
            if name := re.search(r"Trigger: Client Request: (\w+)", dump):
                costs = costs_by_object(dump)
                own = costs.pop(str(pathlib.Path(program).resolve()), 0)
                parts[name[1]] = [round(own / times), round(sum(costs.values()) / times)]
        return parts


def main():
    program, compiler = sys.argv[1], sys.argv[2]
    renew = f"python3 tests/bench/instructions_test.py {program} '{compiler}' --renew"
    counted = count(program)
    if "--renew" in sys.argv[3:]:
        rows = ",\n".join(f'  {json.dumps(name)}: {row}' for name, row in counted.items())
        KEPT.write_text(f'{{"compiler": {json.dumps(compiler)}, "instructions": {{\n{rows}}}}}\n')
        print(KEPT.read_text())
        return 0
    kept = json.loads(KEPT.read_text())
    if kept["compiler"] != compiler:
        print(f"skipped: the numbers are those of {kept['compiler']}, this is {compiler}. New ones: {renew}")
        return SKIPPED
    wrong = sorted(set(kept["instructions"]) ^ set(counted))
    print(f"{'part':20} {'own':>8} {'kept':>8} {'':7} {'libraries':>10} {'kept':>8}")
    for name, (own, libraries) in counted.items():
        kept_own, kept_libraries = kept["instructions"].get(name, (0, 0))
        change = own / kept_own - 1 if kept_own else 0
        too_far = abs(change) > OWN_MARGIN or abs(libraries - kept_libraries) > LIBRARIES_MARGIN * kept_libraries + 20
        print(f"{name:20} {own:8} {kept_own:8} {change:+7.1%} {libraries:10} {kept_libraries:8}{'  <--' * too_far}")
        if too_far:
            wrong.append(name)
    if not wrong:
        return 0
    print(f"not as kept: {', '.join(wrong)}. Where that is meant: {renew}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
