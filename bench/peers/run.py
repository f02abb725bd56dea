"""Runs Quiver and its Python peers in turn on the same inputs and writes docs/benchmarks.md. See scripts/bench_peers.

Every command leaves its figures in out/bench/. --only KEY,... runs some experiments again and keeps the figures of the
others.
"""

import argparse
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys

import document
import peer
from experiments import EXPERIMENTS
from profile_table import COLUMN

SCRIPTS = pathlib.Path(__file__).resolve().parent
ROOT = SCRIPTS.parents[1]
OUT = ROOT / "out" / "bench"
QUIVER = ROOT / "build" / "quiver"
SERVING = ROOT / "docs" / "serving.md"
P3_TASKS = (
    "sciq_Multiple_Choice,adversarial_qa_droberta_answer_the_following_q,cos_e_v1_11_description_question_option_id,"
    "duorc_SelfRC_question_answering,quail_description_context_question_text,"
    "social_i_qa_Show_choices_and_generate_answer,wiki_hop_original_explain_relation,"
    "wiqa_what_is_the_final_step_of_the_following_process"
)


def output_of(*command):
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout


def inputs_of(data_folder):
    """Where data sets and tasks are: P3 and ARC in a folder, or what is checked in."""
    if data_folder:
        folder = pathlib.Path(data_folder)
        names = {"data": folder / "p3-flat" / "p3-flat.parquet", "arc": folder / "arc" / "ARC-Easy-Test.jsonl"}
        names["arc_name"] = "ARC-Easy"
        tasks = P3_TASKS.split(",")
    else:
        names = {"data": ROOT / "data" / "tasks.jsonl", "arc": ROOT / "data" / "facts_choice.jsonl"}
        names["arc_name"] = "facts_choice"
        tasks = sorted({row["task_name"] for row in peer.read_json_lines(names["data"])})[:8]
    return names | {"tasks": ",".join(tasks), "task_a": tasks[0], "task_b": tasks[1]}


def make_folder(names):
    """The model as a folder for the Python peers."""
    if not (names["hf"] / "tokenizer.json").exists():
        subprocess.run([sys.executable, SCRIPTS / "convert_model.py", names["gguf"], names["hf"]], check=True)


def make_library(names):
    """Ten random experts in both forms."""
    make_folder(names)
    if names["library"].exists():
        return
    shutil.rmtree(names["experts"], ignore_errors=True)
    subprocess.run([sys.executable, SCRIPTS / "make_experts.py", names["hf"], names["experts"], "10"], check=True)
    for expert in sorted(names["experts"].iterdir()):
        output_of(QUIVER, "library", "import", expert, names["library"])
    output_of(QUIVER, "prototypes", "arrow", names["library"])


def make_served(names):
    """The quickstart's experts, with what `prompt` and Arrow need: those that are there, or trained."""
    if names["served"].exists():
        return
    names["served"] = OUT / "served"
    if (names["served"] / "library.json").exists():
        return
    print("== serve: training the quickstart's experts", file=sys.stderr, flush=True)
    config = OUT / "served.json"
    config.write_text(json.dumps(json.loads((ROOT / "configs/quickstart.json").read_text())["experiment"]))
    shutil.rmtree(OUT / "served.partial", ignore_errors=True)
    library = OUT / "served.partial"
    subprocess.run([QUIVER, "train", "-c", config, "-k", f"library_id={library}"], check=True, cwd=ROOT)
    output_of(QUIVER, "prototypes", "arrow", library)
    subprocess.run([QUIVER, "prototypes", "statistics", library, "-c", config], check=True, cwd=ROOT)
    library.rename(names["served"])


# What makes an input, by the {name} of experiments.py.
MAKERS = {"hf": make_folder, "experts": make_library, "library": make_library, "served": make_served}


def prepare(data_folder, wanted):
    """Every {name} of experiments.py; made is what the experiments `wanted` read."""
    OUT.mkdir(parents=True, exist_ok=True)
    gguf = output_of(QUIVER, "fetch", "smollm2-135m").strip().splitlines()[-1]
    names = inputs_of(data_folder) | {
        "model": "smollm2-135m",
        "gguf": gguf,
        "hf": OUT / "smollm2-135m",
        "experts": OUT / "experts",
        "library": OUT / "library",
        "served": ROOT / "out" / "quickstart" / "library",
        "arrow_output": "arrow, output",
        "program": QUIVER,
        "texts": ROOT / "data" / "tasks.jsonl",
    }
    for experiment in EXPERIMENTS:
        if experiment.key not in wanted:
            continue
        commands = " ".join([experiment.quiver, experiment.own, *experiment.peers.values()])
        for name, make in MAKERS.items():
            if f"{{{name}}}" in commands or (name == "library" and experiment.key == "start"):
                make(names)
    return names


def filled(command, names):
    """The words of a command, its {names} filled in."""
    return [word.format(**names) for word in shlex.split(command)]


def time_starts(names, path, threads):
    """How long the program takes to answer what needs no model."""
    commands = {"version": ["--version"], "library ls": ["library", "ls", str(names["library"])]}
    rows = []
    for name, arguments in commands.items():
        times = [peer.seconds_of(lambda: output_of(QUIVER, *arguments))[0] for _ in range(11)]
        rows.append(peer.measurement(name, "s", times[1:]))
    peer.publish(path, threads, rows, {})


def run_script(command, names, threads, path):
    script, *words = filled(command, names)
    arguments = [*words, "--threads", str(threads), "--out", path]
    subprocess.run([sys.executable, SCRIPTS / script, *arguments], check=True)


def run(experiment, names, threads):
    for old in OUT.glob(f"{experiment.key}.*"):
        old.unlink()
    names = names | {"ids": OUT / f"{experiment.key}.ids.jsonl"}
    for turn, who in enumerate(experiment.turns):
        print(f"== {experiment.key}: turn {turn + 1} of {len(experiment.turns)}", file=sys.stderr, flush=True)
        latest = OUT / f"{experiment.key}.quiver.{turn}.json"
        if experiment.key == "start":
            time_starts(names, latest, threads)
        elif who == "Q" and experiment.own:
            run_script(experiment.own, names, threads, latest)
        elif who == "Q":
            names["latest"] = latest
            words = filled(experiment.quiver, names)
            subprocess.run([QUIVER, "--threads", str(threads), "--quiet", "bench", *words, "--out", latest], check=True)
        else:
            for name, command in experiment.peers.items():
                run_script(command, names, threads, OUT / f"{experiment.key}.{name}.{turn}.json")


def profile(experiment, names, threads):
    """perf's view of one run of Quiver, for a figure that misses its target."""
    if not shutil.which("perf") or not experiment.quiver:
        return
    names = names | {"ids": OUT / f"{experiment.key}.ids.jsonl"}
    words = filled(experiment.quiver, names)
    samples = OUT / f"{experiment.key}.perf"
    program = [QUIVER, "--threads", str(threads), "--quiet", "bench", *words]
    if subprocess.run(["perf", "record", "-q", "-F", "199", "-o", samples, "--", *program]).returncode != 0:
        return  # not everyone may use perf
    columns = ["--sort", "dso,symbol", "-t", COLUMN]
    report = output_of("perf", "report", "-i", samples, "--stdio", "--no-children", *columns)
    (OUT / f"{experiment.key}.profile.txt").write_text(report)
    samples.unlink()


def write_pages(path):
    """The page of all figures, and the server's in its own document."""
    page = pathlib.Path(path)
    page.write_text(document.render(OUT, page.read_text() if page.exists() else ""))
    if document.files(OUT, "serve", "quiver"):
        SERVING.write_text(document.with_serving_rows(SERVING.read_text(), OUT))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", help="folder with p3-flat/ and arc/; default: the data that is checked in")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--only", help="keys of experiments, comma-separated; the others' figures are kept")
    parser.add_argument("--render", action="store_true", help="run nothing, write the page from the figures there are")
    parser.add_argument("--document", default=str(ROOT / "docs" / "benchmarks.md"))
    options = parser.parse_args()
    if options.render:
        write_pages(options.document)
        return
    os.environ["HF_HUB_OFFLINE"] = "1"
    known = [experiment.key for experiment in EXPERIMENTS]
    wanted = options.only.split(",") if options.only else known
    if unknown := set(wanted) - set(known):
        sys.exit(f"no experiment {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    names = prepare(options.data, wanted)
    (OUT / "inputs.json").write_text(json.dumps({key: str(value) for key, value in names.items()}))
    failed = []
    for experiment in EXPERIMENTS:
        if experiment.key not in wanted:
            continue
        try:
            run(experiment, names, options.threads)
            if document.misses_target(experiment.key, OUT):
                profile(experiment, names, options.threads)
        except subprocess.CalledProcessError as error:
            failed.append(experiment.key)
            print(f"bench_peers: {experiment.key}: {error}", file=sys.stderr)
    write_pages(options.document)
    print(f"bench_peers: wrote {options.document}", file=sys.stderr)
    if failed:
        sys.exit("bench_peers: failed: " + ", ".join(failed))


if __name__ == "__main__":
    main()
