"""Logits of tiny_llama with four experts under every router, both ways of combining.

Reference: the naive formulas of routed_linear.py in plain torch 2.15.0 over transformers 5.23.0. PEFT 0.21.2 confirms
two of them: its own loader gives the oracle's logits, its own Arrow gives Arrow's `output` logits (for the two experts
of one rank, which is all it can route).

Needs make_tiny_models.py. Writes tiny_llama_expert/ (expert_0 as PEFT saves it), routed_logits.json,
routed_experts.safetensors and routed_logits.safetensors.
"""

import functools
import itertools
import shutil
import tempfile

import torch
from peft import ArrowConfig, LoraConfig, PeftModel, create_arrow_model, get_peft_model
from transformers import AutoModelForCausalLM

from golden_files import DIRECTORY, Random, max_difference, write_json, write_tensors
from make_training_steps import TARGET_MODULES, lora_parameters
from routed_linear import RoutedLinear, TopK, adapted_modules, arrow_logits, arrow_prototype, phatgoose_logits
from routed_linear import replace_module

EXPERTS = [
    {"name": "expert_0", "rank": 4, "alpha": 16},
    {"name": "expert_1", "rank": 2, "alpha": 1},
    {"name": "expert_2", "rank": 8, "alpha": 8},
    {"name": "expert_3", "rank": 4, "alpha": 6},
]
BOTH = ["output", "parameter"]
# An oracle's logits do not depend on the combination: `combine` lists both.
CASES = [{"name": f"oracle_{e}", "router": "oracle", "expert": e, "combine": BOTH} for e in range(len(EXPERTS))]
for how in BOTH:
    CASES.append({"name": f"uniform_{how}", "router": "uniform", "combine": [how]})
    CASES += [
        {
            "name": f"arrow_top{k}_temperature{temperature}_{how}",
            "router": "arrow",
            "top_k": k,
            "temperature": temperature,
            "combine": [how],
        }
        for k in [2, 4]
        for temperature in [1.0, 0.5]
    ]
    CASES.append({"name": f"phatgoose_top2_{how}", "router": "phatgoose", "top_k": 2, "combine": [how]})


def base_model(dtype=torch.float32):
    return AutoModelForCausalLM.from_pretrained(DIRECTORY / "tiny_llama", dtype=torch.float32).to(dtype).eval()


def make_experts(random):
    """tensors '<expert>/<module>.a' (r, d), '.b' (out, r), '.prototype' (d), '.gate' (d)."""
    tensors = {}
    for expert in EXPERTS:
        rank = expert["rank"]
        for path, linear in adapted_modules(base_model(), TARGET_MODULES).items():
            name = f"{expert['name']}/{path}"
            # The scale differs by a factor 8 between experts; the size of B makes up for it, so that all are seen.
            size = 0.25 / (expert["alpha"] / rank) / rank**0.5
            a, b = random.normal((rank, linear.in_features), 0.5), random.normal((linear.out_features, rank), size)
            tensors[name + ".a"], tensors[name + ".b"] = a, b
            tensors[name + ".prototype"] = arrow_prototype(a, b).float()
            tensors[name + ".gate"] = random.normal((linear.in_features,), 0.3)
    return tensors


def route(case, members, experts, path, dtype):
    """The slot's function x (d) -> weights (E), and the TopK inside it, if any."""
    stack = lambda kind: torch.stack([experts[f"{e['name']}/{path}.{kind}"].to(dtype) for e in members])
    count = len(members)
    if case["router"] == "oracle":
        return lambda x: torch.eye(count, dtype=dtype)[case["expert"]], None
    if case["router"] == "uniform":
        return lambda x: torch.full((count,), 1 / count, dtype=dtype), None
    keep = TopK(case["top_k"])
    if case["router"] == "arrow":
        logits = functools.partial(arrow_logits, stack("prototype"), case["temperature"])
    else:
        logits = functools.partial(phatgoose_logits, stack("gate"))
    return lambda x: keep(logits(x)), keep


@torch.no_grad()
def routed_logits(case, how, members, experts, ids, dtype=torch.float32):
    """Logits (16, 320), {module: weights (16, E)}, and the least lead of a kept expert over a dropped one."""
    model = base_model(dtype)
    slots, choices = {}, []
    for path, linear in adapted_modules(model, TARGET_MODULES).items():
        triples = [
            (*(experts[f"{e['name']}/{path}.{side}"].to(dtype) for side in "ab"), e["alpha"] / e["rank"])
            for e in members
        ]
        weigh, keep = route(case, members, experts, path, dtype)
        slots[path] = RoutedLinear(linear, triples, weigh, how)
        replace_module(model, path, slots[path])
        choices.append(keep)
    logits = model(torch.tensor([ids])).logits[0]
    gap = min([keep.smallest_gap for keep in choices if keep] or [float("inf")])
    return logits, {path: torch.stack(slot.seen) for path, slot in slots.items()}, gap


def peft_model(expert, experts):
    config = LoraConfig(
        r=expert["rank"],
        lora_alpha=expert["alpha"],
        lora_dropout=0.0,
        target_modules=TARGET_MODULES,
        task_type="CAUSAL_LM",
        base_model_name_or_path="tiny_llama",
    )
    model = get_peft_model(base_model(), config)
    for name, parameter in lora_parameters(model).items():
        parameter.data = experts[f"{expert['name']}/{name}"].clone()
    return model


def save_peft_expert(expert, experts, directory):
    model = peft_model(expert, experts)
    model.peft_config["default"].base_model_name_or_path = "tiny_llama"
    model.save_pretrained(directory)


@torch.no_grad()
def peft_arrow_logits(members, experts, ids):
    """PEFT's own Arrow, top 1. Its prototypes come from 15 power iterations."""
    with tempfile.TemporaryDirectory() as scratch:
        paths = [f"{scratch}/{expert['name']}" for expert in members]
        for expert, path in zip(members, paths):
            save_peft_expert(expert, experts, path)
        config = ArrowConfig(top_k=1, router_temperature=1.0, rng_seed=0)
        model = create_arrow_model(base_model(), task_specific_adapter_paths=paths, arrow_config=config)
        return model.eval()(torch.tensor([ids])).logits[0]


def difference_from_peft_arrow(experts, ids):
    members = [expert for expert in EXPERTS if expert["rank"] == 4]
    case = {"router": "arrow", "top_k": 1, "temperature": 1.0}
    logits, _, _ = routed_logits(case, "output", members, experts, ids)
    return max_difference(logits, peft_arrow_logits(members, experts, ids))


def main():
    random = Random(23)
    ids = random.ids(16, 1, 320)
    experts = make_experts(random)
    tensors, cases = {}, []
    for case in CASES:
        runs = [routed_logits(case, how, EXPERTS, experts, ids) for how in case["combine"]]
        logits, weights, gap = runs[0]
        in_float64, _, _ = routed_logits(case, case["combine"][0], EXPERTS, experts, ids, torch.float64)
        assert all(max_difference(logits, other) < 1e-4 for other, _, _ in runs)
        # Closer choices could fall the other way in another implementation's rounding.
        assert gap > 1e-3, (case, gap)
        tensors[f"{case['name']}/logits"] = logits
        if "top_k" in case:
            tensors |= {f"{case['name']}/weights/{path}": value for path, value in weights.items()}
        cases.append(
            case
            | {
                "smallest_gap": None if gap == float("inf") else gap,
                "float64_max_difference": max_difference(logits, in_float64),
            }
        )
        print(cases[-1])

    directory = DIRECTORY / "tiny_llama_expert"
    shutil.rmtree(directory, ignore_errors=True)
    save_peft_expert(EXPERTS[0], experts, directory)
    (directory / "README.md").unlink(missing_ok=True)
    with torch.no_grad():
        expert_model = PeftModel.from_pretrained(base_model(), directory).eval()
        tensors["peft_expert/logits"] = expert_model(torch.tensor([ids])).logits[0]
        tensors["base/logits"] = base_model()(torch.tensor([ids])).logits[0]
    different = {name: value for name, value in tensors.items() if name.endswith("/logits") and "peft" not in name}
    for one, other in itertools.combinations(different, 2):
        assert max_difference(different[one], different[other]) > 0.05, (one, other)
    peft_difference = max_difference(tensors["peft_expert/logits"], tensors["oracle_0/logits"])
    arrow_difference = difference_from_peft_arrow(experts, ids)
    print("PEFT against the oracle", peft_difference, "PEFT's Arrow against ours", arrow_difference)
    assert peft_difference < 1e-4 and arrow_difference < 1e-3

    write_tensors("routed_experts.safetensors", experts)
    write_tensors("routed_logits.safetensors", tensors)
    write_json(
        "routed_logits.json",
        {
            "model": "tiny_llama",
            "ids": ids,
            "target_modules": TARGET_MODULES,
            "experts": EXPERTS,
            "peft_max_difference": {"expert": peft_difference, "arrow": arrow_difference},
            "cases": cases,
        },
    )


if __name__ == "__main__":
    main()
