#!/usr/bin/env python3
"""50 steps of AdamW on a real task: quiver beside PEFT 0.21.2 and torch, from one start, in one order of batches.

    check_training.py --quiver build/quiver NEW_FOLDER      (packages: requirements_peers.txt)

The start is what quiver writes after one update at a learning rate of zero. The order of quiver's batches follows from
torch's own generator: a permutation an epoch, seeded with seed + 1000003 * epoch.

Adam divides a gradient by its own size: at the first step every number moves by the whole learning rate, whichever way
rounding tips a gradient near zero. After it, PEFT in float32 is 7e-3 of the norm of a B from PEFT in float64, and after 50
steps still 4e-4 with one thread and 2e-3 with two. So quiver is measured by how far it is from PEFT in float64, and may
be twice as far as PEFT in float32 is.
"""

import json

import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from quiver_program import ROOT, Comparisons, Quiver, arguments
from trained_experts import CONFIG, write_base

STEPS, BATCH, EPOCH, SEED = 50, 10, 100, 42
OPTIMISER = {"learning_rate": 5e-4, "weight_decay": 0.01, "max_grad_norm": 1.0}


def train(quiver, folder, base, task, name, **settings):
    """The expert's folder."""
    config = folder / f"{task}.{name}.json"
    library = folder / name
    settings = {
        **CONFIG,
        **OPTIMISER,
        "model": str(base),
        "library_id": str(library),
        "finetune_task_name": task,
        "output_dir": str(folder / f"checkpoints_{name}"),
        **settings,
    }
    config.write_text(json.dumps(settings))
    quiver.run("train", "-c", config)
    return library / task


def examples(quiver, folder, base, task):
    path = folder / f"{task}.ids.jsonl"
    quiver.run("bench", "train", base, "--data", ROOT / "data/tasks.jsonl", "--tasks", task, "--epochs", 1, "--limit", EPOCH,
               "--dump-ids", path, "--out", folder / "bench.json")  # fmt: skip
    return [json.loads(line) for line in path.read_text().splitlines()]


def batches(rows):
    per_epoch = len(rows) // BATCH
    for step in range(STEPS):
        epoch, place = divmod(step, per_epoch)
        generator = torch.Generator().manual_seed(SEED + 1000003 * epoch)
        order = torch.randperm(len(rows), generator=generator)
        yield [rows[i] for i in order[place * BATCH : (place + 1) * BATCH].tolist()]


def loss_of(model, batch):
    """Mean over the target tokens of the batch, one unpadded sequence at a time."""
    total, count = 0.0, 0
    for row in batch:
        ids, begin = torch.tensor([row["ids"]]), row["target_begin"]
        logits = model(input_ids=ids, use_cache=False).logits[0, begin - 1 : -1]
        total = total + torch.nn.functional.cross_entropy(logits, ids[0, begin:], reduction="sum")
        count += ids.shape[1] - begin
    return total / count


def train_with_peft(base, start, rows, dtype):
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    model = PeftModel.from_pretrained(model, start, is_trainable=True).to(dtype).train()
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=OPTIMISER["learning_rate"], weight_decay=OPTIMISER["weight_decay"])
    for step, batch in enumerate(batches(rows)):
        for group in optimiser.param_groups:
            group["lr"] = OPTIMISER["learning_rate"] * (STEPS - step) / STEPS
        loss = loss_of(model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, OPTIMISER["max_grad_norm"])
        optimiser.step()
        optimiser.zero_grad()
    print(f"       (PEFT's loss of the last batch: {loss.item():.4f})")
    named = model.named_parameters()
    return {name.replace(".default", ""): value.detach().double() for name, value in named if "lora_" in name}


def distance(left, right, part):
    """Largest over the modules, relative to the norm."""
    names = [name for name in right if part in name]
    return max(((left[n].double() - right[n]).norm() / right[n].norm()).item() for n in names)


def main():
    options = arguments(__doc__.splitlines()[0])
    quiver, comparisons = Quiver(options.quiver), Comparisons()
    folder, base = options.folder, options.folder / "smollm2"
    write_base(quiver, base)
    for task in ("number_price",):
        start = train(quiver, folder, base, task, "start", total_steps=1, warmup_steps=1)
        ours = load_file(train(quiver, folder, base, task, "trained", total_steps=STEPS) / "adapter_model.safetensors")
        rows = examples(quiver, folder, base, task)
        theirs, exact = (train_with_peft(base, start, rows, dtype) for dtype in (torch.float32, torch.float64))
        before = load_file(start / "adapter_model.safetensors")
        for part in ("lora_A", "lora_B"):
            comparisons.beyond(f"{task}: {part} moved, relative to its norm", distance(before, exact, part), 1e-1)
            of_peft = distance(theirs, exact, part)
            print(f"       (PEFT in float32 and in float64, largest relative difference of {part}: {of_peft:.1e})")
            ours_to_exact = distance(ours, exact, part)
            comparisons.within(f"{task}: {part} of quiver and PEFT in float64", ours_to_exact, 2 * of_peft)
    comparisons.finish()


if __name__ == "__main__":
    main()
