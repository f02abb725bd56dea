"""mttl's avg_act_router on tiny_llama: prototypes from prompts, and logits of the model routed by them.

Reference: the formulas of mttl 1.0.2 in plain torch 2.15.0 over transformers 5.23.0. HiddenStateComputer (`pool` mean,
`use_base_model_only`): the mean over prompts of the mean over tokens of what goes into each adapted layer, at length 1.
PerTokenSelector with proto_init avg_act: softmax over x . p / T, T sqrt(d) where router_temp is -1, all experts where top_k is
-1, weights applied to A and to B (lora_merge_after False); input_norm_fn and proto_norm_fn as named in its __init__.

Needs make_tiny_models.py and make_routed_logits.py. Writes average_activation.json and .safetensors.
"""

import torch
from safetensors.torch import load_file

from golden_files import DIRECTORY, Random, max_difference, write_json, write_tensors
from make_routed_logits import EXPERTS, base_model
from make_training_steps import TARGET_MODULES
from routed_linear import RoutedLinear, TopK, adapted_modules, replace_module

PROMPTS = 5  # an expert
CASES = [
    {"name": "defaults", "top_k": 4, "temperature": 0, "input_norm": "id", "proto_norm": "id"},
    {"name": "top2", "top_k": 2, "temperature": 0.5, "input_norm": "id", "proto_norm": "id"},
    {"name": "norm_d_norm_p", "top_k": 4, "temperature": 0, "input_norm": "norm_d", "proto_norm": "norm_p"},
    {"name": "unit_norm_d", "top_k": 4, "temperature": 0.25, "input_norm": "unit", "proto_norm": "norm_d"},
]


def norm(kind, rows):
    """mttl's _get_norm_layer over rows (n, d)."""
    if kind == "norm_d":
        return torch.nn.functional.layer_norm(rows, rows.shape[1:])
    if kind == "norm_p":
        columns = rows.transpose(0, 1)
        return torch.nn.functional.layer_norm(columns, columns.shape[1:]).transpose(0, 1)
    if kind == "unit":
        return rows / rows.norm(dim=-1, p=2, keepdim=True).clamp(min=1e-8)
    return rows


@torch.no_grad()
def prototypes(prompts):
    """{module: (d)} of one expert's prompts."""
    model = base_model()
    sums = {}
    for path, linear in adapted_modules(model, TARGET_MODULES).items():
        def keep(module, inputs, path=path):
            sums[path] = sums.get(path, 0) + inputs[0][0].mean(0)
        linear.register_forward_pre_hook(keep)
    for ids in prompts:
        model(torch.tensor([ids]))
    return {path: torch.nn.functional.normalize(total / len(prompts), dim=0) for path, total in sums.items()}


@torch.no_grad()
def routed(case, experts, vectors, ids):
    model = base_model()
    slots, choices = {}, []
    for path, linear in adapted_modules(model, TARGET_MODULES).items():
        triples = [
            (experts[f"{e['name']}/{path}.a"], experts[f"{e['name']}/{path}.b"], e["alpha"] / e["rank"]) for e in EXPERTS
        ]
        rows = norm(case["proto_norm"], torch.stack([of_expert[path] for of_expert in vectors]))
        temperature = case["temperature"] or linear.in_features**0.5
        keep = TopK(case["top_k"])

        def weigh(x, rows=rows, temperature=temperature, keep=keep):
            return keep(rows @ norm(case["input_norm"], x.unsqueeze(0))[0] / temperature)

        slots[path] = RoutedLinear(linear, triples, weigh, "parameter")
        replace_module(model, path, slots[path])
        choices.append(keep)
    logits = model(torch.tensor([ids])).logits[0]
    return logits, {path: torch.stack(slot.seen) for path, slot in slots.items()}, min(k.smallest_gap for k in choices)


def main():
    random = Random(31)
    experts = load_file(DIRECTORY / "routed_experts.safetensors")
    prompts = [[random.ids(5 + 3 * i, 1, 320) for i in range(PROMPTS)] for _ in EXPERTS]
    ids = random.ids(16, 1, 320)
    vectors = [prototypes(own) for own in prompts]
    tensors = {f"{e['name']}/{path}": v for e, own in zip(EXPERTS, vectors) for path, v in own.items()}
    previous = None
    for case in CASES:
        logits, weights, gap = routed(case, experts, vectors, ids)
        # Closer choices could fall the other way in another implementation's rounding.
        assert gap > 1e-3, (case, gap)
        assert previous is None or max_difference(logits, previous) > 1e-3, case
        previous = logits
        tensors[f"{case['name']}/logits"] = logits
        tensors |= {f"{case['name']}/weights/{path}": value for path, value in weights.items()}
        print(case, gap)
    write_tensors("average_activation.safetensors", tensors)
    write_json("average_activation.json", {"ids": ids, "prompts": prompts, "cases": CASES})


if __name__ == "__main__":
    main()
