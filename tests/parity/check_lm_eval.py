#!/usr/bin/env python3
"""Question by question: what `quiver eval` answers and what lm-evaluation-harness answers on the same model and data.

Made-up data sets in the hub's layouts (evaluation_data.py) and, with --arc, ARC-Easy in AI2's JSON lines. Compared are
every log-probability (relative difference), every choice taken, every generated text and every task's score.

    python -m venv FOLDER && FOLDER/bin/pip install -r tests/parity/requirements_peers.txt
    FOLDER/bin/python tests/parity/check_lm_eval.py --quiver build/quiver [--model HF_FOLDER] NEW_FOLDER
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import bbh_prompts  # noqa: E402
import evaluation_data  # noqa: E402
import harness  # noqa: E402

CHOICE_TASKS = ["arc_easy", "arc_challenge", "piqa", "hellaswag", "winogrande", "openbookqa", "boolq"]
MMLU_TASKS = [f"mmlu_{subject}" for subject in evaluation_data.MMLU_SUBJECTS]
BBH_TASKS = [f"bbh_cot_fewshot_{subtask}" for subtask in evaluation_data.BBH_SUBTASKS]
LIMIT = 1e-4  # relative, of a sum of log-probabilities; both sides compute in float32
BBH_TOKENS = 80


def run_quiver(options, tasks, data, *extra):
    samples, results = options.folder / "samples.jsonl", options.folder / "results.json"
    command = [options.quiver, "eval", ",".join(tasks), options.model, "--data", data, "--out", results]
    command += ["--out-samples", samples, "--quiet", *extra]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    by_task = {}
    for line in samples.read_text(encoding="utf-8").splitlines():
        sample = json.loads(line)
        by_task.setdefault(sample["task"], []).append(sample)
    return by_task, json.loads(results.read_text())


class Report:
    def __init__(self):
        self.failed = 0

    def tell(self, what, ours, peers, differences):
        """`differences`: (largest relative difference, answers that differ, scores that differ)."""
        largest, answers, scores = differences
        ok = ours == peers and largest <= LIMIT and answers == 0 and scores == 0
        self.failed += not ok
        word = "ok    " if ok else "FAILED"
        print(f"{word} {what}: {ours} questions of {peers}, log-probabilities within {largest:.1e}, "
              f"{answers} answers and {scores} scores differ", flush=True)


def is_tie(values, left, right):
    """Whether two choices are as good as each other to float32's rounding."""
    return abs(values[left] - values[right]) <= LIMIT * abs(values[left])


def compare_choices(report, what, ours, peers, results, task):
    largest, answers, totals = 0.0, 0, {"acc": 0.0, "acc_norm": 0.0}
    for mine, theirs in zip(ours, peers):
        expected = [float(response[0][0]) for response in theirs["resps"]]
        largest = max([largest] + [abs(a - b) / max(abs(b), 1e-9) for a, b in zip(mine["logprobs"], expected)])
        best = max(range(len(expected)), key=expected.__getitem__)
        answers += best != mine["chosen"]["acc"] and not is_tie(expected, best, mine["chosen"]["acc"])
        for metric in totals:
            if metric in theirs:
                totals[metric] += theirs[metric]
                right = mine["chosen"][metric] == mine["answer"]
                answers += right != bool(theirs[metric])
    scores = 0
    for row in results["rows"]:
        if row["metric"] in totals and row["metric"] in peers[0] and task in row["per_task"]:
            scores += abs(row["per_task"][task] - totals[row["metric"]] / len(peers)) > 1e-9
    report.tell(what, len(ours), len(peers), (largest, answers, scores))


def compare_answers(report, what, ours, peers, results, task):
    answers, right = 0, 0
    for mine, theirs in zip(ours, peers):
        answers += mine["text"] != theirs["resps"][0][0]
        answers += mine["extracted"] != theirs["filtered_resps"][0]
        right += theirs["exact_match"]
    score = results["rows"][0]["per_task"][task]
    report.tell(what, len(ours), len(peers), (0.0, answers, abs(score - right / len(peers)) > 1e-9))


def check_made_up(options, model, report):
    data = options.folder / "data"
    evaluation_data.write_all(data, options.count)
    bbh_prompts.write_prompts(data / "bbh")
    peers = harness.evaluate(model, data, CHOICE_TASKS + MMLU_TASKS)
    ours, results = run_quiver(options, [*CHOICE_TASKS, "mmlu"], data)
    for task in CHOICE_TASKS + MMLU_TASKS:
        compare_choices(report, task, ours[task], peers[task], results, task)
    main = {task: results_of(results, "mean")["per_task"][task] for task in CHOICE_TASKS}
    assert len(main) == len(CHOICE_TASKS)
    peers = harness.evaluate(model, data, MMLU_TASKS, shots=5)
    ours, results = run_quiver(options, ["mmlu"], data, "--shots", "5")
    for task in MMLU_TASKS:
        compare_choices(report, f"{task}, 5 shots", ours[task], peers[task], results, task)
    if options.bbh:
        peers = harness.evaluate(model, data, BBH_TASKS, generation={"max_gen_toks": BBH_TOKENS})
        ours, results = run_quiver(options, ["bbh"], data, "--max-new-tokens", str(BBH_TOKENS))
        for subtask, task in zip(evaluation_data.BBH_SUBTASKS, BBH_TASKS):
            compare_answers(report, task, ours[f"bbh_{subtask}"], peers[task], results, f"bbh_{subtask}")


def results_of(results, metric):
    return next(row for row in results["rows"] if row["metric"] == metric)


def check_arc(options, model, report):
    """AI2's own lines for Quiver, the same as the hub's rows for the harness."""
    lines = options.arc.read_text(encoding="utf-8").splitlines()[: options.arc_limit]
    data = options.folder / "arc"
    rows = []
    for line in map(json.loads, lines):
        choices = line["question"]["choices"]
        columns = {key: [choice[key] for choice in choices] for key in ("text", "label")}
        rows.append({"id": line["id"], "question": line["question"]["stem"], "choices": columns,
                     "answerKey": line["answerKey"]})
    evaluation_data.write_rows(data / "ai2_arc/ARC-Easy/test.parquet", rows)
    peers = harness.evaluate(model, data, ["arc_easy"])
    ours, results = run_quiver(options, ["arc_easy"], options.arc, "--limit", str(options.arc_limit))
    compare_choices(report, "arc_easy, real questions", ours["arc_easy"], peers["arc_easy"], results, "arc_easy")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quiver", type=pathlib.Path, default=ROOT / "build/quiver")
    parser.add_argument("--model", type=pathlib.Path, default=ROOT / "tests/golden/tiny_llama",
                        help="Hugging Face folder (default: tiny_llama)")
    parser.add_argument("--count", type=int, default=30, help="questions a task")
    parser.add_argument("--bbh", action="store_true", help="also generated answers; needs about 1500 positions")
    parser.add_argument("--arc", type=pathlib.Path, help="ARC-Easy-Test.jsonl")
    parser.add_argument("--arc-limit", type=int, default=300)
    parser.add_argument("folder", type=pathlib.Path, help="new or empty; everything is written here")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    positions = json.loads((options.model / "config.json").read_text())["max_position_embeddings"]
    model = harness.load_model(options.model, positions)
    report = Report()
    check_made_up(options, model, report)
    if options.arc:
        check_arc(options, model, report)
    raise SystemExit(1 if report.failed else 0)


if __name__ == "__main__":
    main()
