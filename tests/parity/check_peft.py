#!/usr/bin/env python3
"""Adapters both ways: what PEFT saves, quiver runs as PEFT does; what quiver trains or stores, PEFT runs as quiver does.

Compared are log-probabilities of completions, summed over their tokens, by `quiver score` and by PEFT's model.

    python -m venv FOLDER && FOLDER/bin/pip install -r tests/parity/requirements_peers.txt
    FOLDER/bin/python tests/parity/check_peft.py --quiver build/quiver NEW_FOLDER
"""

import json

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM
from transformers.utils.logging import disable_progress_bar

from quiver_program import BASE, Comparisons, Quiver, arguments

disable_progress_bar()
LIMIT = 1e-4
ROWS = [
    ("The chef salted the soup. Shelf:", " food"),
    ("Class of an eel:", " fish"),
    ("One two three", " four five six"),
    ("Once upon a time there was", " a small tree."),
]
# Options of LoraConfig; `dtype` and `pickled` say how PEFT saves the weights.
CASES = {
    "plain": {"target_modules": ["q_proj", "v_proj"]},
    "pickled": {"target_modules": ["q_proj", "v_proj"], "pickled": True},
    "rank_pattern": {"target_modules": ["q_proj", "up_proj"], "rank_pattern": {"layers.1.self_attn.q_proj": 5}},
    "alpha_pattern": {"target_modules": ["k_proj", "o_proj"], "alpha_pattern": {"^model.layers.0.*": 3, "o_proj": 9}},
    "rank_stabilised": {"target_modules": ["q_proj", "down_proj"], "use_rslora": True},
    "regex": {"target_modules": r".*\.[01]\.(self_attn\.[qo]|mlp\.gate)_proj"},
    "all_linear": {"target_modules": "all-linear"},
    "excluded": {"target_modules": "all-linear", "exclude_modules": r".*mlp.*"},
    "one_layer": {"target_modules": ["up_proj", "k_proj"], "layers_to_transform": 1},
    "bfloat16": {"target_modules": ["q_proj", "v_proj"], "dtype": torch.bfloat16},
    "float16_pickled": {"target_modules": ["q_proj", "v_proj"], "dtype": torch.float16, "pickled": True},
    "float64": {"target_modules": ["q_proj", "v_proj"], "dtype": torch.float64},
}


def base_model():
    return AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32).eval()


@torch.no_grad()
def peft_scores(directory):
    model = PeftModel.from_pretrained(base_model(), directory).eval()
    tokenizer = Tokenizer.from_file(str(BASE / "tokenizer.json"))
    scores = []
    for prompt, completion in ROWS:
        encoding = tokenizer.encode(prompt + completion, add_special_tokens=False)
        begin = next(i for i, (_, end) in enumerate(encoding.offsets) if end > len(prompt))
        logits = model(torch.tensor([encoding.ids])).logits[0].double()
        chosen = torch.log_softmax(logits, -1)[range(len(encoding.ids) - 1), encoding.ids[1:]]
        scores.append(chosen[begin - 1 :].sum().item())
    return scores


def save_with_peft(options, directory, generator):
    options = dict(options)
    dtype, pickled = options.pop("dtype", torch.float32), options.pop("pickled", False)
    config = LoraConfig(r=2, lora_alpha=5, task_type="CAUSAL_LM", **options)
    model = get_peft_model(base_model(), config, autocast_adapter_dtype=False)
    for _, parameter in model.named_parameters():
        if parameter.requires_grad:
            parameter.data = (torch.randn(parameter.shape, generator=generator) * 0.3).to(dtype)
    model.save_pretrained(directory, safe_serialization=not pickled)


def largest_difference(left, right):
    return max(abs(one - other) for one, other in zip(left, right, strict=True))


def compare(comparisons, what, quiver, folder, library, name, peft_directory):
    ours = quiver.score(ROWS, folder, BASE, "--library", library, "--router", f"expert:{name}")
    comparisons.within(what, largest_difference(ours, peft_scores(peft_directory)), LIMIT)


def from_peft(comparisons, quiver, folder):
    generator = torch.Generator().manual_seed(41)
    library = folder / "imported"
    base_scores = quiver.score(ROWS, folder, BASE)
    for name, options in CASES.items():
        directory = folder / "peft" / name
        save_with_peft(options, directory, generator)
        quiver.run("library", "import", directory, library)
        compare(comparisons, f"PEFT's {name} in quiver", quiver, folder, library, name, directory)
        changed = largest_difference(base_scores, peft_scores(directory))
        comparisons.beyond(f"PEFT's {name} changes the base", changed, 0.01)
        # What quiver stored of it, PEFT reads again.
        exported = folder / "exported" / name
        quiver.run("library", "export", library, name, exported)
        compare(comparisons, f"quiver's copy of {name} in PEFT", quiver, folder, library, name, exported)


def from_training(comparisons, quiver, folder):
    rows = [
        {"source": prompt, "target": completion.strip(), "task_name": "words", "split": "train", "task_source": "x"}
        for prompt, completion in ROWS
    ]
    (folder / "tasks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    library = folder / "trained"
    settings = {
        "model": str(BASE),
        "dataset": str(folder / "tasks.jsonl"),
        "include_task_source": "*",
        "library_id": str(library),
        "output_dir": str(folder / "output"),
        "modify_modules": ".*self_attn|.*mlp",
        "modify_layers": "q_proj|v_proj|down_proj",
        "learning_rate": 0.05,
        "total_steps": 20,
        "train_batch_size": 4,
        "max_input_length": 64,
        "max_output_length": 8,
        "finetune_task_name": "words",
    }
    (folder / "experiment.json").write_text(json.dumps(settings))
    quiver.run("train", "-c", folder / "experiment.json")
    exported = folder / "exported" / "words"
    quiver.run("library", "export", library, "words", exported)
    compare(comparisons, "an expert that quiver trained in PEFT", quiver, folder, library, "words", exported)
    changed = largest_difference(quiver.score(ROWS, folder, BASE), peft_scores(exported))
    comparisons.beyond("the trained expert changes the base", changed, 0.01)


def main():
    options = arguments(__doc__.splitlines()[0])
    quiver = Quiver(options.quiver)
    comparisons = Comparisons()
    from_peft(comparisons, quiver, options.folder)
    from_training(comparisons, quiver, options.folder)
    comparisons.finish()


if __name__ == "__main__":
    main()
