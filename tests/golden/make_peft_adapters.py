#!/usr/bin/env python3
"""Golden files for importing adapters: LoRA adapters on tiny models as PEFT saves them, and their logits.

Reference: PEFT 0.21.2, transformers 5.23.0, torch 2.15.0.
Needs make_tiny_models.py and make_families.py. Writes peft_adapters/<case>/ (as save_pretrained leaves it, without
README.md), peft_adapters.json (`ids`; `cases`, each with its base) and peft_adapters.safetensors (`<case>/logits`, (8,
vocabulary), of the adapter as PEFT loads it again).
"""

import shutil

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

from golden_files import DIRECTORY, Random, max_difference, write_json, write_tensors

# Options of LoraConfig; `dtype` and `pickled` say how the weights are saved, `base` on what (default: tiny_llama).
CASES = {
    "pickled": {"target_modules": ["q_proj", "v_proj"], "pickled": True},
    "patterns": {
        "target_modules": ["q_proj", "k_proj", "v_proj"],
        "rank_pattern": {"layers.1.self_attn.q_proj": 1, "^model.layers.0.*v_proj": 4},
        "alpha_pattern": {"k_proj": 12, "self_attn.v_proj": 3},
    },
    "rank_stabilised": {
        "target_modules": ["q_proj", "down_proj"],
        "use_rslora": True,
        "rank_pattern": {"down_proj": 3},
    },
    "regex": {"target_modules": r".*\.[01]\.(self_attn\.[qo]|mlp\.gate)_proj", "dtype": torch.bfloat16},
    "all_linear": {"target_modules": "all-linear", "exclude_modules": ["o_proj"]},
    "one_layer": {
        "target_modules": ["up_proj", "k_proj"],
        "layers_to_transform": [1],
        "layers_pattern": "layers",
        "dtype": torch.float16,
    },
    "conv1d": {"base": "families/gpt2", "target_modules": ["c_attn", "c_proj", "c_fc"], "fan_in_fan_out": True},
}


def base_model(name):
    return AutoModelForCausalLM.from_pretrained(DIRECTORY / name, dtype=torch.float32).eval()


def save_adapter(name, base, options, random):
    """Both factors are random: PEFT starts B at zero."""
    dtype, pickled = options.pop("dtype", torch.float32), options.pop("pickled", False)
    config = LoraConfig(r=2, lora_alpha=5, task_type="CAUSAL_LM", **options)
    model = get_peft_model(base_model(base), config, autocast_adapter_dtype=False)
    for path, parameter in model.named_parameters():
        if parameter.requires_grad:
            parameter.data = random.normal(parameter.shape, 0.3).to(dtype)
    model.peft_config["default"].base_model_name_or_path = base
    directory = DIRECTORY / "peft_adapters" / name
    shutil.rmtree(directory, ignore_errors=True)
    model.save_pretrained(directory, safe_serialization=not pickled)
    (directory / "README.md").unlink(missing_ok=True)
    return directory


@torch.no_grad()
def main():
    random = Random(31)
    ids = random.ids(8, 1, 100)
    tensors, cases = {}, {}
    for name, options in CASES.items():
        options = dict(options)
        base = options.pop("base", "tiny_llama")
        directory = save_adapter(name, base, options, random)
        logits = PeftModel.from_pretrained(base_model(base), directory).eval()(torch.tensor([ids])).logits[0]
        assert max_difference(logits, base_model(base)(torch.tensor([ids])).logits[0]) > 0.1, name
        tensors[f"{name}/logits"] = logits
        cases[name] = base
    write_tensors("peft_adapters.safetensors", tensors)
    write_json("peft_adapters.json", {"ids": ids, "cases": cases})


if __name__ == "__main__":
    main()
