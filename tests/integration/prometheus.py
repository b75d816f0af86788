"""A strict reader of the Prometheus text format 0.0.4: what is not exactly right is an error."""
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (\S+)")
TYPES = ("counter", "gauge", "histogram", "summary", "untyped")


class Malformed(AssertionError):
    pass


def number(text):
    if text == "+Inf":
        return float("inf")
    if not re.fullmatch(r"\d+(\.\d+)?", text):
        raise Malformed(f"no number: {text}")
    return float(text)


def unescape(value):
    return re.sub(r'\\(["\\n])', lambda found: "\n" if found[1] == "n" else found[1], value)


def parse(text):
    """{name: {sorted label pairs: value}} of all samples."""
    if not text.endswith("\n"):
        raise Malformed("the last line has no end")
    samples, helped, typed, closed = {}, set(), {}, set()
    family = None
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            name = line.split(" ", 3)[2]
            if name in helped:
                raise Malformed(f"HELP twice: {name}")
            helped.add(name)
            closed.add(family)
            family = name
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            if name in typed or name != family or kind not in TYPES:
                raise Malformed(f"TYPE: {line}")
            typed[name] = kind
        else:
            add_sample(line, family, typed, samples)
        if family in closed:
            raise Malformed(f"family in two places: {family}")
    check_histograms(typed, samples)
    return samples


def add_sample(line, family, typed, samples):
    found = SAMPLE.fullmatch(line)
    if not found:
        raise Malformed(f"no sample: {line}")
    name = found[1]
    endings = ("_bucket", "_sum", "_count") if typed.get(family) == "histogram" else ("",)
    if name not in [family + ending for ending in endings]:
        raise Malformed(f"{name} in the family {family}")
    pairs = [(key, unescape(value)) for key, value in re.findall(LABEL, found[2] or "")]
    if len({key for key, _ in pairs}) != len(pairs):
        raise Malformed(f"a label twice: {line}")
    labels = tuple(sorted(pairs))
    series = samples.setdefault(name, {})
    if labels in series:
        raise Malformed(f"a sample twice: {line}")
    series[labels] = number(found[found.re.groups])


def check_histograms(typed, samples):
    for name in [name for name, kind in typed.items() if kind == "histogram"]:
        by_labels = {}
        for labels, value in samples.get(f"{name}_bucket", {}).items():
            rest = tuple(pair for pair in labels if pair[0] != "le")
            by_labels.setdefault(rest, []).append((number(dict(labels)["le"]), value))
        for labels, buckets in by_labels.items():
            buckets.sort()
            values = [value for _, value in buckets]
            count = samples[f"{name}_count"][labels]
            if values != sorted(values) or buckets[-1] != (float("inf"), count):
                raise Malformed(f"{name}{labels}: {buckets}, {count}")
            if labels not in samples[f"{name}_sum"]:
                raise Malformed(f"{name}{labels} has no sum")


def total(samples, name, **labels):
    """Over all samples that have these labels."""
    wanted = set(labels.items())
    return sum(value for pairs, value in samples.get(name, {}).items() if wanted <= set(pairs))
