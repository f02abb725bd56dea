#!/usr/bin/env python3
"""Three small random experts and what the merges of PEFT and mttl make of them.

Reference: peft 0.21.2 (utils/merge_utils.py, LoraModel.add_weighted_adapter for cat and how weights meet the factors,
           tuners/lora/arrow.py for GenKnowSub), torch 2.15.0. mttl's merges are written out from its library_transforms.py (1.0.2: weighted_linear_merge and
           ties_merge; its later wudi_merge from its description), since they take mttl's own library objects.
Writes:    merges.safetensors   "<expert>.<module>.a|b" (r, in), (out, r); "<case>.<module>.a|b", or ".update" (out, in)
           merges.json          modules with rank and widths, alphas, cases with their settings
"""

import math

from types import SimpleNamespace

import torch
from golden_files import Random, write_json, write_tensors
from peft.tuners.lora.arrow import ArrowLoraLinearLayer
from peft.utils import merge_utils

RANK, ALPHAS, WEIGHTS, DENSITY, SEED = 3, [6.0, 3.0, 1.5], [0.5, -0.3, 0.8], 0.4, 7
MODULES = {"layers.0.square": (13, 13), "layers.1.wide": (17, 5)}  # (in, out), by path
EXPERTS = ["ape", "bee", "cat"]


def factors(alphas):
    random = Random(51)
    result = {}
    for expert, alpha in zip(EXPERTS, alphas):
        for module, (width, out) in MODULES.items():
            a, b = random.normal((RANK, width), 0.4), random.normal((out, RANK), 0.6)
            result[expert, module] = (a, b, alpha / RANK)
    return result


def of_factors(loras, function):
    """PEFT's on A and B: weights are sqrt(|w s|), the sign goes to A."""
    scaled = [weight * scale for weight, (_, _, scale) in zip(WEIGHTS, loras)]
    a_weights = torch.tensor([math.copysign(math.sqrt(abs(w)), w) for w in scaled])
    b_weights = torch.tensor([math.sqrt(abs(w)) for w in scaled])
    return {"a": function([a for a, _, _ in loras], a_weights), "b": function([b for _, b, _ in loras], b_weights)}


def of_updates(loras, function, rank):
    update = function([b @ a * scale for a, b, scale in loras], torch.tensor(WEIGHTS))
    u, s, vh = torch.linalg.svd(update.double())
    return {"update": (u[:, :rank] * s[:rank]) @ vh[:rank]}


def peft_cases():
    d = DENSITY
    return {
        "linear": lambda t, w: merge_utils.task_arithmetic(t, w),
        "ties": lambda t, w: merge_utils.ties(t, w, d, "total"),
        "ties_frequency": lambda t, w: merge_utils.ties(t, w, d, "frequency"),
        "dare_linear": lambda t, w: merge_utils.dare_linear(t, w, d),
        "dare_ties": lambda t, w: merge_utils.dare_ties(t, w, d, "total"),
        "magnitude_prune": lambda t, w: merge_utils.magnitude_prune(t, w, d),
    }


def mttl_ties(experts):
    """experts: one {name: tensor} each, all of one scale."""
    vectors = [torch.cat([tensor.flatten() for tensor in expert.values()]) for expert in experts]
    thresholds = [vector.abs().quantile(1 - DENSITY) for vector in vectors]
    merged = {}
    for name in experts[0]:
        stacked = torch.stack([e[name] * (e[name].abs() >= t) for e, t in zip(experts, thresholds)])
        use = stacked.sign() == stacked.sum(0, keepdim=True).sign()
        merged[name] = (stacked * use).sum(0) / use.sum(0).clamp(min=1.0)
    return merged


def wudi(tensors):
    """tensors in mttl's orientation; torch's own Adam."""
    merged = torch.nn.Parameter(sum(tensors).clone())
    optimiser = torch.optim.Adam([merged], lr=1e-5)
    last, small = math.inf, 0
    for _ in range(300):
        optimiser.zero_grad()
        loss = sum(((merged - t) @ t.T).square().sum() / t.square().sum() for t in tensors)
        small = small + 1 if abs(last - loss.item()) < 1e-4 else 0
        last = loss.item()
        if small >= 5:
            break
        loss.backward()
        optimiser.step()
    return merged.detach() / len(tensors)


def subtracted(members):
    """The first less the mean of the others: of the updates in float64, and whole or by its largest RANK singular values."""
    first, *general = [s * b.double() @ a.double() for a, b, s in members]
    update = first - sum(general) / len(general)
    u, s, vh = torch.linalg.svd(update)
    return update, (u[:, :RANK] * s[:RANK]) @ vh[:RANK]


def subtracted_by_peft(members):
    """PEFT's own gen_know_sub on the factors."""
    lora_a, lora_b = ({n: SimpleNamespace(weight=m[i].clone()) for n, m in zip(EXPERTS, members)} for i in (0, 1))
    state = SimpleNamespace(
        use_gks=True, gks_done=False, gks_added_adapter_names=[], task_adapter_names=EXPERTS[:1], gks_adapter_names=EXPERTS[1:]
    )
    ArrowLoraLinearLayer.gen_know_sub(state, lora_a, lora_b)
    return {"a": lora_a[EXPERTS[0]].weight, "b": lora_b[EXPERTS[0]].weight}


def main():
    loras, tensors = factors(ALPHAS), {}
    for (expert, module), (a, b, _) in loras.items():
        tensors |= {f"{expert}.{module}.a": a, f"{expert}.{module}.b": b}
    by_module = {module: [loras[expert, module] for expert in EXPERTS] for module in MODULES}

    def put(case, module, parts):
        tensors.update({f"{case}.{module}.{part}": value for part, value in parts.items()})

    for case, function in peft_cases().items():
        torch.manual_seed(SEED)  # then module by module, A of every expert, B of every expert
        for module, members in by_module.items():
            put(case, module, of_factors(members, function))
        torch.manual_seed(SEED)
        for module, members in by_module.items():
            put("svd" if case == "linear" else f"{case}_svd", module, of_updates(members, function, RANK))
    for module, members in by_module.items():
        put("cat", module, {"update": sum(w * s * b @ a for w, (a, b, s) in zip(WEIGHTS, members))})
        whole, cut = subtracted(members)
        put("subtract", module, {"update": whole.float()})
        put("subtract_cut", module, {"update": cut.float()})
        put("subtract_peft", module, subtracted_by_peft(members))
        equal = [(a, b * s) for a, b, s in members]
        put("mean", module, {"a": sum(a for a, _ in equal) / 3, "b": sum(b for _, b in equal) / 3})
        weighted = zip(WEIGHTS, equal)
        parts = [(w * a, w * b) for w, (a, b) in weighted]
        put("weighted", module, {"a": sum(a for a, _ in parts), "b": sum(b for _, b in parts)})
        put("wudi", module, {"a": wudi([a.T for a, _, _ in members]).T, "b": wudi([b.T for _, b, _ in members]).T})
    plain = [{(m, p): loras[e, m][p] for m in MODULES for p in (0, 1)} for e in EXPERTS]
    for (module, part), value in mttl_ties(plain).items():
        put("mttl_ties", module, {"ab"[part]: value})
    write_tensors("merges.safetensors", tensors)
    settings = {"experts": EXPERTS, "modules": list(MODULES), "rank": RANK, "alphas": ALPHAS, "weights": WEIGHTS}
    write_json("merges.json", settings | {"density": DENSITY, "seed": SEED})


if __name__ == "__main__":
    main()
