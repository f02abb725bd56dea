#!/usr/bin/env python3
"""SmolLM2 as a Hugging Face folder and eight experts trained on it by quiver: what the routing checks run on.

    trained_experts.py --quiver build/quiver NEW_FOLDER      (packages: requirements_peers.txt)
"""

import json
import sys

from quiver_program import ROOT, Quiver, arguments

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


def places(folder):
    """The base's folder and the library."""
    return folder / "smollm2", folder / "library"


def write_base(quiver, base):
    sys.path.append(str(ROOT / "bench/peers"))
    from convert_model import convert

    convert(quiver.run("fetch", "smollm2-135m").strip().splitlines()[-1], base)
    # For transformers 4, which mttl needs: where it looks for theta, and a class that it knows.
    config = json.loads((base / "config.json").read_text())
    config["rope_theta"] = config["rope_parameters"]["rope_theta"]
    (base / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    config = json.loads((base / "tokenizer_config.json").read_text())
    config["tokenizer_class"] = "PreTrainedTokenizerFast"
    (base / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")


def main():
    options = arguments(__doc__.splitlines()[0])
    quiver, folder = Quiver(options.quiver), options.folder
    base, library = places(folder)
    write_base(quiver, base)
    config = folder / "train.json"
    config.write_text(json.dumps(CONFIG | {"model": str(base), "library_id": str(library)}))
    quiver.run("train", "-c", config, "-k", f"output_dir={folder / 'checkpoints'}")
    quiver.run("prototypes", "arrow", library)
    quiver.run("prototypes", "arrow", library, "--compat", "peft", "--seed", "42")
    quiver.run("prototypes", "phatgoose", library, "-c", config, "--n-steps", "10")


def rows(split, count):
    """COUNT rows of the eight tasks, task by task in turn: {"source", "target", "task_name", ...}."""
    by_task = {task: [] for task in TASKS}
    for line in (ROOT / "data/tasks.jsonl").read_text().splitlines():
        row = json.loads(line)
        if row["split"] == split and row["task_name"] in by_task:
            by_task[row["task_name"]].append(row)
    turns = zip(*by_task.values())
    return [row for turn in turns for row in turn][:count]


if __name__ == "__main__":
    main()
