#!/usr/bin/env python3
"""Settings of a model that contradict its weights or each other, and what transformers computes with them.

Reference: transformers 5.23.0, torch 2.15.0, in float32 on one thread, on the golden models of make_tiny_models.py and
           make_families.py, changed as described.
Writes:    model_settings.json         per case: the golden folder; what is changed in its config.json (`set`, `erase`)
                                       and weights (`rolled`: name -> the tensor whose rows, moved by one, it holds;
                                       `filled`: name -> its size, of 0.5; `renamed`); for GGUF the golden `file` whose
                                       added `values` say the same; 24 ids; and whether the logits are those of the
                                       folder as it is
           model_settings.safetensors  <case> (4, 320): logits of the last four ids
"""

import json
import shutil
import tempfile
import pathlib

import torch
from golden_files import DIRECTORY, Random, read_json, write_json, write_tensors
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

LLAMA_LAYERS = [f"model.layers.{i}" for i in range(2)]
ATTENTION_BIASES = {
    f"{layer}.self_attn.{name}.bias": size
    for layer in LLAMA_LAYERS
    for name, size in {"q_proj": 32, "k_proj": 16, "v_proj": 16, "o_proj": 32}.items()
}
MLP_BIASES = {
    f"{layer}.mlp.{name}.bias": size
    for layer in LLAMA_LAYERS
    for name, size in {"gate_proj": 64, "up_proj": 64, "down_proj": 32}.items()
}
DEFAULT = {"rope_type": "default"}


def gemma(full, sliding, **top):
    return {"model": "families/gemma3", "set": {"rope_parameters": {"full_attention": full, "sliding_attention": sliding}, **top}}


def cases():
    own_head = {"rolled": {"lm_head.weight": "model.embed_tokens.weight"}}
    gpt_head = {"rolled": {"lm_head.weight": "transformer.wte.weight"}}
    return {
        "llama_own_head": {"model": "tiny_llama", **own_head},
        "gpt_neo_own_head": {"model": "tiny_gpt_neo", **gpt_head},
        "gpt2_own_head": {"model": "families/gpt2", **gpt_head},
        "qwen3_own_head": {"model": "families/qwen3", **own_head},
        "gemma3_own_head": {"model": "families/gemma3", **own_head},
        "llama_only_head": {"model": "tiny_llama", "renamed": {"model.embed_tokens.weight": "lm_head.weight"}},
        "llama_biases": {"model": "tiny_llama", "filled": ATTENTION_BIASES | MLP_BIASES},
        "qwen3_bias": {"model": "families/qwen3", "filled": {"model.layers.0.self_attn.o_proj.bias": 16}},
        "mistral_bias": {"model": "families/mistral", "filled": {"model.layers.0.self_attn.o_proj.bias": 16}},
        "phi3_bias": {"model": "families/phi3", "filled": {"model.layers.1.self_attn.qkv_proj.bias": 64}},
        "qwen2_bias": {"model": "families/qwen2", "filled": {"model.layers.0.self_attn.o_proj.bias": 16}},
        "gemma3_bias": {"model": "families/gemma3", "filled": {"model.layers.0.self_attn.o_proj.bias": 16}},
        "llama_head_bias": {"model": "tiny_llama", "filled": {"lm_head.bias": 320}},
        "llama_norm_bias": {"model": "tiny_llama", "filled": {"model.norm.bias": 32}},
        "gemma3_theta_at_the_top": gemma(
            {"rope_type": "linear", "factor": 4.0}, DEFAULT, rope_theta=60.0, rope_local_base_freq=20.0
        ),
        "gemma3_scaling_at_the_top": gemma(
            {"rope_type": "default", "rope_theta": 60.0},
            {"rope_type": "default", "rope_theta": 20.0},
            rope_scaling={"rope_type": "linear", "factor": 8.0},
        ),
        "gemma3_type_at_the_top": gemma(
            {"rope_type": "default", "rope_theta": 60.0}, DEFAULT, rope_scaling={"type": "linear", "factor": 8.0}
        ),
        "gemma3_nothing_nested": {
            "model": "families/gemma3",
            "set": {"rope_parameters": {"rope_type": "linear", "factor": 3.0, "rope_theta": 5.0}, "rope_theta": 60.0},
        },
        "gemma3_old": {
            "model": "families/gemma3",
            "erase": ["rope_parameters"],
            "set": {"rope_scaling": {"rope_type": "linear", "factor": 8.0}, "rope_theta": 60.0},
        },
        "llama_partial": {"model": "tiny_llama", "set": {"partial_rotary_factor": 0.5}},
        "mistral_partial": {"model": "families/mistral", "set": {"partial_rotary_factor": 0.5}},
        "qwen2_partial": {"model": "families/qwen2", "set": {"partial_rotary_factor": 0.5}},
        "qwen3_partial": {"model": "families/qwen3", "set": {"partial_rotary_factor": 0.5}},
        "phi3_partial": {"model": "families/phi3", "set": {"partial_rotary_factor": 0.5}},
        "gguf_scale_linear": {
            "model": "families/qwen3",
            "set": {"rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 60.0}},
            "file": "families/qwen3.gguf",
            "values": {"qwen3.rope.scale_linear": 4.0},
        },
        "gguf_factor_alone": {
            "model": "families/qwen3",
            "set": {"rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 60.0}},
            "file": "families/qwen3.gguf",
            "values": {"qwen3.rope.scaling.factor": 4.0, "qwen3.rope.scale_linear": 2.0},
        },
        "gguf_scaling_none": {
            "model": "families/qwen3",
            "file": "families/qwen3.gguf",
            "values": {"qwen3.rope.scaling.factor": 4.0, "qwen3.rope.scaling.type": "none"},
        },
        "gguf_yarn_settings": {
            "model": "families/qwen2_yarn",
            "set": {
                "rope_scaling": {
                    "rope_type": "yarn",
                    "factor": 4.0,
                    "original_max_position_embeddings": 24,
                    "attention_factor": 0.8 * (1 + 0.1 * torch.log(torch.tensor(4.0)).item()),
                    "beta_fast": 16.0,
                    "beta_slow": 2.0,
                }
            },
            "file": "families/qwen2_yarn.gguf",
            "values": {
                "qwen2.rope.scaling.attn_factor": 0.8,
                "qwen2.rope.scaling.yarn_beta_fast": 16.0,
                "qwen2.rope.scaling.yarn_beta_slow": 2.0,
            },
        },
    }


def changed_copy(case, directory):
    shutil.copytree(DIRECTORY / case["model"], directory)
    config = json.loads((directory / "config.json").read_text())
    for key in case.get("erase", []):
        del config[key]
    config |= case.get("set", {})
    (directory / "config.json").write_text(json.dumps(config))
    weights = load_file(directory / "model.safetensors")
    for name, other in case.get("rolled", {}).items():
        weights[name] = weights[other].roll(1, 0).contiguous()
    for name, size in case.get("filled", {}).items():
        weights[name] = torch.full((size,), 0.5)
    for name, new in case.get("renamed", {}).items():
        weights[new] = weights.pop(name)
    save_file(weights, directory / "model.safetensors", {"format": "pt"})


@torch.no_grad()
def logits_of(directory, ids):
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
    return model(torch.tensor([ids])).logits[0]


def main():
    tensors, values = {}, {}
    for number, (name, case) in enumerate(cases().items()):
        ids = Random(400 + number).ids(24, 1, 320)
        with tempfile.TemporaryDirectory() as scratch:
            changed_copy(case, pathlib.Path(scratch) / "model")
            logits = logits_of(pathlib.Path(scratch) / "model", ids)
        plain = logits_of(DIRECTORY / case["model"], ids)
        values[name] = case | {
            "ids": ids,
            "range": (logits.max() - logits.min()).item(),
            "as_it_is": torch.equal(logits, plain),
        }
        tensors[name] = logits[-4:]
        print(name, values[name]["as_it_is"], (logits - plain).abs().max().item())
    write_tensors("model_settings.safetensors", tensors)
    write_json("model_settings.json", values)


if __name__ == "__main__":
    main()
