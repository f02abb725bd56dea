"""perf's report of one run as a table: share of the processor time by operator."""

import re

COLUMN = "|"  # perf's separator; no symbol holds it
GENERATED = "matrix products in code that oneDNN generates"
GROUPS = {
    r"\[JIT\]|perf-\d+|\[unknown\]|^anon": GENERATED,
    r"^libgomp": "libgomp: waiting for other threads",
    r"^\[kernel": "the kernel",
}


def operator_of(library, symbol):
    """The function without parameters, template arguments and inner namespaces, or a group's name."""
    for pattern, name in GROUPS.items():
        if re.search(pattern, library):
            return name
    text = re.sub(r"^\[[.k]\]\s*", "", symbol).replace("(anonymous namespace)::", "")
    while (shorter := re.sub(r"<[^<>]*>", "", text)) != text:
        text = shorter
    return f"`{text.split('(')[0].strip()}` ({library})"


def table(report, lines=8):
    shares = {}
    for line in report.splitlines():
        fields = line.split(COLUMN)
        if len(fields) < 3 or not re.fullmatch(r"\s*\d+\.\d+%\s*", fields[0]):
            continue
        name = operator_of(fields[1].strip(), fields[2].strip())
        shares[name] = shares.get(name, 0) + float(fields[0].strip(" %"))
    # perf lists every address of generated code on its own, most of them rounded to nothing: it is the rest.
    if GENERATED in shares:
        shares[GENERATED] = 100 - sum(share for name, share in shares.items() if name != GENERATED)
    largest = sorted(shares.items(), key=lambda item: -item[1])[:lines]
    return "| share | function |\n|---|---|\n" + "".join(f"| {share:.1f}% | {name} |\n" for name, share in largest)
