"""Five steps of PhatGOOSE gate training on tiny_llama with the expert `llama` of make_training_steps.py.

Reference: plain torch 2.15.0 (routed_linear.GatedLinear, AdamW) over transformers 5.23.0. Base and expert are frozen,
one gate per slot starts at zero.

Needs make_tiny_models.py and make_training_steps.py. Writes phatgoose_gate.json + phatgoose_gate.safetensors.
"""

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from golden_files import DIRECTORY, max_difference, read_json, write_json, write_tensors
from make_training_steps import batch_loss
from routed_linear import GatedLinear, adapted_modules, replace_module

STEPS = 5
OPTIMISER = {"learning_rate": 1e-2, "weight_decay": 0.0, "betas": [0.9, 0.999], "eps": 1e-8}
EXPERT = "llama/final/"


def train(training, expert, dtype):
    model = AutoModelForCausalLM.from_pretrained(DIRECTORY / "tiny_llama", dtype=torch.float32).to(dtype)
    model.requires_grad_(False)
    scale = training["alpha"] / training["rank"]
    gates = {}
    for path, linear in adapted_modules(model, training["target_modules"]).items():
        a, b = (expert[f"{EXPERT}{path}.{side}"].to(dtype) for side in "ab")
        gated = GatedLinear(linear, a, b, scale)
        replace_module(model, path, gated)
        gates[f"{path}.gate"] = gated.gate
    optimiser = torch.optim.AdamW(
        gates.values(), lr=OPTIMISER["learning_rate"], eps=OPTIMISER["eps"], weight_decay=OPTIMISER["weight_decay"]
    )
    losses, first_gradients = [], {}
    for update in range(STEPS):
        loss = batch_loss(model, training["batches"][update % len(training["batches"])])
        optimiser.zero_grad()
        loss.backward()
        if update == 0:
            first_gradients = {name: gate.grad.clone() for name, gate in gates.items()}
        optimiser.step()
        losses.append(loss.item())
    return losses, first_gradients, gates


def main():
    training = read_json("training_steps.json")
    expert = load_file(DIRECTORY / "training_steps.safetensors")
    losses, gradients, gates = train(training, expert, torch.float32)
    losses64, gradients64, gates64 = train(training, expert, torch.float64)
    tensors = {f"first_gradient/{name}": tensor for name, tensor in gradients.items()}
    tensors |= {f"final/{name}": tensor for name, tensor in gates.items()}
    write_tensors("phatgoose_gate.safetensors", tensors)
    values = {
        "model": "tiny_llama",
        "expert": "training_steps.safetensors:" + EXPERT,
        "optimiser": OPTIMISER,
        "max_grad_norm": None,
        "steps": STEPS,
        "losses": losses,
        "float64_max_difference": {
            "losses": max_difference(torch.tensor(losses), torch.tensor(losses64)),
            "first_gradients": max(max_difference(gradients[name], gradients64[name]) for name in gradients),
            "final": max(max_difference(gates[name], gates64[name]) for name in gates),
        },
    }
    print(values)
    write_json("phatgoose_gate.json", values)


if __name__ == "__main__":
    main()
