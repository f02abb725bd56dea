#!/usr/bin/env python3
"""The hidden states between the layers of the tiny models.

Reference: transformers 5.23.0, torch 2.15.0, in float32 on one thread.
Reads:     tiny_models.json and families.json for the ids, and their models.
Writes:    hidden_states.safetensors   "<model>.<layer>" (T, D): hidden_states[layer] of the model's ids
           hidden_states.json          per model the ids, the largest absolute value, and how far float32 is from float64
"""

import copy

import torch
from golden_files import DIRECTORY, max_difference, read_json, write_json, write_tensors
from transformers import AutoModelForCausalLM

# Between them: learned and rotary positions, a scaled embedding, serial, parallel and sandwich blocks.
MODELS = ["tiny_llama", "tiny_gpt_neo", "families/gpt2", "families/phi", "families/gemma3"]


@torch.no_grad()
def main():
    tiny, families = read_json("tiny_models.json"), read_json("families.json")
    tensors, values = {}, {}
    for path in MODELS:
        name = path.split("/")[-1]
        ids = (families if "/" in path else tiny)[name]["ids"]
        model = AutoModelForCausalLM.from_pretrained(DIRECTORY / path, dtype=torch.float32).eval()
        states = model(torch.tensor([ids]), output_hidden_states=True).hidden_states
        exact = copy.deepcopy(model).double()(torch.tensor([ids]), output_hidden_states=True).hidden_states
        assert len(states) == model.config.num_hidden_layers + 1
        tensors |= {f"{name}.{layer}": state[0] for layer, state in enumerate(states)}
        values[name] = {
            "ids": ids,
            "layers": len(states) - 1,
            "largest": max(state.abs().max().item() for state in states),
            "float64_max_difference": max(map(max_difference, states, exact)),
        }
        print(name, values[name])
    write_tensors("hidden_states.safetensors", tensors)
    write_json("hidden_states.json", values)


if __name__ == "__main__":
    main()
