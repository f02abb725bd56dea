"""Ten AdamW steps of LoRA training on the tiny models: losses, gradients, final experts.

Reference: PEFT 0.21.2 (LoRA), transformers 5.23.0, torch 2.15.0 (AdamW, clip_grad_norm_). The learning rate schedule is
mttl's linear_decay_with_warmup: update t of N with W warm-up updates runs at t/W below W, then at (N-t)/(N-W).

Needs make_tiny_models.py. Writes training_steps.json + training_steps.safetensors.
"""

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from golden_files import DIRECTORY, Random, max_difference, write_json, write_tensors

STEPS = 10
RANK, ALPHA = 4, 8
OPTIMISER = {"learning_rate": 1e-2, "weight_decay": 0.01, "betas": [0.9, 0.999], "eps": 1e-8}
TARGET_MODULES = ["q_proj", "k_proj", "v_proj"]
# Every gradient of llama_clipped is longer than its limit, some of gpt_neo_clipped are not.
CASES = [
    {"name": "llama", "model": "tiny_llama", "max_grad_norm": None, "warmup_steps": None},
    {"name": "llama_clipped", "model": "tiny_llama", "max_grad_norm": 1.0, "warmup_steps": None},
    {"name": "llama_scheduled", "model": "tiny_llama", "max_grad_norm": None, "warmup_steps": 3},
    {"name": "gpt_neo", "model": "tiny_gpt_neo", "max_grad_norm": None, "warmup_steps": None},
    {"name": "gpt_neo_clipped", "model": "tiny_gpt_neo", "max_grad_norm": 4.0, "warmup_steps": None},
    {"name": "llama_tied", "model": "tiny_llama", "max_grad_norm": 1.0, "warmup_steps": None, "tied": True},
]


def make_batches():
    """Three ragged batches. Each has a sequence longer than GPT-Neo's window; one sequence has a single target."""
    random = Random(10)
    shapes = [[(9, 4), (20, 13), (5, 1)], [(16, 15), (7, 3), (12, 6), (3, 2)], [(11, 5), (18, 2), (6, 5)]]
    return [
        [{"ids": random.ids(length, 1, 320), "target_begin": begin} for length, begin in shape] for shape in shapes
    ]


def pad(batch):
    """ids, attention mask and labels, each (B, L); labels are -100 but at targets. The padding is on the right."""
    longest = max(len(row["ids"]) for row in batch)
    ids = torch.zeros(len(batch), longest, dtype=torch.long)
    mask, labels = torch.zeros_like(ids), torch.full_like(ids, -100)
    for i, row in enumerate(batch):
        length, begin = len(row["ids"]), row["target_begin"]
        ids[i, :length] = torch.tensor(row["ids"])
        mask[i, :length] = 1
        labels[i, begin:length] = ids[i, begin:length]
    return ids, mask, labels


def batch_loss(model, batch):
    """Sum of -log p over the batch's target tokens / their number: what transformers' causal loss is."""
    ids, mask, labels = pad(batch)
    loss = model(input_ids=ids, attention_mask=mask, labels=labels, use_cache=False).loss
    with torch.no_grad():  # the same, written out, one unpadded sequence at a time
        total, count = 0.0, 0
        for row in batch:
            log_p = model(input_ids=torch.tensor([row["ids"]])).logits[0].double().log_softmax(-1)
            targets = range(row["target_begin"], len(row["ids"]))
            total -= sum(log_p[t - 1, row["ids"][t]].item() for t in targets)
            count += len(targets)
    assert abs(loss.item() - total / count) < 1e-5, (loss.item(), total / count)
    return loss


def lora_parameters(model):
    """{'<module path>.a' or '.b': parameter} of a PEFT model, in the model's order."""
    found = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            path = name.removeprefix("base_model.model.").removesuffix(".default.weight")
            module, side = path.rsplit(".lora_", 1)
            found[f"{module}.{side.lower()}"] = parameter
    return found


def tie_a(model):
    """The A of q, k and v of one layer is one torch parameter, as mttl's tie_params makes it: q's."""
    for name, module in model.named_modules():
        if name.endswith("self_attn"):
            for other in (module.k_proj, module.v_proj):
                other.lora_A["default"].weight = module.q_proj.lora_A["default"].weight


def learning_rate_multiplier(update, warmup_steps):
    if warmup_steps is None:
        return 1.0
    if update < warmup_steps:
        return update / max(1, warmup_steps)
    return max(0.0, (STEPS - update) / max(1, STEPS - warmup_steps))


def train(case, batches, dtype):
    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_pretrained(DIRECTORY / case["model"], dtype=torch.float32).to(dtype)
    config = LoraConfig(r=RANK, lora_alpha=ALPHA, lora_dropout=0.0, target_modules=TARGET_MODULES)
    model = get_peft_model(base, config, autocast_adapter_dtype=False).train()
    if case.get("tied"):
        tie_a(model)
    parameters = lora_parameters(model)  # a shared one once, under its first name
    random = Random(11)
    for parameter in parameters.values():
        # B is not zero, unlike a fresh expert's: otherwise the first gradient of A would be.
        parameter.data = random.normal(parameter.shape, 0.1).to(dtype)
    initial = {name: parameter.detach().clone() for name, parameter in parameters.items()}

    multipliers = [learning_rate_multiplier(update, case["warmup_steps"]) for update in range(STEPS)]
    optimiser = torch.optim.AdamW(
        parameters.values(),
        lr=OPTIMISER["learning_rate"],
        betas=tuple(OPTIMISER["betas"]),
        eps=OPTIMISER["eps"],
        weight_decay=OPTIMISER["weight_decay"],
    )
    losses, gradient_norms, first_gradients = [], [], {}
    for update in range(STEPS):
        for group in optimiser.param_groups:
            group["lr"] = OPTIMISER["learning_rate"] * multipliers[update]
        loss = batch_loss(model, batches[update % len(batches)])
        optimiser.zero_grad()
        loss.backward()
        if update == 0:
            first_gradients = {name: parameter.grad.clone() for name, parameter in parameters.items()}
        limit = case["max_grad_norm"] or float("inf")
        gradient_norms.append(torch.nn.utils.clip_grad_norm_(parameters.values(), limit).item())
        losses.append(loss.item())
        optimiser.step()
    values = {"losses": losses, "gradient_norms": gradient_norms, "learning_rate_multipliers": multipliers}
    return initial, first_gradients, parameters, values


def main():
    batches = make_batches()
    tensors, cases = {}, []
    for case in CASES:
        initial, gradients, final, values = train(case, batches, torch.float32)
        _, gradients64, final64, values64 = train(case, batches, torch.float64)
        values["float64_max_difference"] = {
            "losses": max_difference(torch.tensor(values["losses"]), torch.tensor(values64["losses"])),
            "first_gradients": max(max_difference(gradients[name], gradients64[name]) for name in gradients),
            "final": max(max_difference(final[name], final64[name]) for name in final),
        }
        for kind, named in [("initial", initial), ("first_gradient", gradients), ("final", final)]:
            tensors |= {f"{case['name']}/{kind}/{name}": tensor for name, tensor in named.items()}
        cases.append(case | values)
        print(case["name"], values)
    write_tensors("training_steps.safetensors", tensors)
    write_json(
        "training_steps.json",
        {
            "rank": RANK,
            "alpha": ALPHA,
            "target_modules": TARGET_MODULES,
            "optimiser": OPTIMISER,
            "steps": STEPS,
            "batches": batches,
            "cases": cases,
        },
    )


if __name__ == "__main__":
    main()
