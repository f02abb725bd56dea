"""SmolLM2 as a Hugging Face folder and eight experts trained on it by quiver: what the routing checks run on."""

import json

from quiver_program import ROOT

TASKS = [
    "fact_animal",
    "fact_continent",
    "label_kind",
    "label_mood",
    "number_larger",
    "number_next",
    "text_double",
    "text_last",
]
CONFIG = {
    "dataset": str(ROOT / "data/tasks.jsonl"),
    "include_task_source": "*",
    "finetune_task_name": ",".join(TASKS),
    "lora_rank": 4,
    "lora_alpha": 8,
    "modify_modules": ".*self_attn",
    "modify_layers": "q_proj|k_proj|v_proj",
    "trainable_param_names": ".*lora_[ab].*",
    "learning_rate": 5e-3,
    "weight_decay": 0,
    "warmup_proportion": 0,
    "train_batch_size": 10,
    "total_steps": 20,
    "max_input_length": 256,
    "seed": 42,
}


def train(quiver, folder):
    """The base's folder and the library; nothing is made twice in one folder."""
    base, library = folder / "smollm2", folder / "library"
    if (folder / "experts_are_trained").exists():
        return base, library
    from convert_model import convert  # bench/peers

    gguf = quiver.run("fetch", "smollm2-135m").strip().splitlines()[-1]
    convert(gguf, base)
    config = folder / "train.json"
    config.write_text(json.dumps(CONFIG | {"model": str(base), "library_id": str(library)}))
    quiver.run("train", "-c", config, "-k", f"output_dir={folder / 'checkpoints'}")
    quiver.run("prototypes", "arrow", library)
    quiver.run("prototypes", "arrow", library, "--compat", "peft", "--seed", "42")
    quiver.run("prototypes", "phatgoose", library, "-c", config, "--n-steps", "10")
    (folder / "experts_are_trained").touch()
    return base, library


def rows(split, count):
    """COUNT rows of the eight tasks, task by task in turn: {"source", "target", "task_name", ...}."""
    by_task = {task: [] for task in TASKS}
    for line in (ROOT / "data/tasks.jsonl").read_text().splitlines():
        row = json.loads(line)
        if row["split"] == split and row["task_name"] in by_task:
            by_task[row["task_name"]].append(row)
    turns = zip(*by_task.values())
    return [row for turn in turns for row in turn][:count]
