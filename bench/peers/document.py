"""docs/benchmarks.md from the files in out/bench/."""

import json

import profile_table
import quality
from experiments import EXPERIMENTS, ROWS
from peer import measurement

HEAD = """# Benchmarks

Quiver and its Python peers on the same inputs, in turn, on one machine. `make bench-peers` ran every command and wrote
this page; nothing in it is written by hand.
"""
COLUMNS = """| work | Quiver | against | ratio | target | of the machine's limit | computed |
|---|---|---|---|---|---|---|
"""
AFTER_TABLE = """
Figures are medians [smallest to largest; n]. A ratio above 1 says how many times Quiver is as fast, or takes as little
memory; beside a target of "at most" it is Quiver's time over the other's. "Real" tokens exclude padding. The machine's
limit is the fastest float32 matrix product of the kernel that Quiver uses: all work in training, the products of every
sequence with every weight in decoding.
"""
AGAIN = """
## How to run it again

`make bench-peers` installs the pinned peers, runs everything and writes this page. `DATA=FOLDER` takes P3's tasks and
ARC from a folder, as `make tutorial-p3` does; without it the data that is checked in is used. `ONLY=KEY,...` repeats
some experiments and keeps the other figures. One command runs at a time, each with a warm-up of its own:

"""
PROFILES = """perf, sampling the whole `quiver bench` command of a row that misses its target; loading, and the
measurement of the machine's limits, are in it.
"""


def files(folder, experiment, who):
    paths = sorted(folder.glob(f"{experiment}.{who}.*.json"))
    return [json.loads(path.read_text()) for path in paths]


def pooled(documents, name):
    """One measurement over all runs; None where there is none."""
    values, unit = [], ""
    for document in documents:
        if name == "peak memory":
            values.append(document["peak_memory_mib"])
            unit = "MiB"
        for row in document["measurements"]:
            if row["name"] == name:
                values += row["values"]
                unit = row["unit"]
    return measurement(name, unit, values) if values else None


def other_of(row, folder):
    if not row.against:
        return None
    return pooled(files(folder, row.experiment, row.peer or "quiver"), row.against)


def ratio_of(row, own, other):
    """See AFTER_TABLE; None where the figure stands alone."""
    if other is None:
        return None
    quotient = own["median"] / other["median"]
    inverted = row.unit == "MiB" or (row.lower_is_better and row.at_most is None)
    return 1 / quotient if inverted else quotient


def meets_target(row, own, ratio):
    """True where there is no target, or nothing to judge."""
    judged = own["median"] if row.on_figure else ratio
    if judged is None:
        return True
    return (row.at_least is None or judged >= row.at_least) and (row.at_most is None or judged <= row.at_most)


def misses_target(experiment, folder):
    """Whether a row of this experiment is on the wrong side of its target."""
    for row in ROWS:
        own = pooled(files(folder, row.experiment, "quiver"), row.quiver)
        if row.experiment != experiment or own is None:
            continue
        if not meets_target(row, own, ratio_of(row, own, other_of(row, folder))):
            return True
    return False


def number(value):
    if 0 < abs(value) < 0.01:
        return f"{value:.1g}"
    digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 100 else 2 if abs(value) >= 10 else 3
    return f"{value:,.{digits}f}"


def spread(row, unit):
    text = f"{number(row['median'])} {unit}".strip()
    if row["n"] > 1:
        text += f" [{number(row['min'])} to {number(row['max'])}; {row['n']}]"
    return text


def limit_cell(row, own, documents):
    if row.limit == "share":
        return f"{100 * pooled(documents, 'useful work, share of the limit')['median']:.0f}% of the GEMM rate"
    if row.limit == "products":
        limits_of = [{"measurements": list(document["limits"].values())} for document in documents]
        products = [name for name in documents[0]["limits"] if name.startswith("gemm")]
        rate = max(pooled(limits_of, name)["median"] for name in products)
        quality = documents[0]["quality"]
        milliseconds = 2 * len(quality["texts"]["base"]) * quality["weights"] / (rate * 1e6)
        return f"{milliseconds:.1f} ms of products: {100 * milliseconds / own['median']:.0f}%"
    return ""


def table_line(row, folder, names):
    documents = files(folder, row.experiment, "quiver")
    own = pooled(documents, row.quiver)
    title = row.title.format(**names)
    if own is None:
        return f"| {title} | not measured | | | | | |\n"
    other = other_of(row, folder)
    against = f"{row.peer_name or 'Quiver, ' + row.against}: {spread(other, row.unit)}" if other else ""
    ratio = ratio_of(row, own, other)
    target = f"at most {row.at_most:g}" if row.at_most else f"at least {row.at_least:g}" if row.at_least else ""
    if target and row.on_figure:
        target = f"{target} {row.unit}".strip()
    if not meets_target(row, own, ratio):
        target += ", **missed**"
    ratio_text = f"{ratio:.2f}" if ratio else ""
    peers = files(folder, row.experiment, row.peer) if row.peer else []
    computed = quality.cell(row, documents, peers)
    cells = [title, spread(own, row.unit), against, ratio_text, target, limit_cell(row, own, documents), computed]
    return "| " + " | ".join(cells) + " |\n"


def limits(folder):
    rows = {}
    for path in folder.glob("*.quiver.*.json"):
        for name, row in json.loads(path.read_text()).get("limits", {}).items():
            rows.setdefault(name, {"unit": row["unit"], "values": []})["values"] += row["values"]
    lines = "| limit | median [smallest to largest; n] |\n|---|---|\n"
    for name, row in rows.items():
        lines += f"| {name} | {spread(measurement(name, '', row['values']), row['unit'])} |\n"
    return lines


def machine(folder):
    first = next(iter(sorted(folder.glob("[!s]*.quiver.*.json"))), None)
    if first is None:
        return ""
    document = json.loads(first.read_text())
    about = document["machine"]
    versions = {}
    for path in folder.glob("*.json"):
        versions |= json.loads(path.read_text()).get("versions", {})
    peers = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
    return (
        f"{about['cpu']}, {about['cores']} cores ({document['threads']} threads for everyone), "
        f"{about['memory_bytes'] / 2**30:.0f} GiB, {about['os']}, {about['compiler']}.\n"
        f"Quiver {document['quiver']}; {peers}.\n"
        "The model is SmolLM2-135M-Instruct, in float32 unless a row says otherwise.\n"
    )


def commands(names):
    """What ran, with the inputs' names instead of their places."""
    shown = dict(names) | {"ids": "ids.jsonl", "latest": "quiver.json", "data": "TASKS", "arc": "ARC.jsonl"}
    shown |= {"hf": "MODEL_FOLDER", "gguf": "MODEL.gguf", "experts": "ADAPTERS", "library": "LIBRARY"}
    shown |= {"tasks": "EIGHT_TASKS", "arrow_output": "'arrow, output'"}
    lines = ""
    for experiment in EXPERIMENTS:
        if experiment.quiver:
            lines += f"# {experiment.key}\nquiver bench {experiment.quiver.format(**shown)}\n"
        for command in experiment.peers.values():
            lines += "bench/peers/" + command.format(**shown) + "\n"
    return lines


def profiles(folder):
    text = ""
    for experiment in EXPERIMENTS:
        path = folder / f"{experiment.key}.profile.txt"
        if not path.exists() or not misses_target(experiment.key, folder):
            continue
        text += f"\n### {experiment.key}\n\n" + profile_table.table(path.read_text())
    return text


def only_serving(folder):
    return not any(not path.name.startswith("serve.") for path in folder.glob("*.quiver.*.json"))


def render(folder, before=""):
    """The page; `before` is the one that is there."""
    names = json.loads((folder / "inputs.json").read_text())
    lines = {row.title: table_line(row, folder, names) for row in ROWS}
    if only_serving(folder) and COLUMNS in before:
        return with_serving_lines(before, [lines[row.title] for row in ROWS if row.experiment == "serve"])
    text = HEAD + "\n" + COLUMNS + "".join(lines.values()) + AFTER_TABLE
    text += "\n" + quality.accuracy_by_weights(folder)
    text += "\n## Machine and versions\n\n" + machine(folder) + "\n" + limits(folder)
    text += AGAIN
    text += "```\n" + commands(names) + "```\n"
    if found := profiles(folder):
        text += "\n## Where the time goes in rows that miss their target\n\n" + PROFILES + found
    return text


def with_serving_lines(page, lines):
    """The page with these lines of the server, where nothing else was measured here; they name their processor."""
    table, after = page.split(AFTER_TABLE, 1)
    kept = [line for line in table.splitlines(keepends=True) if not line.startswith("| server, ")]
    return "".join([*kept, *lines]) + AFTER_TABLE + after


BEGIN, END = "<!-- written by `make bench-peers ONLY=serve` -->\n", "<!-- end of what it writes -->\n"


def with_serving_rows(page, folder):
    """docs/serving.md with the server's rows between its two marks."""
    names = json.loads((folder / "inputs.json").read_text())
    documents = files(folder, "serve", "quiver")
    versions = [document["versions"].get("xllamacpp") for document in files(folder, "serve", "llama")]
    where = quality.cell(next(row for row in ROWS if row.experiment == "serve"), documents, [])
    text = f"\nMeasured {where}, {documents[0]['threads']} threads, {len(documents)} of Quiver's turns"
    text += f"; llama.cpp's server is that of xllamacpp {versions[0]}.\n\n" if versions else ".\n\n"
    text += "| | quiver serve | against | ratio | target |\n|---|---|---|---|---|\n"
    for row in ROWS:
        if row.experiment == "serve":
            cells = table_line(row, folder, names).removeprefix("| server, ").split("|")
            text += "| " + "|".join(cells[:5]) + "|\n"
    head, rest = page.split(BEGIN, 1)
    return head + BEGIN + text + "\n" + END + rest.split(END, 1)[1]
