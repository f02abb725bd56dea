"""lm-evaluation-harness on local files: its own task definitions, with the hub replaced by a folder."""

import pathlib

import datasets
from lm_eval.evaluator import simple_evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

# The data set of the hub to a folder of evaluation_data.py.
FOLDERS = {
    "allenai/ai2_arc": "ai2_arc",
    "baber/piqa": "piqa",
    "Rowan/hellaswag": "hellaswag",
    "allenai/winogrande": "winogrande",
    "allenai/openbookqa": "openbookqa",
    "aps/super_glue": "super_glue",
    "cais/mmlu": "mmlu",
    "SaylorTwift/bbh": "bbh",
}
LOAD_DATASET = datasets.load_dataset
SPLITS = ("train", "validation", "dev", "test")


def load_from(data):
    """A load_dataset that looks into the folder DATA."""

    def load(path, name=None, **_):
        folder = pathlib.Path(data) / FOLDERS[path] / (name or "data")
        files = {}
        for split in SPLITS:
            found = sorted(map(str, [*folder.glob(f"{split}*.parquet"), *folder.glob(f"{split}*.jsonl")]))
            if found:
                files[split] = found
        kind = "parquet" if next(iter(files.values()))[0].endswith(".parquet") else "json"
        cache = str(pathlib.Path(data) / ".cache")
        for split in SPLITS:  # the harness opens splits that it takes nothing from
            files.setdefault(split, next(iter(files.values())))
        return datasets.DatasetDict(
            {s: LOAD_DATASET(kind, data_files=f, split="train", cache_dir=cache) for s, f in files.items()}
        )

    return load


def evaluate(model, data, tasks, shots=None, limit=None, generation=None):
    """Task to its samples, in the order of the questions. `model` is an HFLM."""
    datasets.load_dataset = load_from(data)
    try:
        results = simple_evaluate(
            model=model,
            tasks=tasks,
            num_fewshot=shots,
            limit=limit,
            gen_kwargs=generation,
            log_samples=True,
            bootstrap_iters=0,
            task_manager=TaskManager(),
        )
    finally:
        datasets.load_dataset = LOAD_DATASET
    return {task: sorted(samples, key=lambda s: s["doc_id"]) for task, samples in results["samples"].items()}


def load_model(folder, positions, batch_size=1):
    """A model on the CPU that sees at most POSITIONS tokens before the last one."""
    return HFLM(pretrained=str(folder), device="cpu", dtype="float32", batch_size=batch_size, max_length=positions)
