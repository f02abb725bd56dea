#!/usr/bin/env python3
"""What PEFT's Arrow layer makes of some random experts: prototypes by power iteration, top 3, outputs combined.

Reference: peft 0.21.2 (tuners/lora/arrow.py, ArrowLoraLinearLayer), torch 2.15.0, float32 on one thread.
Writes:    peft_arrow.safetensors   a (E, r, in), b (E, out, r), x (T, in), prototypes (E, in), delta (T, out)
           peft_arrow.json          seed, alphas, rank
"""

from types import SimpleNamespace

import torch
from golden_files import Random, write_json, write_tensors
from peft.tuners.lora.arrow import ArrowLoraLinearLayer

EXPERTS, RANK, IN, OUT, TOKENS, SEED = 5, 3, 24, 16, 7, 1234
ALPHAS = [3.0, 6.0, 1.5, 9.0, 4.5]


@torch.no_grad()
def main():
    random = Random(31)
    a, b = random.normal((EXPERTS, RANK, IN), 0.3), random.normal((EXPERTS, OUT, RANK), 0.5)
    x = random.normal((TOKENS, IN), 1.0)
    names = [f"task_{e}" for e in range(EXPERTS)]
    config = SimpleNamespace(
        top_k=3, router_temperature=1.0, rng_seed=SEED, task_adapter_names=names, gks_adapter_names=[], use_gks=False
    )
    layer = ArrowLoraLinearLayer(IN, config)
    lora_a = {name: SimpleNamespace(weight=a[e]) for e, name in enumerate(names)}
    lora_b = {name: SimpleNamespace(weight=b[e]) for e, name in enumerate(names)}
    layer.build_prototypes(lora_a, lora_b)
    scaling = {name: ALPHAS[e] / RANK for e, name in enumerate(names)}
    delta = layer(x.unsqueeze(0), lora_a, lora_b, torch.nn.Identity(), scaling).squeeze(0)
    write_tensors("peft_arrow.safetensors", {"a": a, "b": b, "x": x, "prototypes": layer.prototypes, "delta": delta})
    write_json("peft_arrow.json", {"seed": SEED, "alphas": ALPHAS, "rank": RANK})


if __name__ == "__main__":
    main()
