"""lm_eval.json: what lm-evaluation-harness 0.4.13 scores with tiny_llama on made-up questions of every choice task.

`files`: rows by the path that they have in a data folder. `tasks`: task to its samples in the order of the questions:
`logprobs` of every choice, and whether the harness counts the question as right (`acc`, `acc_norm`). Some texts are
longer than the 128 positions.
"""

import os
import pathlib
import sys
import tempfile

os.environ["HF_DATASETS_OFFLINE"] = "1"
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "parity"))

import evaluation_data  # noqa: E402
import golden_files  # noqa: E402
import harness  # noqa: E402
import pyarrow.parquet  # noqa: E402

COUNT = 8
POSITIONS = 128
TASKS = ["arc_easy", "arc_challenge", "piqa", "hellaswag", "winogrande", "openbookqa", "boolq"]
TASKS += [f"mmlu_{subject}" for subject in evaluation_data.MMLU_SUBJECTS]


def rows_of(path):
    if path.suffix == ".parquet":
        return pyarrow.parquet.read_table(path).to_pylist()
    return [golden_files.json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def stored_name(folder, path):
    return str(path.relative_to(folder).with_name(path.name.split("-00000")[0].split(".")[0] + ".jsonl"))


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        evaluation_data.write_all(folder, COUNT)
        paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and "bbh" not in path.parts]
        files = {stored_name(folder, path): rows_of(path) for path in paths}
        model = harness.load_model(golden_files.DIRECTORY / "tiny_llama", POSITIONS)
        peers = harness.evaluate(model, folder, TASKS)
    tasks = {}
    for task, samples in peers.items():
        logprobs = [[float(response[0][0]) for response in sample["resps"]] for sample in samples]
        tasks[task] = {"logprobs": logprobs}
        for metric in ("acc", "acc_norm"):
            if metric in samples[0]:
                tasks[task][metric] = [int(sample[metric]) for sample in samples]
    golden_files.write_json("lm_eval.json", {"files": files, "tasks": tasks})


if __name__ == "__main__":
    main()
